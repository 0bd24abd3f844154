"""A worker in a world of lists, for tests that look at whole ways of events."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from service.carried import Carried
from service.catalogues import Catalogues
from service.copernica import Copernica
from service.messages import Delivery, Message, Properties
from service.metrics import Metrics
from service.patience import Patience
from service.pauses import Pauses
from service.probe import Probe
from service.routes import Routes
from service.settings import Settings
from service.tracing import Tracing
from service.worker import Shared, Worker
from tests.unit.doubles import FakeCopernica, FakeLink
from tests.unit.samples import body, event, settings

NOTHING = Carried()


class World:
    """A worker between a link and an API that are both lists; one journal for all of it.

    Unless told otherwise it checks no fields. Settings that are `known` need not be read.
    """

    def __init__(
        self,
        api: Callable[[Settings, Metrics], Copernica] | None = None,
        fake: Callable[[list[str]], FakeCopernica] = FakeCopernica,
        carried: Carried = NOTHING,
        pauses: Pauses | None = None,
        tracing: Tracing | None = None,
        *,
        known: Settings | None = None,
        **values: Any,
    ) -> None:
        self.journal: list[str] = []
        self.settings = known or settings(**{"field_check": "off", **values})
        self.metrics = Metrics()
        self.pauses = pauses or Pauses(self.settings.slots())
        self.acknowledged = asyncio.Event()
        self.link = FakeLink(self.journal)
        self.api = fake(self.journal)
        copernica = api(self.settings, self.metrics) if api else self.api
        catalogues = Catalogues(copernica, self.settings.field_cache_seconds)
        routes = Routes(self.settings.partitions, self.metrics)
        shared = Shared(
            self.settings, copernica, catalogues, self.metrics, self.pauses, routes, tracing
        )
        self.worker = Worker(shared, self.link, "profile-sync.events", carried)
        self.worker.consuming()
        probe = Probe(self.settings, copernica, self.pauses)
        self.patience = Patience(self.pauses, probe, self.settings.hold_timeout)
        self.metrics.watch_work(
            lambda: self.worker.lanes,
            lambda: self.worker.sleeping,
            lambda: self.worker.oldest_event_seconds,
            lambda: 1,
        )

    def deliver(self, content: object, *, redelivered: bool = False, **properties: Any) -> None:
        self.worker.receive(
            Delivery(
                body(content),
                Properties(**properties),
                "profile-sync.events",
                "profile.update",
                redelivered,
                self._acknowledge,
            )
        )

    def deliver_keys(self, *keys: str, **changes: Any) -> None:
        for key in keys:
            self.deliver(event(where={"customerid": key}, **changes))

    async def pass_time(self, seconds: float = 1000) -> None:
        """Let the loop's clock go on; nothing waits for it."""
        await asyncio.sleep(seconds)

    async def end(self, content: object, **properties: Any) -> dict[str, Any]:
        """Deliver one event and give its result."""
        self.deliver(content, **properties)
        await self.pass_time()
        (result,) = self.results
        return result

    async def end_soon(self, content: object) -> dict[str, Any]:
        """Deliver one event in a loop whose clock is real; give its result when it is there."""
        self.deliver(content)
        async with asyncio.timeout(20):
            await self.acknowledged.wait()
        (result,) = self.results
        return result

    def published_to(self, exchange: str) -> list[Message]:
        return [m for m in self.link.published if m.exchange == f"profile-sync.{exchange}"]

    def _acknowledge(self) -> None:
        self.journal.append("ack")
        self.acknowledged.set()

    @property
    def results(self) -> list[dict[str, Any]]:
        return [json.loads(message.body) for message in self.published_to("results")]

    @property
    def puts(self) -> list[str]:
        return [call.query for call in self.api.calls if call.method == "PUT"]

    @property
    def methods(self) -> list[str]:
        return [call.method for call in self.api.calls]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"profile_sync_{name}", labels)
