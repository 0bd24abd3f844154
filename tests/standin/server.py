"""The stand-in over HTTP: the API at every path but `/__standin/...`, which is for tests."""

import asyncio
import json
import socket
import time
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tests.standin.answers import Answer, refusal
from tests.standin.calls import Api, Call
from tests.standin.connection import Connection
from tests.standin.faults import FaultError, Faults
from tests.standin.journal import Journal


class Server(uvicorn.Server):
    """Serves the API at a bound socket and tells when it is ready."""

    def __init__(
        self, api: Api, faults: Faults, listener: socket.socket, ready: Callable[[], None]
    ) -> None:
        app = _application(Exchange(api, faults, Journal(), self.drop))
        config = uvicorn.Config(
            app,
            http=Connection,
            lifespan="off",
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
        )
        super().__init__(config)
        self._listener = listener
        self._ready = ready

    def serve_until_signal(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        self.run(sockets=[self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then tell."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End without waiting for calls in hand."""
        self.force_exit = True
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.transport.close()
        await super().shutdown(sockets)

    def drop(self, client: tuple[str, int]) -> None:
        """Reset the connection of a client, without an answer."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection) and connection.client == client:
                connection.reset()
                return


class Exchange:
    """One request and its answer, through journal, latency and faults, as an ASGI application."""

    def __init__(
        self,
        api: Api,
        faults: Faults,
        journal: Journal,
        drop: Callable[[tuple[str, int]], None],
    ) -> None:
        self.faults = faults
        self.journal = journal
        self._api = api
        self._drop = drop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the change is made after the latency, in one go."""
        call = await _call(scope, receive)
        entry = self.journal.begin(call)
        begun = time.perf_counter()
        if self.faults.latency:
            try:
                await asyncio.sleep(self.faults.latency)
            except asyncio.CancelledError:
                return  # The stand-in ends, and its connections are closed.
        answer = self._answer(call)
        entry.seconds = round(time.perf_counter() - begun, 6)
        if answer is None:
            self._drop(scope["client"])
            await receive()
            return
        entry.status = answer.status
        await _send(answer, send)

    def _answer(self, call: Call) -> Answer | None:
        fault = self.faults.take()
        if fault is None:
            return self._api.answer(call)
        if fault.reset == "after":
            self._api.answer(call)
        return None if fault.reset else fault.answer()


def _application(exchange: Exchange) -> Starlette:
    journal, faults = exchange.journal, exchange.faults

    async def about_journal(request: Request) -> Response:
        if request.method == "DELETE":
            journal.reset()
            return Response(status_code=204)
        return JSONResponse(journal.described())

    async def about_faults(request: Request) -> Response:
        if request.method == "DELETE":
            faults.clear()
        elif request.method == "PUT":
            try:
                faults.order(json.loads(await request.body()))
            except (ValueError, FaultError) as error:
                return Response(refusal(str(error)).body, 400, media_type="application/json")
        return JSONResponse(faults.described())

    return Starlette(
        routes=[
            Route("/__standin/journal", about_journal, methods=["GET", "DELETE"]),
            Route("/__standin/faults", about_faults, methods=["GET", "PUT", "DELETE"]),
            Route("/{path:path}", exchange),
        ]
    )


async def _call(scope: Scope, receive: Receive) -> Call:
    headers = dict(scope["headers"])
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return Call(
        method=scope["method"],
        path=scope["raw_path"],
        query=scope["query_string"].decode("latin-1"),
        content_type=headers.get(b"content-type", b"").decode("latin-1"),
        host=headers.get(b"host", b"localhost").decode("latin-1"),
        body=body,
    )


async def _send(answer: Answer, send: Send) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
    if answer.status != 204:
        headers.append((b"Content-Length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
