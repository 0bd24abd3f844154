"""Publishes the events as a careful sender does: one at a time, each confirmed, none twice."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, NackError, UnroutableError

from tests.campaign.evidence import Sent
from tests.campaign.pace import Pace
from tests.integration.conftest import EVENTS


class Load:
    """A sender in a thread of its own; `sent` is what it has tried, with what was confirmed."""

    def __init__(
        self, urls: list[str], drawn: Iterator[Sent], pace: Pace, taken: Callable[[], int]
    ) -> None:
        """Take the AMQP URLs of the nodes, the events, and how many have been taken so far."""
        self.sent: list[Sent] = []
        self._urls = urls
        self._drawn = filter(pace.wanted, drawn)
        self._pace = pace
        self._taken = taken
        self._dice = random.Random(0)  # noqa: S311 - nothing secret
        self._going, self._ended = threading.Event(), threading.Event()
        self._idle = threading.Lock()  # held while it publishes
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def go(self) -> None:
        """Publish, or go on."""
        self._going.set()

    def pause(self) -> None:
        """Publish nothing more for now; returns when nothing is under way."""
        self._going.clear()
        with self._idle:
            pass

    def end(self) -> None:
        """Publish nothing more; returns when the thread has ended, at the latest after a minute."""
        self._ended.set()
        self._going.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._ended.is_set() and not self.over:
            self._going.wait()
            if len(self.sent) - self._taken() > self._pace.ahead:
                self._ended.wait(0.02)
                continue
            with self._idle:
                if self._going.is_set() and not self._ended.is_set():
                    self._publish_one()
            self._ended.wait(self._dice.expovariate(self._pace.rate))
        self._close()

    @property
    def over(self) -> bool:
        """True when all events have been sent."""
        return len(self.sent) >= self._pace.most

    def _publish_one(self) -> None:
        channel = self._open()
        if channel is None:
            self._ended.wait(0.2)
            return
        event = next(self._drawn)
        self.sent.append(replace(event, confirmed=self._publish(channel, event)))

    def _publish(self, channel: BlockingChannel, event: Sent) -> bool:
        properties = pika.BasicProperties(  # type: ignore[no-untyped-call]
            delivery_mode=2,
            correlation_id=event.uid,
            message_id=None if event.event_id else f"msg-{event.uid}",
            timestamp=int(time.time()),
        )
        try:
            channel.basic_publish(EVENTS, event.routing_key, event.body, properties, mandatory=True)
        except (UnroutableError, NackError):
            return False
        except (AMQPError, OSError):
            self._close()
            return False
        return True

    def _open(self) -> BlockingChannel | None:
        if self._channel is not None:
            return self._channel
        parameters = [pika.URLParameters(f"{url}?heartbeat=4") for url in self._urls]
        self._dice.shuffle(parameters)
        try:
            self._connection = pika.BlockingConnection(parameters)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        except (AMQPError, OSError):
            self._close()
        return self._channel

    def _close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        with suppress(AMQPError, OSError):
            if connection is not None and connection.is_open:
                connection.close()
