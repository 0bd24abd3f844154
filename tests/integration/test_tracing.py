"""Traces that the service sends: a collector of ours receives them."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.conftest import Mail
from tests.integration.test_service import event
from tests.programs import Service, StandIn

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """Takes spans over OTLP and HTTP; `spans` are the names of those it has, by trace."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str]] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        for resource in request.resource_spans:
            for fact in resource.resource.attributes:
                if fact.key == "service.name":
                    self.services.add(fact.value.string_value)
            for scope in resource.scope_spans:
                self.spans += [(span.trace_id.hex(), span.name) for span in scope.spans]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_spans_of_an_event_reach_the_collector_at_the_latest_when_the_service_ends(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[dict[str, str]], Service],
    mail: Mail,
    collector: Collector,
) -> None:
    variables = environment(standin("--put-result", "empty"))
    running = run_service({**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    running.wait_ready()
    mail.send(event(1), headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    mail.results(1)
    assert running.terminate() == 0
    assert collector.services == {"profile-sync"}
    told = sorted(name for trace, name in collector.spans if trace == TRACE)
    assert told == [
        "GET /database/{id}/profiles",
        "PUT /database/{id}/profiles",
        "process profile-sync.events",
        "send profile-sync.results",
    ]


def test_a_collector_that_is_not_there_holds_nothing_up(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[dict[str, str]], Service],
    mail: Mail,
) -> None:
    variables = environment(standin())
    running = run_service({**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    running.wait_ready()
    mail.send(event(1))
    mail.results(1)
    assert running.terminate() == 0
    assert all(line["level"] for line in running.log())
