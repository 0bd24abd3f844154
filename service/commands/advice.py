"""How the settings go together: what holds, with its numbers, and what is only advice."""

from service.commands.findings import Finding
from service.settings import Settings

_ACKNOWLEDGEMENT_TIMEOUT = 1800.0  # seconds; RabbitMQ's own, unless somebody has changed it
_CALLS = 2  # of an event that goes well: the update and the reading back


def of_settings(settings: Settings, grace_period: float) -> list[Finding]:
    """Compare the settings with each other, and with the seconds a pod has to end."""
    area, request, drain = "settings", settings.request_timeout, settings.drain_timeout
    wait, lost = settings.ambiguous_wait, settings.heartbeat + request
    findings = [
        Finding(area, "ok", "can be used"),
        Finding(area, "ok", f"2 x REQUEST_TIMEOUT < DRAIN_TIMEOUT: {2 * request:g} < {drain:g} s"),
        Finding(
            area,
            "ok",
            f"AMBIGUOUS_WAIT >= HEARTBEAT + REQUEST_TIMEOUT: {wait:g} >= {lost:g} s",
        ),
        _of_the_end(drain, grace_period),
    ]
    if settings.connect_timeout > request:
        what = f"CONNECT_TIMEOUT {settings.connect_timeout:g} has no effect: REQUEST_TIMEOUT is "
        todo = "make it less: it is a part of the whole call"
        findings.append(Finding(area, "warning", f"{what}{request:g} s", todo))
    if settings.retry_base > settings.retry_max:
        what = f"RETRY_BASE {settings.retry_base:g} has no effect: RETRY_MAX is "
        findings.append(Finding(area, "warning", f"{what}{settings.retry_max:g} s"))
    return findings


def of_holding(settings: Settings, own: float | None) -> Finding:
    """Compare how long events may be held with the seconds that RabbitMQ allows it.

    `own` is the event queue's own acknowledgement timeout, if that is known.
    """
    held, allowed = longest_held(settings), own or _ACKNOWLEDGEMENT_TIMEOUT
    what = f"an event may be held for some {held:.0f} s; RabbitMQ allows {allowed:.0f} s"
    if own is None:
        what += ", unless its consumer_timeout was changed"
    if held < allowed:
        return Finding("settings", "ok", what)
    todo = (
        "lower PREFETCH, HOLD_TIMEOUT, RETRY_ATTEMPTS or RETRY_MAX, or raise RabbitMQ's "
        "consumer_timeout: it ends the link when it is over, and the events come back"
    )
    return Finding("settings", "warning", what, todo)


def longest_held(settings: Settings) -> float:
    """Seconds that an event may be unacknowledged, if its key is not that of many others.

    HOLD_TIMEOUT + AMBIGUOUS_WAIT + RETRY_ATTEMPTS * (RETRY_MAX + REQUEST_TIMEOUT), and its turn
    among all that are held.
    """
    tries = settings.retry_attempts * (settings.retry_max + settings.request_timeout)
    # With more partitions a replica holds more, and may make as many more calls of RATE_LIMIT.
    turns = 0.0
    if settings.rate_limit:
        turns = _CALLS * settings.window * settings.partitions / settings.rate_limit
    return settings.hold_timeout + settings.ambiguous_wait + tries + turns


def _of_the_end(drain: float, grace_period: float) -> Finding:
    what = f"DRAIN_TIMEOUT < the pod's grace period: {drain:g} < {grace_period:g} s"
    if drain < grace_period:
        return Finding("settings", "ok", what)
    what = f"DRAIN_TIMEOUT is {drain:g} s, and Kubernetes kills a pod after {grace_period:g} s"
    todo = "lower DRAIN_TIMEOUT; or set terminationGracePeriodSeconds above it, and --grace-period"
    return Finding("settings", "warning", what, todo)
