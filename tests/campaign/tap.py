"""Reads off the wire what RabbitMQ hands over: which message, and how often it was handed back."""

from collections.abc import Callable
from struct import unpack

import pika

_FRAME, _END = 7, 1  # bytes: type, channel and size before what a frame holds; a mark behind it
_METHOD, _HEADER = 1, 2
_DELIVER = (60, 60)  # class and method of Basic.Deliver; one that returns a message has others

Note = Callable[[str | None, int], None]


class Tap:
    """One connection's bytes from RabbitMQ, as they come, in parts of any size.

    `note` is told of each delivery: its correlation_id, and its `x-delivery-count`, 0 if it has
    none.
    """

    def __init__(self, note: Note) -> None:
        self._note = note
        self._left = b""
        self._delivers: dict[int, bool] = {}

    def __call__(self, content: bytes) -> None:
        """Read on."""
        held, at = self._left + content, 0
        while at + _FRAME <= len(held):
            kind, channel, size = unpack(">BHL", held[at : at + _FRAME])
            end = at + _FRAME + size + _END
            if end > len(held):
                break
            if kind == _METHOD:
                method = unpack(">HH", held[at + _FRAME : at + _FRAME + 4])
                self._delivers[channel] = method == _DELIVER
            elif kind == _HEADER and self._delivers.get(channel):
                self._read(held[at:end])
            at = end
        self._left = held[at:]

    def _read(self, frame: bytes) -> None:
        _, header = pika.frame.decode_frame(frame)
        assert isinstance(header, pika.frame.Header)
        count = (header.properties.headers or {}).get("x-delivery-count", 0)
        self._note(header.properties.correlation_id, count)
