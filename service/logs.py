"""One log line a fact: JSON on a pipe, text to read. No secret gets through."""

import hashlib
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from service.conditions import Key
from service.messages import Delivery, short_text

_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*", re.ASCII)
_TOKEN = re.compile(r"(access_token=)[^&\s\"'\\]*|eyJ[\w-]+\.[\w-]+\.[\w-]*")  # or a JWT


def set_up(
    level: str, form: str, secrets: Iterable[str], salt: str = "", *, aside: bool = False
) -> None:
    """Send all logging of this process to standard output, one line each, secrets replaced.

    `salt` keys the hashes that stand for profiles; `aside` is standard error in its place.
    """
    _hashes.key(salt)
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr if aside else sys.stdout)
    _redaction.hide(secrets)
    handler.setFormatter(_formatter(form, shared))
    logging.root.handlers = [handler]
    # A closed pipe must not fill standard error with tracebacks.
    logging.raiseExceptions = False
    logging.root.setLevel(level.upper())
    # pika says one refused connection in seven lines; we say it in one.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    # httpx prints the URL of every request.
    for name in ("httpx", "httpcore", "asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It prints what anybody may send to the HTTP port, and how it failed over it.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


def about(event_id: str, delivery: Delivery, key: Key | None = None) -> dict[str, str]:
    """Name an event in a log line: its ids, and for the profile a hash that only the salt opens.

    `key` is the event's, if it could be read. What is not there is left out.
    """
    headers, properties = delivery.properties.headers, delivery.properties
    trace = _TRACE.fullmatch(str(headers.get("traceparent", "")))
    names = {
        "event_id": event_id,
        "correlation_id": short_text(properties.correlation_id),
        "trace_id": trace[1] if trace else "",
        "profile": _hashes.of(key) if key else "",
    }
    return {name: value for name, value in names.items() if value}


class _Hashes:
    """Hashes of keys, the same in every process with the same salt."""

    def __init__(self) -> None:
        self.key("")

    def key(self, salt: str) -> None:
        self._key = hashlib.blake2b(salt.encode()).digest()

    def of(self, key: Key) -> str:
        """Give 12 hexadecimal digits."""
        text = "\n".join(key).encode(errors="surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=6).hexdigest()


_hashes = _Hashes()


def _formatter(form: str, shared: list[Processor]) -> structlog.stdlib.ProcessorFormatter:
    last: list[Processor]
    if form == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(),
                event_key="message",
                timestamp_key="time",
                # The default shows local variables, and so field values.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _put_first,
            *last,
            _redaction,
        ],
    )


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """Make a function that replaces secrets, plain, as a URL or JSON writes them, and any token."""
    written = {
        form
        for secret in secrets
        for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
    }
    if not written:
        return lambda text: _TOKEN.sub(r"\1***", text)
    known = re.compile("|".join(re.escape(form) for form in sorted(written, key=len, reverse=True)))
    return lambda text: _TOKEN.sub(r"\1***", known.sub("***", text))


def _put_first(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
    """Order a line for the eye: when, how bad, what; then the facts."""
    first = {name: line.pop(name) for name in ("timestamp", "level", "event")}
    return {"time": first["timestamp"], "level": first["level"], "message": first["event"], **line}


class _Redaction:
    """The last step of every line."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._clean = redactor(())

    def hide(self, secrets: Iterable[str]) -> None:
        self._secrets |= set(secrets)
        self._clean = redactor(self._secrets)

    def __call__(self, _logger: WrappedLogger, _name: str, line: EventDict | str) -> str:
        return self._clean(str(line))


_redaction = _Redaction()


def hide(secret: str) -> None:
    """Let no line show a secret that was not known at the start."""
    _redaction.hide([secret])
