"""The tap reads deliveries, however their bytes are cut, and nothing else."""

import random

import pika
import pytest
from pika.frame import Body, Header, Method

from tests.campaign.tap import Tap


def _properties(uid: str, **headers: int) -> pika.BasicProperties:
    return pika.BasicProperties(correlation_id=uid, headers=headers or None)  # type: ignore[no-untyped-call]


def _delivered(channel: int, body: bytes, properties: pika.BasicProperties) -> list[bytes]:
    method = pika.spec.Basic.Deliver("tag", 1, False, "exchange", "key")  # type: ignore[no-untyped-call]
    return _frames(channel, method, body, properties)


def _returned(channel: int, body: bytes, properties: pika.BasicProperties) -> list[bytes]:
    method = pika.spec.Basic.Return(312, "NO_ROUTE", "exchange", "key")  # type: ignore[no-untyped-call]
    return _frames(channel, method, body, properties)


def _frames(
    channel: int, method: pika.amqp_object.Method, body: bytes, properties: pika.BasicProperties
) -> list[bytes]:
    frames = (
        Method(channel, method),
        Header(channel, len(body), properties),
        Body(channel, body),
    )
    return [frame.marshal() for frame in frames]


@pytest.mark.parametrize("seed", range(5))
def test_deliveries_are_read_in_parts_of_any_size(seed: int) -> None:
    body = b"\x01\x02" * 3000
    one, other = (
        _delivered(1, body, _properties("a", **{"x-delivery-count": 3})),
        _returned(2, body, _properties("r", **{"x-delivery-count": 9})),
    )
    mixed = [each for pair in zip(one, other, strict=True) for each in pair]
    content = b"".join([*mixed, *_delivered(1, b"{}", _properties("b"))])
    seen: list[tuple[str | None, int]] = []
    tap = Tap(lambda uid, count: seen.append((uid, count)))
    dice = random.Random(seed)  # noqa: S311 - nothing secret
    while content:
        size = dice.choice([1, 7, 8, 500, 9000])
        tap(content[:size])
        content = content[size:]
    assert seen == [("a", 3), ("b", 0)]
