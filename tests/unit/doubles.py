"""Stand-ins for the event loop's clock, the link to RabbitMQ and the API; each says its limits."""

import asyncio
import json
import selectors
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from service.broker import Link
from service.connection import LinkLost
from service.copernica import Copernica
from service.messages import Message
from service.metrics import Metrics
from service.profiles import Answer, Call, CallName, Response
from service.settings import Settings
from service.subscription import Subscription
from service.tracing import Tracing
from service.transport import CUT


class _Selector(selectors.SelectSelector):
    """Moves the clock instead of waiting for it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everything waits, and no timer would end it"
            self.now += timeout
        return ready


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer. `time.monotonic()` does not follow it."""

    def __init__(self) -> None:
        self._hurried = _Selector()
        super().__init__(self._hurried)

    def time(self) -> float:
        return self._hurried.now


class FakeLink(Link):
    """Confirms what is published at once, with `refusals` first, or on `confirm` if it holds.

    It has no connections, prefetch, delivery tags or blocked state, and hands nothing back.
    """

    def __init__(self, journal: list[str]) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        self.journal = journal
        self.published: list[Message] = []
        self.refusals: deque[Exception] = deque()
        self.holds = False
        self.in_doubt = False
        self.waiting: deque[asyncio.Future[None]] = deque()

    @property
    def leased(self) -> bool:
        return not self.lost.done() and not self.in_doubt

    def publish(self, message: Message) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.lost.done():
            future.set_exception(LinkLost("cut"))
            return future
        self.published.append(message)
        self.journal.append(f"publish to {message.exchange.removeprefix('profile-sync.')}")
        if self.refusals:
            future.set_exception(self.refusals.popleft())
        elif self.holds:
            self.waiting.append(future)
        else:
            future.set_result(None)
        return future

    def confirm(self) -> None:
        self.waiting.popleft().set_result(None)

    def lose(self) -> None:
        self.lost.set_result("cut")
        for future in self.waiting:
            future.set_exception(LinkLost("cut"))


class FakeSubscription(Subscription):
    """Nothing but an entry in a journal when it is closed."""

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal

    async def close(self) -> None:
        self.journal.append("close")


Script = Answer | Exception


class FakeCopernica(Copernica):
    """Answers calls from a list, then with one profile. It knows no selections and keeps no data.

    Calls that `replies` names are answered from the list there, the last answer over and over.
    A call takes `seconds` of the loop's clock, and its turn `turns`. It always answers probes,
    whose times are in `probes` and in no other list, unless `replies` says otherwise.
    """

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.calls: list[Call] = []
        self.times: list[float] = []
        self.probes: list[float] = []
        self.answers: deque[Script] = deque()
        self.replies: dict[CallName, deque[Script]] = {}
        self.reply("get-identity", response(200, b'{"id": "1"}'))
        self.seconds = 1.0
        self.turns = 0.0
        self.shares: list[float] = []
        self.running = 0
        self.most_running = 0

    async def turn(self) -> None:
        await asyncio.sleep(self.turns)

    def share(self, part: float) -> None:
        self.shares.append(part)

    def reread_token(self) -> bool:
        return False

    async def send(self, call: Call, *, has_turn: bool = False) -> Answer:  # noqa: ARG002
        loop = asyncio.get_running_loop()
        if call.name == "get-identity":
            self.probes.append(loop.time())
            await asyncio.sleep(self.seconds)
            answer = self._answer(call)
            assert not isinstance(answer, Exception)
            return answer
        self.calls.append(call)
        self.times.append(loop.time())
        self.journal.append(f"{call.method} {_subject(call)}")
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(self.seconds)
        self.running -= 1
        self.journal.append(f"answer {_subject(call)}")
        answer = self._answer(call)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _answer(self, call: Call) -> Script:
        if replies := self.replies.get(call.name):
            return replies.popleft() if len(replies) > 1 else replies[0]
        return self.answers.popleft() if self.answers else profiles({"ID": "1"})

    def reply(self, name: CallName, *answers: Script) -> None:
        """Answer calls of a name with these, the last of them over and over."""
        self.replies[name] = deque(answers)

    def names(self, *without: CallName) -> list[CallName]:
        """The calls so far by name."""
        return [call.name for call in self.calls if call.name not in without]


class CatalogueCopernica(FakeCopernica):
    """Plays a database 1234 with some fields and one interest; no profile has what is probed."""

    FIELDS: tuple[dict[str, str], ...] = (
        {"ID": "1", "name": "CustomerID", "type": "text", "value": ""},
        {"ID": "2", "name": "firstname", "type": "text", "value": ""},
        {"ID": "3", "name": "age", "type": "integer", "value": "0"},
        {"ID": "4", "name": "birthday", "type": "date", "value": ""},
    )
    INTERESTS: tuple[dict[str, str], ...] = ({"ID": "1", "name": "football", "group": ""},)

    def __init__(self, journal: list[str]) -> None:
        super().__init__(journal)
        self.reply("get-database", response(200, b'{"ID": "1234", "name": "Customers"}'))
        self.reply("get-fields", listing(*self.FIELDS))
        self.reply("get-interests", listing(*self.INTERESTS))
        self.reply("probe-selection", listing())


class ScriptedCopernica(Copernica):
    """The real client over a function instead of a socket."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        answer: Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]],
        tracing: Tracing | None = None,
    ) -> None:
        super().__init__(settings, metrics, tracing)
        self._transport = httpx.MockTransport(answer)  # type: ignore[arg-type] # httpx wants a coroutine


def profiles(*content: dict[str, Any], status: int = 200, **headers: str) -> Response:
    """An answer with a list of profiles; `x_created` stands for `x-created`."""
    return response(status, json.dumps(content).encode(), **headers)


def listing(*items: dict[str, Any]) -> Response:
    """A page of a list, as the API writes it."""
    page = {"start": 0, "limit": 1000, "count": len(items), "data": items}
    return response(200, json.dumps(page).encode())


def response(status: int, content: bytes = b"", **headers: str) -> Response:
    """An answer; `x_created` stands for the header `x-created`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, content)


def error(message: str, status: int = 400) -> Response:
    """A refusal as the API writes it."""
    return response(status, json.dumps({"error": {"message": message}}).encode())


def http_response(
    status: int = 200, content: bytes = b"", headers: Any = (), *, cut: bool = False
) -> httpx.Response:
    """What the transport hands to httpx."""
    return httpx.Response(
        status, headers=headers, stream=httpx.ByteStream(content), extensions={CUT: cut}
    )


def _subject(call: Call) -> str:
    """The value of the first condition, or what else stands last."""
    return call.query.partition("&")[0].rpartition("%3D")[2] or call.path.rpartition("/")[2]
