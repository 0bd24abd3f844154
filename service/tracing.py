"""Spans of OpenTelemetry: of each event, of each call of the API, of each message published.

They are made by hand, as no instrumentation follows a message through asyncio's callbacks. Without
the extra `otel`, or without one of its OTEL_ variables, nothing of it is loaded.

Source: OpenTelemetry semantic conventions, "Messaging spans", "RabbitMQ", "HTTP client spans".
"""

import os
import re
from asyncio import Future
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypeVar
from urllib.parse import urlsplit

from service.lanes import Work
from service.messages import Delivery, Message
from service.profiles import Answer, Call, Response

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Make: TypeAlias = Callable[Concatenate[Work, _P], Coroutine[Any, Any, _T]]

_WANTED_BY = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_SYSTEM = {"messaging.system": "rabbitmq"}
_ID = re.compile(r"(?<=/database/)[^/]+|(?<=/profile/)[^/]+")


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the environment says where traces shall go."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    off = disabled or environment.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    return not off and any(environment.get(name) for name in _WANTED_BY)


def provider() -> "TracerProvider":
    """Make what sends spans where the OTEL_ variables say; shut it down in the end.

    Raises:
        ImportError: the extra `otel` is not installed.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    name = os.environ.get("OTEL_SERVICE_NAME") or "profile-sync"
    facts = {"service.name": name, "service.version": version("profile-sync")}
    made = TracerProvider(resource=Resource.create(facts))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


class Tracing:
    """Makes the spans of one process; each that it gives out is ended by it too."""

    def __init__(self, tracer: "Tracer") -> None:
        from opentelemetry import trace  # noqa: PLC0415 - only where traces are wanted
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._trace = trace
        self._context = TraceContextTextMapPropagator()
        self._tracer = tracer

    def received(self, delivery: Delivery, queue: str) -> "Span":
        """Begin the span of an event, in the trace that its message names."""
        properties = delivery.properties
        facts: dict[str, str | int] = {
            **_SYSTEM,
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": delivery.exchange,
            "messaging.destination.subscription.name": queue,
            "messaging.rabbitmq.destination.routing_key": delivery.routing_key,
            "messaging.message.body.size": len(delivery.body),
            "messaging.message.id": properties.message_id or "",
            "messaging.message.conversation_id": properties.correlation_id or "",
        }
        carrier = {name: f"{value}" for name, value in properties.headers.items()}
        return self._tracer.start_span(
            f"process {queue}",
            self._context.extract(carrier),
            self._trace.SpanKind.CONSUMER,
            {name: value for name, value in facts.items() if value != ""},
        )

    def around(self, make: "_Make[_P, _T]") -> "_Make[_P, _T]":
        """Let what is done for an event be part of its span."""

        async def traced(work: Work, /, *rest: _P.args, **named: _P.kwargs) -> _T:
            span = work.span or self._trace.INVALID_SPAN
            # An exception may hold values, or the token.
            with self._trace.use_span(span, record_exception=False, set_status_on_exception=False):
                return await make(work, *rest, **named)

        return traced

    def call(self, call: Call, server: str) -> "Span":
        """Begin the span of a call; its query, which may have the token, is told to nobody."""
        parts = urlsplit(server)
        template = _ID.sub("{id}", call.path)
        facts: dict[str, str | int] = {
            "http.request.method": call.method,
            "server.address": parts.hostname or "",
            "server.port": parts.port or (443 if parts.scheme == "https" else 80),
            "url.full": f"{server}{call.path}",
            "url.template": template,
        }
        kind = self._trace.SpanKind.CLIENT
        return self._tracer.start_span(f"{call.method} {template}", kind=kind, attributes=facts)

    def answered(self, span: "Span", answer: Answer) -> None:
        """End the span of a call."""
        if isinstance(answer, Response):
            span.set_attribute("http.response.status_code", answer.status)
            if answer.status >= 400:
                self._fail(span, f"{answer.status}")
        else:
            self._fail(span, answer.failure)
        span.end()

    def publishing(
        self, message: Message, cause: "Span | None", *, names_it: bool
    ) -> tuple[Message, "Span"]:
        """Begin the span of a message that an event ends with.

        With `names_it` its receivers go on with that span.
        """
        parent = None if cause is None else self._trace.set_span_in_context(cause)
        facts: dict[str, str | int] = {
            **_SYSTEM,
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": message.exchange,
            "messaging.rabbitmq.destination.routing_key": message.routing_key,
            "messaging.message.body.size": len(message.body),
        }
        kind = self._trace.SpanKind.PRODUCER
        span = self._tracer.start_span(f"send {message.exchange}", parent, kind, facts)
        if names_it:
            headers = dict(message.properties.headers)
            self._context.inject(headers, self._trace.set_span_in_context(span))
            properties = replace(message.properties, headers=headers)
            message = replace(message, properties=properties)
        return message, span

    def published(self, span: "Span", confirmed: "Future[None]") -> None:
        """End the span of a message."""
        if confirmed.cancelled() or confirmed.exception() is not None:
            self._fail(span, type(confirmed.exception()).__name__)
        span.end()

    def ended(self, span: "Span | None", ending: str, reason: str | None = None) -> None:
        """End the span of an event.

        Args:
            span: as `received` gave it out.
            ending: its outcome; `ended-before` if its result was published earlier and only the
                acknowledgement was lost, `handed-back` if it went back to the queue.
            reason: of a rejected or failed event.
        """
        if span is None:
            return
        span.set_attribute("profile_sync.outcome", ending)
        if reason is not None:
            self._fail(span, reason)
        span.end()

    def _fail(self, span: "Span", kind: str) -> None:
        span.set_attribute("error.type", kind)
        span.set_status(self._trace.StatusCode.ERROR)
