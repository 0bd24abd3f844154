from dataclasses import replace
from datetime import UTC, datetime

from service.carried import Carried, Ended, Held
from service.messages import Delivery
from service.results import Result
from tests.unit.samples import delivery

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RESULT = Result(event_id="e", outcome="updated", database="1", received_at=NOW, finished_at=NOW)
KEY = ("1", "customerid==1")


def first(content: str) -> Delivery:
    """A delivery as it came the first time."""
    return delivery(content.encode())


def again(content: str, count: int = 1) -> Delivery:
    """The same one as it is handed back so many times."""
    return replace(delivery(content.encode(), {"x-delivery-count": count}), redelivered=True)


def ended(content: str, *, acknowledged: bool = False, published: bool = True) -> Ended:
    one = first(content)
    return Ended(one.fingerprint, 0, None if acknowledged else RESULT, published)


def carried(*ends: Ended, left: str = "") -> Carried:
    return Carried([(KEY, one) for one in ends], [first(content) for content in left])


class TestEnd:
    def test_answers_what_comes_back_once(self) -> None:
        one = ended("a")
        links = carried(one)
        assert links.end(KEY, again("a")) is one
        assert links.end(KEY, again("a")) is None

    def test_answers_in_order(self) -> None:
        one, two = ended("a", acknowledged=True), ended("b")
        links = carried(one, two)
        assert [links.end(KEY, again(content)) for content in "ab"] == [one, two]

    def test_passes_over_what_was_acknowledged(self) -> None:
        two = ended("b")
        assert carried(ended("a", acknowledged=True), two).end(KEY, again("b")) is two

    def test_forgets_all_of_a_key_when_something_else_comes_first(self) -> None:
        links = carried(ended("a"), ended("b"))
        assert links.end(KEY, again("x")) is None
        assert links.end(KEY, again("b")) is None

    def test_forgets_all_of_a_key_when_something_new_comes_first(self) -> None:
        links = carried(ended("a"))
        assert links.end(KEY, first("a")) is None
        assert links.end(KEY, again("a")) is None

    def test_is_not_for_what_somebody_else_has_held_meanwhile(self) -> None:
        assert carried(ended("a")).end(KEY, again("a", count=2)) is None

    def test_is_for_its_key_alone(self) -> None:
        links = carried(ended("a"))
        assert links.end(("1", "customerid==2"), again("a")) is None
        assert links.end(KEY, again("a")) is not None

    def test_never_swallows_the_twin_of_what_was_acknowledged(self) -> None:
        # a, b, a: the first two were acknowledged, the last was not begun. One "a" comes back.
        ends = [ended("a", acknowledged=True), ended("b", acknowledged=True)]
        assert carried(*ends, left="a").end(KEY, again("a")) is None


class TestHeld:
    def test_is_what_nobody_else_has_held(self) -> None:
        links = Carried(held={first("a").fingerprint: Held(0, 7, look_first=True)})
        assert links.held(again("a")) == Held(0, 7, look_first=True)
        assert links.held(again("a", count=2)) is None
        assert links.held(again("b")) is None
