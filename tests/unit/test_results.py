import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.data import decode_table, encode_table

from service.messages import Delivery, Message, Properties
from service.profiles import profiles_in
from service.results import Result, dead_letter, result_message
from tests.unit.samples import delivery, profile

RECEIVED = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)
FINISHED = datetime(2026, 11, 23, 10, 0, 1, tzinfo=UTC)
FRAME_MAX = 131072  # RabbitMQ's default; the headers of a message must fit in one frame


def result(**facts: Any) -> Result:
    return Result(
        **{
            "event_id": "evt-0001",
            "outcome": "updated",
            "database": "1234",
            "received_at": RECEIVED,
            "finished_at": FINISHED,
            **facts,
        }
    )


def rejected(**facts: Any) -> Result:
    return result(outcome="rejected", reason="refused", detail="no", status=400, **facts)


def published(of: Result, cause: Properties | None = None, *, secret: bool = False) -> Message:
    return result_message(of, cause or Properties(), "results", include_secret=secret)


class TestResultMessage:
    def test_tells_all_of_the_contract_in_order(self) -> None:
        message = published(
            result(profiles=(profile(),), matched=1, source="put", attempts=1, status=200)
        )
        expected = profile()
        del expected["secret"]
        assert list(json.loads(message.body).items()) == [
            ("event_id", "evt-0001"),
            ("outcome", "updated"),
            ("database", "1234"),
            ("profiles", [expected]),
            ("matched", 1),
            ("source", "put"),
            ("coalesced", 1),
            ("attempts", 1),
            ("status", 200),
            ("reason", None),
            ("detail", None),
            ("received_at", "2026-11-23T10:00:00+00:00"),
            ("finished_at", "2026-11-23T10:00:01+00:00"),
        ]

    def test_has_the_properties_of_the_contract(self) -> None:
        message = published(result())
        assert message.exchange == "results"
        properties = message.properties
        assert properties.content_type == "application/json"
        assert properties.delivery_mode == 2
        assert properties.type == "profile.updated"
        assert properties.correlation_id == "evt-0001"
        assert properties.reply_to is None

    @pytest.mark.parametrize(
        ("database", "found", "key"),
        [
            ("1234", "9", "profile.updated.1234"),
            ("Customers", "1234", "profile.updated.1234"),
            ("Customers", 1234, "profile.updated.1234"),
            ("Customers", "Customers", "profile.updated.unknown"),
            ("Customers", None, "profile.updated.unknown"),
            ("unknown", None, "profile.updated.unknown"),
            ("a.b.#", None, "profile.updated.unknown"),
            ("١٢", None, "profile.updated.unknown"),
        ],
    )
    def test_is_routed_by_outcome_and_numeric_id(
        self, database: str, found: object, key: str
    ) -> None:
        of = result(database=database, profiles=(profile(database=found),))
        assert published(of).routing_key == key

    def test_of_one_event_has_one_id_whatever_the_outcome(self) -> None:
        ids = {
            published(result(outcome=outcome, attempts=attempts)).properties.message_id
            for outcome in ("updated", "created")
            for attempts in (1, 2)
        }
        assert len(ids) == 1
        assert published(result(event_id="evt-0002")).properties.message_id not in ids

    def test_answers_the_correlation_id_of_its_event(self) -> None:
        message = published(result(), Properties(correlation_id="c-1", reply_to="me"))
        assert message.properties.correlation_id == "c-1"
        assert message.properties.reply_to is None

    def test_passes_the_trace_on_and_nothing_else(self) -> None:
        headers = {"traceparent": "00-ab-cd-01", "tracestate": "x=1", "other": "y"}
        passed = published(result(), Properties(headers=headers)).properties.headers
        assert passed == {"traceparent": "00-ab-cd-01", "tracestate": "x=1"}

    @pytest.mark.parametrize("value", [b"\xff", 7, None, ["a"], "x" * 5000], ids=ascii)
    def test_passes_no_odd_trace_on(self, value: object) -> None:
        passed = published(result(), Properties(headers={"traceparent": value}))
        assert passed.properties.headers == {}

    def test_has_no_secret_unless_asked_for(self) -> None:
        of = result(profiles=(profile(),))
        assert b"e5903b43c08" not in published(of).body
        assert json.loads(published(of, secret=True).body)["profiles"] == [profile()]

    def test_keeps_a_field_that_is_called_secret(self) -> None:
        of = result(profiles=(profile(fields={"secret": "kept"}),))
        assert json.loads(published(of).body)["profiles"][0]["fields"] == {"secret": "kept"}

    def test_is_utf_8(self) -> None:
        assert "Łęcki" in published(result(profiles=({"ID": "Łęcki"},))).body.decode()

    def test_is_json_although_a_number_of_the_api_is_beyond_any(self) -> None:
        huge = profiles_in(b'[{"ID": "1", "fields": {"age": 1E310}}]')
        assert huge is not None
        content = json.loads(published(result(profiles=huge)).body, parse_constant=pytest.fail)
        assert content["profiles"][0]["fields"] == {"age": None}


class TestDeadLetter:
    def test_keeps_the_body_and_says_why(self) -> None:
        original = delivery(b"\xff{not json", {"tenant": "one"}, message_id="m-1")
        letter = dead_letter(original, rejected(attempts=2), "dead")
        assert letter.exchange == "dead"
        assert letter.routing_key == "profile.update"
        assert letter.body == b"\xff{not json"
        assert letter.properties.headers == {
            "tenant": "one",
            "profile-sync-reason": "refused",
            "profile-sync-detail": "no",
            "profile-sync-status": 400,
            "profile-sync-attempts": 2,
            "profile-sync-failed-at": "2026-11-23T10:00:01+00:00",
            "profile-sync-exchange": "profile-sync.events",
            "profile-sync-routing-key": "profile.update",
        }

    def test_keeps_the_properties(self) -> None:
        kept = Properties(
            content_type="application/json",
            content_encoding="utf-8",
            priority=3,
            correlation_id="c",
            reply_to="r",
            message_id="m",
            timestamp=1763892000,
            type="t",
            app_id="a",
            cluster_id="k",
        )
        letter = dead_letter(Delivery(b"", kept, "e", "k", False, lambda: None), rejected(), "dead")
        for name in Properties.__slots__:
            if name not in {"headers", "delivery_mode"}:
                assert getattr(letter.properties, name) == getattr(kept, name)

    def test_is_persistent(self) -> None:
        letter = dead_letter(delivery(delivery_mode=1), rejected(), "dead")
        assert letter.properties.delivery_mode == 2

    @pytest.mark.parametrize("name", ["expiration", "user_id"])
    def test_names_the_properties_that_rabbitmq_would_act_on(self, name: str) -> None:
        properties: dict[str, Any] = {name: "1"}
        letter = dead_letter(delivery(**properties), rejected(), "dead")
        assert getattr(letter.properties, name) is None
        assert letter.properties.headers["profile-sync-dropped-headers"] == name

    @pytest.mark.parametrize("name", ["CC", "BCC", "x-delivery-count"])
    def test_names_the_headers_that_rabbitmq_would_act_on(self, name: str) -> None:
        letter = dead_letter(delivery(headers={name: ["a"]}), rejected(), "dead")
        assert name not in letter.properties.headers
        assert letter.properties.headers["profile-sync-dropped-headers"] == name

    @pytest.mark.parametrize(
        "value",
        [1.5, Decimal("1.5"), 2**63, -(2**63) - 1, "x" * 100_000, [1.5], {"a": [{"b": 1.5}]}],
        ids=lambda value: repr(value)[:20],
    )
    def test_names_the_headers_that_it_cannot_keep(self, value: object) -> None:
        letter = dead_letter(delivery(headers={"odd": value, "fine": 1}), rejected(), "dead")
        assert "odd" not in letter.properties.headers
        assert letter.properties.headers["fine"] == 1
        assert letter.properties.headers["profile-sync-dropped-headers"] == "odd"

    def test_takes_the_place_of_an_earlier_one(self) -> None:
        headers = {"profile-sync-reason": "stale", "profile-sync-attempts": 7}
        letter = dead_letter(delivery(headers=headers), rejected(), "dead")
        assert letter.properties.headers["profile-sync-reason"] == "refused"
        assert letter.properties.headers["profile-sync-attempts"] == 0

    def test_of_an_event_that_was_never_sent_has_no_status(self) -> None:
        of = result(outcome="rejected", reason="invalid-json", detail="line 1")
        letter = dead_letter(delivery(), of, "dead")
        assert "profile-sync-status" not in letter.properties.headers

    @pytest.mark.parametrize("character", ["a", "é", "😀", "\x01", '"'], ids=ascii)
    def test_fits_into_one_frame(self, character: str) -> None:
        # The largest headers an event can come with.
        size = len(character.encode())
        headers = {f"h{n}": character * (4000 // size) for n in range(FRAME_MAX // 4020)}
        assert len(encoded(headers)) < FRAME_MAX
        letter = dead_letter(delivery(headers=headers), Result(**facts(detail="😀" * 5000)), "dead")
        assert len(encoded(letter.properties.headers)) < FRAME_MAX - 4096


def facts(**changes: Any) -> dict[str, Any]:
    of = rejected()
    return {name: getattr(of, name) for name in Result.__slots__} | changes


def encoded(headers: Mapping[str, Any]) -> bytes:
    pieces: list[bytes] = []
    encode_table(pieces, dict(headers))
    return b"".join(pieces)


amqp_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.decimals(allow_nan=False, allow_infinity=False, places=2)
    | st.text()
    | st.binary()
    | st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)).map(
        lambda instant: instant.replace(microsecond=0)
    )
)
amqp_values = st.recursive(
    amqp_scalars,
    lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=20), v, max_size=4),
    max_leaves=20,
)


@given(
    st.binary(),
    st.dictionaries(st.text(max_size=60), amqp_values | st.integers(0, 9000).map("h".__mul__)),
)
def test_any_headers_make_a_dead_letter_that_can_be_published(
    content: bytes, headers: dict[str, Any]
) -> None:
    letter = dead_letter(delivery(content, headers), rejected(), "dead")
    assert letter.body == content
    decoded, _ = decode_table(encoded(letter.properties.headers), 0)
    assert decoded == letter.properties.headers
    dropped = str(letter.properties.headers.get("profile-sync-dropped-headers", ""))
    for name, value in headers.items():
        assert letter.properties.headers.get(name) == value or name in dropped


def test_deep_headers_make_a_dead_letter() -> None:
    deep: Any = 1
    for _ in range(600):
        deep = [deep]
    letter = dead_letter(delivery(headers={"deep": deep}), rejected(), "dead")
    assert letter.properties.headers["profile-sync-dropped-headers"] == "deep"
