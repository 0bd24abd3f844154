import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from service.commands.dead_letters import Groups
from service.commands.letter_views import (
    nothing,
    show_counts,
    show_each,
    show_ending,
    show_groups,
    show_tally,
    told,
    told_whole,
    written,
)
from service.commands.tally import Ending, Tally
from tests.unit.commands.test_dead_letters import NOW, letter
from tests.unit.commands.test_replay import plan
from tests.unit.samples import event, settings


def tally_shown(
    capsys: pytest.CaptureFixture[str], tally: Tally, *, from_file: bool = False, **plans: Any
) -> list[str]:
    show_tally(settings(), plan(**plans), tally, from_file=from_file)
    return capsys.readouterr().out.splitlines()


def refused(tally: Tally, refusal: tuple[str, str], *ids: str) -> None:
    for event_id in ids:
        tally.count(Ending(letter(), event_id, "refused", refusal))


def test_a_replay_tells_what_was_refused_and_what_is_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = Tally(selected=10, published=4, unsure=2, may_repeat=3)
    refused(tally, ("unknown-field", "fields.a: none"), "evt-1")
    refused(tally, ("refused", "the API\tsays no"), "evt-2", "evt-3")
    assert tally_shown(capsys, tally) == [
        "4 of 10 published to profile-sync.events",
        "3 refused, still in the queue:",
        "COUNT\tREASON\tSAMPLE ID\tDETAIL",
        "2\trefused\tevt-2\tthe API\\tsays no",
        "1\tunknown-field\tevt-1\tfields.a: none",
        "2 unsure, still in the queue: published, but the link was lost before RabbitMQ confirmed "
        "them",
        "1 not published, still in the queue",
        "Run it again for the rest: up to 5 may come twice, as the link took acknowledgements with "
        "it, which writes the same values again, creates no second profile, overwrites nothing "
        "newer, and gives a second result with the same message_id",
    ]


def test_without_a_rest_a_second_replay_is_only_for_what_may_come_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = tally_shown(capsys, Tally(selected=4, published=4, may_repeat=4))
    assert shown[-1].startswith("Run it again: up to 4 may come twice")


@pytest.mark.parametrize(
    ("plans", "words"),
    [({"how": "force"}, "--force lets overwrite"), ({"suffix": "+r"}, "with two results")],
    ids=str,
)
def test_what_a_second_replay_may_do_depends_on_how_it_is_done(
    capsys: pytest.CaptureFixture[str], plans: dict[str, Any], words: str
) -> None:
    tally = Tally(selected=1, unsure=1)
    assert words in tally_shown(capsys, tally, **plans)[-1]


def test_a_replay_of_a_file_speaks_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(selected=4, published=1, unsure=1)
    refused(tally, ("refused", "no"), "evt-1")
    shown = tally_shown(capsys, tally, from_file=True)
    assert shown[1] == "1 refused, still in the file:"
    assert shown[4].startswith("1 unsure, still in the file: ")
    assert shown[5] == "1 not published, still in the file"
    assert "what was published comes twice" in shown[6]


def test_a_dry_run_tells_what_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    stale = "(which of them are stale shows only when they are replayed)"
    shown = tally_shown(capsys, Tally(selected=7, sound=3), dry=True, limit=3)
    assert shown == ["3 of 7 would be published", "4 not judged, beyond --limit 3", stale]
    shown = tally_shown(capsys, Tally(selected=7, sound=2), dry=True, limit=3, how="force")
    assert shown == ["2 of 7 would be published", "5 not judged"]


def test_a_replay_is_lines_of_json_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally(selected=4)
    endings = [
        Ending(letter(), "evt-1+r", "published"),
        Ending(letter(), "evt-1", "refused", ("stale", "too old")),
        Ending(letter(), "evt-1", "unsure"),
    ]
    for ending in endings:
        tally.count(ending)
        show_ending(ending)
    show_counts(tally)
    *told, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [each["outcome"] for each in told] == ["published", "refused", "unsure"]
    assert [each.get("new_id") for each in told] == ["evt-1+r", None, None]
    assert (told[1]["reason"], told[1]["detail"]) == ("stale", "too old")
    counts = last["summary"]
    parts = ("published", "would_be_published", "refused", "unsure", "left")
    assert [counts[name] for name in parts] == [1, 0, 1, 1, 1]
    assert counts["selected"] == sum(counts[name] for name in parts)


def test_where_nothing_matches_it_is_told_what_there_is() -> None:
    assert (
        nothing(Counter(), "the queue")
        == "no letters wait in the queue; another reader may hold some"
    )
    seen = Counter({("stale", "1234"): 2, ("invalid-json", ""): 1})
    assert nothing(seen, "q") == (
        "nothing matches among the 3 letters in q: 2 stale of database 1234, 1 invalid-json"
    )
    many = Counter({("stale", f"{number}\n"): 1 for number in range(7)})
    assert nothing(many, "q").endswith(r"1 stale of database 4\n, and 2 more kinds")


def test_one_letter_is_one_object_for_scripts_without_its_values_unless_wanted() -> None:
    shown = letter(event(id="evt-1", fields={"email": "jane@example.com"}), {"mail": "jane@x"})
    hidden, whole = (told_whole(shown, values=values) for values in (False, True))
    assert "jane" not in json.dumps(hidden)
    assert hidden["body"]["fields"] == {"email": "<string of 16>"}
    assert whole["body"]["fields"] == {"email": "jane@example.com"}
    assert whole["headers"]["mail"] == "jane@x"
    assert whole["failed_at"] == "2026-11-24T10:30:00+00:00"
    assert told_whole(letter(b"\xff"), values=True)["body"] == r"\xff"


def test_lists_are_lines_with_tabs_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    groups = Groups()
    groups.add(letter())
    show_groups(groups, NOW, as_json=False)
    show_each([told(letter(headers={"profile-sync-detail": "a\x1b[2J"}))], as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "REASON\tDATABASE\tHOUR (UTC)\tCOUNT\tOLDEST\tNEWEST\tSAMPLE ID",
        "refused\t1234\t2026-11-24 10:00\t1\t1h\t1h\tevt-1",
        "ID\tREASON\tDATABASE\tFAILED AT (UTC)\tDETAIL",
        "evt-1\trefused\t1234\t2026-11-24 10:30:00\ta\\x1b[2J",
    ]


def test_lists_are_one_object_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    groups = Groups()
    timeless = replace(letter(), failed_at=None)
    groups.add(timeless)
    show_groups(groups, NOW, as_json=True)
    show_each([told(timeless)], as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["count"], first["groups"][0]["oldest"]) == (1, None)
    assert (second["count"], second["letters"][0]["failed_at"]) == (1, None)


def test_one_letter_is_written_with_its_values_only_if_they_are_wanted() -> None:
    shown = letter(event(id="evt-1", fields={"email": "jane@example.com"}), {"mail": "jane@x"})
    hidden, whole = (written(shown, NOW, values=values) for values in (False, True))
    assert "jane" not in hidden
    assert "jane@example.com" in whole
    assert "jane@x" in whole
    assert "failed at        2026-11-24 10:30:00 UTC (1h ago)" in hidden.splitlines()
    assert "not told" in written(replace(shown, failed_at=None), NOW, values=False)
