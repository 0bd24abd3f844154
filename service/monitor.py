"""/livez, /readyz and /metrics, in the event loop that does the work."""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from service.metrics import Metrics


async def start_monitor(
    host: str, port: int, metrics: Metrics, why_not_ready: Callable[[], str | None]
) -> web.AppRunner:
    """Serve until the returned runner's `cleanup()`.

    Args:
        host: address to listen on.
        port: port to listen on; 0 picks a free one.
        metrics: what /metrics shows.
        why_not_ready: one word for /readyz's 503, None for its 200.

    Raises:
        OSError: the address cannot be used.
    """

    def page(text: str, status: int = 200) -> web.Response:
        return web.Response(text=text + "\n", status=status)

    async def livez(_request: web.Request) -> web.Response:
        return page("ok")

    async def readyz(_request: web.Request) -> web.Response:
        reason = why_not_ready()
        return page("ok") if reason is None else page(reason, 503)

    async def scrape(request: web.Request) -> web.Response:
        body, content_type = metrics.page(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    handlers: dict[str, Handler] = {"/livez": livez, "/readyz": readyz, "/metrics": scrape}
    app = web.Application()
    app.add_routes([web.get(path, handler) for path, handler in handlers.items()])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
