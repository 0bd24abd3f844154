"""The spans that an event leaves, from its message to its result."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.metrics import Metrics
from service.profiles import Call
from service.settings import Settings
from service.tracing import Tracing, wanted
from tests.unit.doubles import ScriptedCopernica, http_response, profiles
from tests.unit.samples import TOKEN, event, profile
from tests.unit.world import World

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FROM: dict[str, Any] = {
    "headers": {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "a=b"}
}
PROFILES = json.dumps([profile()]).encode()


class Spans:
    """Traces, and what they have made."""

    def __init__(self) -> None:
        self._made = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._made))
        self.tracing = Tracing(provider.get_tracer("test"))

    @property
    def ended(self) -> Sequence[ReadableSpan]:
        return self._made.get_finished_spans()

    def one(self, kind: SpanKind) -> ReadableSpan:
        (span,) = (span for span in self.ended if span.kind == kind)
        return span


@pytest.fixture
def spans() -> Spans:
    return Spans()


def world(spans: Spans, *answers: httpx.Response) -> World:
    """A worker with the real client, that is answered from a list."""
    left = iter(answers)

    def api(settings: Settings, metrics: Metrics) -> ScriptedCopernica:
        return ScriptedCopernica(settings, metrics, lambda _: next(left), spans.tracing)

    return World(api, tracing=spans.tracing)


def facts(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


async def test_an_event_goes_on_with_the_trace_of_its_message(spans: Spans) -> None:
    await world(spans, http_response(200, PROFILES)).end(event(), correlation_id="order-7", **FROM)
    span = spans.one(SpanKind.CONSUMER)
    assert span.name == "process profile-sync.events"
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
    told = facts(span)
    assert told["messaging.system"] == "rabbitmq"
    assert told["messaging.destination.name"] == "profile-sync.events"
    assert told["messaging.message.conversation_id"] == "order-7"
    assert told["profile_sync.outcome"] == "updated"
    assert span.status.status_code is StatusCode.UNSET


async def test_a_call_is_part_of_it_without_query_and_token(spans: Spans) -> None:
    await world(spans, http_response(200, PROFILES)).end(event(), **FROM)
    call, cause = spans.one(SpanKind.CLIENT), spans.one(SpanKind.CONSUMER)
    assert call.name == "PUT /database/{id}/profiles"
    assert call.parent == cause.context
    assert facts(call) == {
        "http.request.method": "PUT",
        "server.address": "api.copernica.com",
        "server.port": 443,
        "url.full": "https://api.copernica.com/v2/database/1234/profiles",
        "url.template": "/database/{id}/profiles",
        "http.response.status_code": 200,
    }
    assert TOKEN not in "".join(span.to_json() for span in spans.ended)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/database/Any%20name/fields", "/database/{id}/fields"),
        ("/database/any", "/database/{id}"),
        ("/profile/7", "/profile/{id}"),
        ("/identity", "/identity"),
    ],
)
def test_a_span_of_a_call_is_named_alike_whatever_its_path_holds(
    spans: Spans, path: str, template: str
) -> None:
    spans.tracing.call(Call("get-database", "GET", path), "https://api.example.com/v2").end()
    assert spans.one(SpanKind.CLIENT).name == f"GET {template}"


async def test_each_attempt_has_a_call_and_a_failed_one_says_so(spans: Spans) -> None:
    await world(spans, http_response(503), http_response(200, PROFILES)).end(event())
    first, second = (span for span in spans.ended if span.kind is SpanKind.CLIENT)
    assert (facts(first)["error.type"], first.status.status_code) == ("503", StatusCode.ERROR)
    assert "error.type" not in facts(second)


async def test_receivers_of_the_result_go_on_with_the_span_that_sent_it(spans: Spans) -> None:
    traced = world(spans, http_response(200, PROFILES))
    await traced.end(event(), **FROM)
    send, cause = spans.one(SpanKind.PRODUCER), spans.one(SpanKind.CONSUMER)
    assert (send.name, send.parent) == ("send profile-sync.results", cause.context)
    (result,) = traced.published_to("results")
    assert result.properties.headers == {
        "traceparent": f"00-{TRACE}-{send.context.span_id:016x}-01",
        "tracestate": "a=b",
    }


async def test_a_rejected_event_is_an_error_and_its_dead_letter_keeps_its_trace(
    spans: Spans,
) -> None:
    traced = world(spans)
    await traced.end(b"{", **FROM)
    span = spans.one(SpanKind.CONSUMER)
    assert (facts(span)["profile_sync.outcome"], facts(span)["error.type"]) == (
        "rejected",
        "invalid-json",
    )
    names = {span.name for span in spans.ended if span.kind is SpanKind.PRODUCER}
    assert names == {"send profile-sync.results", "send profile-sync.dead-letters"}
    (letter,) = traced.published_to("dead-letters")
    assert letter.properties.headers["traceparent"] == FROM["headers"]["traceparent"]


async def test_an_event_that_goes_back_to_the_queue_ends_its_span(spans: Spans) -> None:
    traced = World(tracing=spans.tracing)
    traced.link.holds = True
    traced.deliver(event())
    await traced.pass_time(5)
    traced.link.lose()
    await traced.worker.wind_up()
    assert [span for span in spans.ended if span.kind is SpanKind.CONSUMER] == []
    traced.worker.carried()
    await traced.pass_time(0)
    assert facts(spans.one(SpanKind.PRODUCER))["error.type"] == "LinkLost"
    assert facts(spans.one(SpanKind.CONSUMER))["profile_sync.outcome"] == "handed-back"


async def test_an_event_of_which_only_the_acknowledgement_was_lost_has_ended_before(
    spans: Spans,
) -> None:
    first = World()
    first.api.answers.append(profiles(profile()))
    first.deliver(event(id="evt-1"))
    await first.pass_time(2)
    first.link.lose()
    await first.worker.wind_up()
    again = World(carried=first.worker.carried(), tracing=spans.tracing)
    again.deliver(event(id="evt-1"), redelivered=True, headers={"x-delivery-count": 1})
    await again.pass_time()
    assert facts(spans.one(SpanKind.CONSUMER))["profile_sync.outcome"] == "ended-before"


async def test_a_message_without_a_trace_begins_one(spans: Spans) -> None:
    traced = World(tracing=spans.tracing)
    traced.api.answers.append(profiles(profile()))
    await traced.end(event(), headers={"traceparent": "no trace"})
    assert spans.one(SpanKind.CONSUMER).parent is None


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "profile-sync"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_wanted_where_the_environment_says_where_they_go(
    environment: dict[str, str], is_wanted: bool
) -> None:
    assert wanted(environment) is is_wanted
