"""The stand-in over HTTP: listen, and refuse connections for a while."""

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from tests.standin.balancer import RateLimit
from tests.standin.calls import Api
from tests.standin.choices import Choices
from tests.standin.clock import Clock
from tests.standin.connection import Connection
from tests.standin.control import Control
from tests.standin.exchange import Exchange
from tests.standin.faults import Faults
from tests.standin.journal import Journal
from tests.standin.seed import Seed


class Server(uvicorn.Server):
    """Serves the API at a bound socket and tells when it is ready.

    `start_seed` is the data that the stand-in started with.
    """

    def __init__(
        self,
        api: Api,
        clock: Clock,
        choices: Choices,
        faults: Faults,
        *,
        listener: socket.socket,
        ready: Callable[[], None],
        start_seed: Seed,
    ) -> None:
        journal = Journal()
        app = Exchange(
            api=api,
            clock=clock,
            faults=faults,
            journal=journal,
            limit=RateLimit(choices.rate_limit, choices.rate_limit_answer),
            refuse=self.refuse,
            control=Control(
                api, choices, faults, journal, start_seed=start_seed, clock=clock
            ).application(),
        )
        config = uvicorn.Config(
            app,
            http=Connection,
            lifespan="off",
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            date_header=False,  # An answer of the API has the date of the clock.
        )
        super().__init__(config)
        self._listener = listener
        self._family, self._address = listener.family, listener.getsockname()
        self._ready = ready
        self._refusing = False
        self._listening_again: asyncio.Task[None] | None = None

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
        if self._listening_again:
            self._listening_again.cancel()
        for connection in self._connections():
            connection.end()
        await super().shutdown(sockets)

    async def refuse(self, seconds: float) -> None:
        """Refuse connections for a number of seconds from now on, and reset those there are."""
        if not self._refusing:
            self._refusing = True
            for server in self.servers:
                server.close()
            reserved = await self._reserved()
            self._listening_again = asyncio.create_task(self._listen_again(reserved, seconds))
        for connection in self._connections():
            connection.reset()

    async def _listen_again(self, reserved: socket.socket, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
            await super().startup([reserved])
            self._refusing = False
        except asyncio.CancelledError:
            reserved.close()
            raise

    async def _reserved(self) -> socket.socket:
        """Bind the address again, without listening: nobody else can take it meanwhile."""
        reserved = socket.socket(self._family)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            try:
                reserved.bind(self._address)
            except OSError:
                await asyncio.sleep(0.001)  # The event loop has not closed the old one yet.
            else:
                return reserved

    def _connections(self) -> list[Connection]:
        every = self.server_state.connections
        return [each for each in every if isinstance(each, Connection)]
