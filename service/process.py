"""One process from start to end: its parts put together, links taken and replaced, the drain."""

import asyncio
import gc
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from threading import Thread
from typing import Any, TypeVar

import structlog

from service.balance import Balance
from service.broker import Link, Nodes, take_link
from service.catalogues import Catalogues
from service.connection import LinkLost
from service.copernica import Copernica
from service.members import Members
from service.metrics import Metrics
from service.monitor import start_monitor
from service.outcomes import backoff
from service.partition import Partition
from service.patience import Patience
from service.pauses import PAUSES, Pauses
from service.probe import Probe
from service.routes import Routes
from service.settings import Settings
from service.summary import Summary
from service.topology import Topology, event_queues, members, topology
from service.tracing import Tracing
from service.tracing import provider as span_provider
from service.tracing import wanted as tracing_wanted
from service.worker import Shared, Worker

log = structlog.get_logger()

_LINK_BASE, _LINK_MAX = 0.25, 5.0  # seconds between two tries to reach RabbitMQ
# Seconds while links break before anything gets done: each costs every event held a delivery. A
# smaller prefetch would spare them, but a quorum queue puts a part that is handed back behind the
# rest of what was, and so out of order.
_FRUITLESS_MAX = 300.0
_LAST_SPANS = 3.0  # seconds to send what has not been sent
_STEADY = 10.0  # seconds without an event after which a link was a good one all the same

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_T = TypeVar("_T")


class PortInUse(Exception):
    """The address of /livez, /readyz and /metrics cannot be listened on."""


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in hand.

    Raises:
        PortInUse: HTTP_HOST and HTTP_PORT cannot be used.
    """
    metrics = Metrics()
    with _traced() as tracing:
        _collect_seldom()
        await _serve(settings, metrics, tracing)


async def _serve(settings: Settings, metrics: Metrics, tracing: Tracing | None) -> None:
    async with Copernica(settings, metrics, tracing) as copernica:
        process = Process(settings, copernica, metrics, tracing=tracing)
        process.obey_signals()
        try:
            monitor = await start_monitor(
                settings.http_host, settings.http_port, metrics, process.why_not_ready
            )
        except OSError as error:
            raise PortInUse(error.strerror or str(error)) from error
        summary = Summary(metrics, process.paused)
        minutely = asyncio.get_running_loop().create_task(summary.each_minute())
        try:
            log.info(
                "started",
                version=version("profile-sync"),
                api=settings.api_url,
                monitor="{}:{}".format(*monitor.addresses[0][:2]),
            )
            await process.serve()
            log.info("stopped", **metrics.totals())
        finally:
            minutely.cancel()
            await monitor.cleanup()


@contextmanager
def _traced() -> Iterator[Tracing | None]:
    """Trace if the environment says so; what is not sent yet is sent in the end."""
    if not tracing_wanted():
        yield None
        return
    try:
        provider = span_provider()
    except ImportError:
        log.warning("no traces are made: install the extra otel, or unset the OTEL_ variables")
        yield None
        return
    try:
        yield Tracing(provider.get_tracer("profile-sync"))
    finally:
        # A collector that does not answer must not hold up the end.
        last = Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(_LAST_SPANS)


def _collect_seldom() -> None:
    """Let Python look for garbage less often: that took an eighth of the CPU, and found nothing.

    What an event leaves behind has no cycles; what a lost link leaves has, and is found in the end.
    """
    gc.collect()
    gc.freeze()  # what is loaded stays
    gc.set_threshold(20_000, 20, 20)


class Process:
    """Takes one link after the other until it is told to stop; `take` takes one."""

    def __init__(
        self,
        settings: Settings,
        copernica: Copernica,
        metrics: Metrics,
        take: Callable[..., Awaitable[Link]] = take_link,
        tracing: Tracing | None = None,
    ) -> None:
        self._settings = settings
        self._take = take
        self._metrics = metrics
        self._copernica = copernica
        self._pauses = pauses = Pauses(settings.slots())
        self._probe = Probe(settings, copernica, pauses)
        catalogues = Catalogues(copernica, settings.field_cache_seconds)
        routes = Routes(settings.partitions, metrics)
        shared = Shared(settings, copernica, catalogues, metrics, pauses, routes, tracing)
        queues = event_queues(settings)
        self._partitions = [Partition(shared, queue, self._share_out) for queue in queues]
        self._share_out()
        metrics.watch_pauses(PAUSES, pauses.__contains__)
        metrics.watch_work(
            lambda: sum(each.lanes for each in self._workers),
            lambda: sum(each.sleeping for each in self._workers),
            lambda: max((each.oldest_event_seconds for each in self._workers), default=0),
            lambda: self._active,
        )
        self._stop = asyncio.Event()
        self._link: Link | None = None
        self._members: Members | None = None
        self._started = False
        self._away = True

    @property
    def _workers(self) -> list[Worker]:
        return [each.worker for each in self._partitions if each.worker is not None]

    @property
    def _active(self) -> int:
        return sum(each.active_since is not None for each in self._partitions)

    def why_not_ready(self) -> str | None:
        """Give one word for /readyz, None if all is well."""
        if self._stop.is_set():
            return "draining"
        reason = self._pauses.why_not_ready()
        if self._link is None and self._away and reason is None and not self._pauses.of_the_api:
            return "no-broker" if self._started else "starting"
        return reason

    def paused(self) -> list[str]:
        """Name the pauses that there are."""
        return [pause for pause in PAUSES if pause in self._pauses]

    def stop(self) -> None:
        """Let calls in flight end, and then `serve`."""
        self._stop.set()

    def obey_signals(self) -> None:
        """Drain at the first SIGTERM or SIGINT, end at once at the second."""
        loop = asyncio.get_running_loop()

        def drain() -> None:
            self.stop()
            for number in _SIGNALS:  # not by default action: as process 1 there is none
                loop.add_signal_handler(number, os._exit, 128 + number)

        for number in _SIGNALS:
            loop.add_signal_handler(number, drain)

    async def serve(self) -> None:
        """Work until it shall stop, then drain."""
        stopping = asyncio.get_running_loop().create_task(self._stop.wait())
        tries, fruitless, said = 0, 0, ""
        while not self._stop.is_set():
            try:
                link = await _unless(stopping, self._take_link())
            except LinkLost as error:
                if "selection-guard" in self._pauses:
                    await asyncio.wait([stopping])
                self._away = True
                tries += 1
                delay = self._delay(tries, _LINK_MAX)
                if str(error) != said:
                    said = str(error)
                    log.warning("no link to RabbitMQ; trying on", detail=said)
            except asyncio.CancelledError:
                break
            else:
                tries, said = 0, ""
                useful = await self._use(link, stopping)
                del link
                gc.collect()  # What a link leaves behind knows each other, and may be much.
                await self._wait_out(stopping)
                fruitless = 0 if useful else fruitless + 1
                delay = self._delay(fruitless or 1, _FRUITLESS_MAX)
            self._started = True
            log.debug("next try for a link", seconds=round(delay, 3))
            await asyncio.wait([stopping], timeout=delay)
        stopping.cancel()
        self._probe.close()

    def _delay(self, attempt: int, longest: float) -> float:
        return backoff(attempt, _LINK_BASE, longest, 0.5 + random.random() / 2)  # noqa: S311

    async def _take_link(self) -> Link:
        """Connect and begin to take events.

        Raises:
            LinkLost: with the reason in words.
        """
        settings = self._settings
        link = await self._take(
            Nodes(settings.amqp_urls, settings.amqp_certificates),
            settings.heartbeat,
            settings.confirm_timeout,
            _declared(settings) if settings.declare_topology else None,
            self._blocked,
        )
        try:
            if len(self._partitions) > 1:
                self._members = Members(link.reading, members(settings))
                await self._members.count()
            for partition in self._partitions:
                await partition.begin(link)
        except BaseException:
            await self._end(link)
            raise
        return link

    async def _use(self, link: Link, stopping: asyncio.Task[bool]) -> bool:
        """Work with a link until it is lost or the process shall stop; False if to no avail."""
        settings, begun = self._settings, time.monotonic()
        self._link = link
        self._metrics.broker_connected.set(1)
        self._metrics.broker_links.inc()
        log.info(
            "link to RabbitMQ taken",
            queue=settings.event_queue,
            partitions=settings.partitions,
            prefetch=settings.window,
        )
        patience = Patience(self._pauses, self._probe, settings.hold_timeout)
        balancing = asyncio.get_running_loop().create_task(self._balance(link))
        ends: list[asyncio.Future[Any]] = [link.lost, patience.given_up, stopping]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self._link, self._away = None, link.lost.done()
        self._metrics.broker_connected.set(0)
        if link.lost.done():
            log.warning("link to RabbitMQ lost", detail=link.lost.result())
        elif patience.given_up.done():
            log.warning("events go back to the queue", cause=patience.given_up.result())
        else:
            log.info("stopping: calls in flight end first")
        patience.end()
        balancing.cancel()
        await asyncio.wait([balancing])
        idle = not self._active and time.monotonic() - begun > _STEADY
        await self._end(link)
        useful = [each.was_useful() for each in self._partitions]
        return any(useful) or idle

    async def _balance(self, link: Link) -> None:
        """Share the partitions out among the replicas, as long as the link lasts."""
        if self._members is None:
            return

        async def hand_over(partition: Partition) -> None:
            self._metrics.partition_handovers.inc()
            await partition.hand_over(link)

        settled = lambda: not self._pauses  # noqa: E731
        try:
            await Balance(self._partitions, self._members, settled, hand_over).keep()
        except LinkLost:
            pass  # Whoever waits for the link knows.
        except Exception:
            # A partition may have been stopped, and not begun again.
            log.exception("partitions could not be shared out")
            link.reading.lose("partitions could not be shared out")

    def _share_out(self) -> None:
        """Have as much of RATE_LIMIT as the partitions that this replica works on."""
        share = max(self._active, 1) / self._settings.partitions
        self._copernica.share(share)
        self._pauses.most = self._settings.slots(share)

    async def _wait_out(self, stopping: asyncio.Task[bool]) -> None:
        """Take no other link before the API answers again."""
        if "selection-guard" in self._pauses:
            # Only somebody who has looked may start it again: anew, by a restart.
            await asyncio.wait([stopping])
        elif self._pauses.of_the_api:
            self._probe.begin()
            answered = asyncio.get_running_loop().create_task(self._probe.answered())
            await asyncio.wait([answered, stopping], return_when=asyncio.FIRST_COMPLETED)
            answered.cancel()

    async def _end(self, link: Link) -> None:
        """Let calls end, on a good link for DRAIN_TIMEOUT at the most, and give the link up."""
        limit = None if link.lost.done() else self._settings.drain_timeout
        await asyncio.gather(*(each.wind_up(limit) for each in self._partitions))
        await link.give_up()
        for partition in self._partitions:
            partition.end()
        self._pauses.end("unroutable", "blocked")  # The next link will show its own.

    def _blocked(self, blocked: bool) -> None:
        if blocked and self._pauses.begin("blocked"):
            log.warning("RabbitMQ takes no messages (memory or disk alarm); results wait")
        elif not blocked and self._pauses.end("blocked"):
            log.info("RabbitMQ takes messages again")


def _declared(settings: Settings) -> Topology:
    """Leave out what its own consumer declares, as nothing but the balance hangs on it."""
    wanted = topology(settings)
    return replace(wanted, queues=tuple(each for each in wanted.queues if each.role != "members"))


async def _unless(stopping: asyncio.Task[bool], work: Coroutine[Any, Any, _T]) -> _T:
    """Do some work, but cancel it when the process shall stop."""
    task = asyncio.get_running_loop().create_task(work)
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
    return await task
