from typing import Any

import pika.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pika.spec import BasicProperties

from service.frames import without_headers

short = st.text(max_size=60)
properties = st.fixed_dictionaries(
    {"headers": st.dictionaries(short.filter(bool), st.integers(0, 9) | short)},
    optional={
        "content_type": short,
        "content_encoding": short,
        "delivery_mode": st.integers(1, 2),
        "message_id": short,
        "timestamp": st.integers(0, 2**40),
    },
)


def written(**given: Any) -> BasicProperties:
    return BasicProperties(**given)  # type: ignore[no-untyped-call]


def header(**given: Any) -> bytes:
    """A content header frame as RabbitMQ sends it."""
    return pika.frame.Header(3, 42, written(**given)).marshal()


@given(properties, st.binary(max_size=20))
def test_takes_out_the_headers_alone(given: dict[str, Any], behind: bytes) -> None:
    frame = header(**given)
    taken = without_headers(frame + behind)
    assert taken is not None
    length, mended = taken
    assert length == len(frame)
    consumed, found = pika.frame.decode_frame(mended)
    assert isinstance(found, pika.frame.Header)
    assert consumed == len(mended)
    assert (found.channel_number, found.body_size) == (3, 42)
    expected = {name: value for name, value in given.items() if name != "headers"}
    assert found.properties == written(**expected)


@pytest.mark.parametrize(
    "frame",
    [
        header(message_id="x"),
        pika.frame.Body(3, b"\x20\x00 text").marshal(),
        pika.frame.Heartbeat().marshal(),
        b"",
        b"\x02\x00\x03",
    ],
    ids=["no headers", "body", "heartbeat", "nothing", "a part"],
)
def test_leaves_other_frames_alone(frame: bytes) -> None:
    assert without_headers(frame) is None


@given(st.binary(max_size=60))
def test_reads_no_further_than_its_frame(garbage: bytes) -> None:
    frame = b"\x02\x00\x03" + len(garbage).to_bytes(4, "big") + garbage + b"\xce"
    taken = without_headers(frame + b"behind")
    if taken is not None:
        length, mended = taken
        assert length == len(frame)
        assert len(mended) < len(frame)
        assert mended.endswith(b"\xce")
