"""One request and its answer: through journal, rate limit, faults and latency to the API, and back.

A plain ASGI application; what is not for the API goes to the application for tests.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from tests.standin.answers import Answer
from tests.standin.balancer import RateLimit
from tests.standin.call import Call
from tests.standin.calls import Api
from tests.standin.clock import Clock
from tests.standin.faults import Faults
from tests.standin.journal import Journal
from tests.standin.rule import Rule
from tests.standin.wire import Wire


@dataclass(frozen=True, slots=True)
class Exchange:
    """Answers requests. `refuse` stops listening for a number of seconds, and drops the clients."""

    api: Api
    clock: Clock
    faults: Faults
    journal: Journal
    limit: RateLimit
    refuse: Callable[[float], Awaitable[None]]
    control: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; whatever happens to one of the API stands in the journal."""
        path: str = scope["path"]
        if path.startswith("/__standin/") or path in ("/__standin", "/openapi.json"):
            await self.control(scope, receive, send)
            return
        wire = Wire(scope, receive, send, self.clock)
        try:
            call = await wire.call()
            if call is not None:
                await self._answer(call, wire)
        except asyncio.CancelledError:
            return  # The stand-in ends, and its connections are closed.

    async def _answer(self, call: Call, wire: Wire) -> None:
        entry, begun = self.journal.begin(call), time.perf_counter()
        refusal = self.limit.refusal()
        if refusal is not None:
            entry.fault, entry.status, entry.seconds = "rate limit", refusal.status, 0.0
            await wire.send(refusal)
            return
        decision = self.faults.decide(call)
        entry.fault, rule = decision.title, decision.rule
        if decision.seconds:
            await asyncio.sleep(decision.seconds)
        try:
            answer = await self._carry_out(call, rule)
        except Exception:
            entry.status = 500
            raise
        entry.seconds = round(time.perf_counter() - begun, 6)
        if rule is None:
            entry.status = answer.status
            await wire.send(answer)
            return
        if rule.answered:
            entry.status = answer.status
        if rule.refuse is not None:
            await self.refuse(rule.refuse)
        await wire.misbehave(rule, answer)

    async def _carry_out(self, call: Call, rule: Rule | None) -> Answer:
        if rule is None:
            return await self.api.answer(call)
        if not rule.applied:
            return rule.answer(self.clock.now())
        call.think_time = rule.think_time
        return rule.altered(await self.api.answer(call), self.clock.now())
