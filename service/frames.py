"""Frames of AMQP 0-9-1 as bytes: just enough to mend what the AMQP library cannot read. No I/O.

pika 1.4.4 breaks a connection over timestamps beyond the year 9999 and tables nested some 900 deep,
in the headers of a message that anybody may have published: it would come back for ever.
Source: AMQP 0-9-1, 2.3.5 Frame Details, 4.2.6 Content Framing.
"""

import struct

_CONTENT_HEADER = 2  # a type of frame
_START = 7  # bytes: type, channel, size
_PROPERTIES = _START + 12  # behind class, weight, size of the body
_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS, _MORE_FLAGS = 0x8000, 0x4000, 0x2000, 0x0001


def without_headers(frames: bytes) -> tuple[int, bytes] | None:
    """Take the headers out of the properties of a message.

    Args:
        frames: begins with a whole frame.

    Returns:
        the length of the first frame, and the frame without headers; None if it has none.
    """
    try:
        kind, channel, size = struct.unpack_from(">BHL", frames)
        length = _START + size + 1
        (flags,) = struct.unpack_from(">H", frames, _PROPERTIES)
        if kind != _CONTENT_HEADER or not flags & _HEADERS or flags & _MORE_FLAGS:
            return None
        start = _PROPERTIES + 2
        for flag in (_CONTENT_TYPE, _CONTENT_ENCODING):
            if flags & flag:
                start += 1 + frames[start]
        (table,) = struct.unpack_from(">L", frames, start)
    except (struct.error, IndexError):
        return None
    end = start + 4 + table
    if end > length - 1:
        return None
    kept = struct.pack(">H", flags & ~_HEADERS) + frames[_PROPERTIES + 2 : start]
    payload = frames[_START:_PROPERTIES] + kept + frames[end : length - 1]
    return length, struct.pack(">BHL", kind, channel, len(payload)) + payload + frames[
        length - 1 : length
    ]
