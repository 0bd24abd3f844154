"""Whether this process surely still has its queue. No I/O: instants are arguments, in seconds.

A process that was frozen, or whose connection is dead without knowing, may have lost its events to
another replica long ago: a call it starts then can overwrite newer values.
"""

_SETTLE = 1.0  # seconds in which what was sent before the silence, and its end, is read


class Lease:
    """Holds while RabbitMQ is heard at least once a heartbeat."""

    def __init__(self, heartbeat: float, now: float) -> None:
        self._heartbeat = heartbeat
        self._heard = now
        self._doubtful_until = now

    def heard(self, now: float) -> None:
        """Note that bytes have come from RabbitMQ."""
        if now - self._heard > self._heartbeat:
            self._doubtful_until = now + _SETTLE
        self._heard = now

    def holds(self, now: float) -> bool:
        """Tell whether a call may start: what was heard last is recent, and no old news."""
        recent = now - self._heard <= self._heartbeat
        return recent and self._heard >= self._doubtful_until
