"""/livez, /readyz and /metrics, in the event loop that does the work."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from service.metrics import Metrics

_MOST_CONNECTIONS = 64


async def start_monitor(
    host: str, port: int, metrics: Metrics, why_not_ready: Callable[[], str | None]
) -> web.ServerRunner:
    """Serve until the returned runner's `cleanup()`.

    Nothing here changes anything, whoever asks.

    Args:
        host: address to listen on.
        port: port to listen on; 0 picks a free one.
        metrics: what /metrics shows.
        why_not_ready: one word for /readyz's 503, None for its 200.

    Raises:
        OSError: the address cannot be used.
    """

    def readyz(_request: web.BaseRequest) -> web.Response:
        reason = why_not_ready()
        return _page("ok") if reason is None else _page(reason, 503)

    def scrape(request: web.BaseRequest) -> web.Response:
        body, content_type = metrics.page(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    pages: dict[str, Callable[[web.BaseRequest], web.Response]] = {
        "/livez": lambda _: _page("ok"),
        "/readyz": readyz,
        "/metrics": scrape,
    }

    async def answer(request: web.BaseRequest) -> web.Response:
        if (page := pages.get(request.path)) is None:
            return _page("there are /livez, /readyz and /metrics", 404)
        if request.method not in {"GET", "HEAD"}:
            return _page("only GET and HEAD", 405, Allow="GET, HEAD")
        return page(request)

    runner = web.ServerRunner(_Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


class _Server(web.Server):
    """Takes every connection, and lets go of the oldest when there are too many.

    Those that ask for ever and end no request must keep nobody out, nor take all files.
    """

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count in one more; those that come in one go are told of one after the other."""
        super().connection_made(handler, transport)
        for oldest in self.connections[:-_MOST_CONNECTIONS]:
            oldest.force_close()


def _page(text: str, status: int = 200, **headers: str) -> web.Response:
    return web.Response(text=text + "\n", status=status, headers=headers)
