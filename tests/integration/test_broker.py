"""The link to RabbitMQ, on a real one."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import quote

import pytest

from service.broker import Link, Nodes, Unpublished, Unroutable, take_link
from service.connection import LinkLost
from service.messages import Delivery, Message, Properties
from service.topology import Binding, Exchange, Queue, Topology
from tests.integration.conftest import Mail, wait_for
from tests.rabbitmq import Broker, Node, Vhost

ORDERED = {"x-queue-type": "quorum", "x-single-active-consumer": True, "x-delivery-limit": 100}
SMALL = {"x-max-length": 1, "x-overflow": "reject-publish"}
DECLARED = Topology(
    (Exchange("in"), Exchange("out"), Exchange("void")),
    (Queue("in", ORDERED), Queue("out", SMALL)),
    (Binding("in", "in"), Binding("out", "out")),
)


async def open_link(url: str, declared: Topology | None = DECLARED, confirm: float = 35) -> Link:
    return await take_link(Nodes([url]), 10, confirm, declared, lambda _blocked: None)


@pytest.fixture
async def link(vhost: Vhost) -> AsyncIterator[Link]:
    taken = await open_link(vhost.amqp_url)
    yield taken
    await taken.give_up()


class Inbox:
    """Keeps deliveries and lets a test wait for a number of them."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self._news = asyncio.Event()

    def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._news.set()

    async def bodies(self, count: int) -> list[bytes]:
        async with asyncio.timeout(20):
            while len(self.deliveries) < count:
                self._news.clear()
                await self._news.wait()
        return [delivery.body for delivery in self.deliveries]


def message(body: bytes = b"x", exchange: str = "in", message_id: str | None = None) -> Message:
    return Message(exchange, "key", body, Properties(delivery_mode=2, message_id=message_id))


async def publish(link: Link, *bodies: bytes) -> None:
    await asyncio.gather(*(link.publish(message(body)) for body in bodies))


NUMBERS = [str(number).encode() for number in range(20)]


async def test_a_message_comes_as_it_was_published(link: Link) -> None:
    inbox = Inbox()
    await link.consume("in", 10, inbox)
    sent = Properties(
        content_type="application/json",
        headers={"a": 1, "b": {"c": [True, None, "d"]}},
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        message_id="m",
        timestamp=1_700_000_000,
        type="t",
        app_id="app",
    )
    await link.publish(Message("in", "the.key", b"\x00\xff", sent))
    assert await inbox.bodies(1) == [b"\x00\xff"]
    (delivery,) = inbox.deliveries
    assert (delivery.exchange, delivery.routing_key) == ("in", "the.key")
    headers = {n: v for n, v in delivery.properties.headers.items() if n != "x-delivery-count"}
    assert headers == sent.headers
    assert delivery.properties.message_id == "m"
    assert delivery.properties.timestamp == 1_700_000_000
    assert not delivery.redelivered


async def test_a_message_that_no_queue_is_bound_for_is_unpublished(link: Link) -> None:
    confirmed = link.publish(message(exchange="void"))
    with pytest.raises(Unpublished, match="NO_ROUTE"):
        await confirmed
    await link.publish(message(exchange="in"))


async def test_a_return_fails_only_the_message_returned(link: Link) -> None:
    confirms = [
        link.publish(message(exchange=exchange, message_id="same"))
        for exchange in ("in", "void", "in")
    ]
    outcomes = await asyncio.gather(*confirms, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), Unroutable, type(None)]


async def test_a_full_queue_that_rejects_makes_a_message_unpublished(link: Link) -> None:
    await link.publish(message(exchange="out"))
    confirms = [link.publish(message(exchange="out")) for _ in range(10)]
    outcomes = await asyncio.gather(*confirms, return_exceptions=True)
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert refused
    assert all(isinstance(outcome, Unpublished) for outcome in refused)
    assert "a queue refused it" in str(refused[0])


async def test_a_queue_takes_messages_again_once_nothing_limits_it(
    link: Link, broker: Broker, vhost: Vhost
) -> None:
    inbox = Inbox()
    await link.consume("in", 100, inbox)
    await publish(link, *NUMBERS)
    policy = f"/policies/{quote(vhost.name, safe='')}/limit"
    limit = {"max-length": 1, "overflow": "reject-publish"}
    broker.api("PUT", policy, {"pattern": "^in$", "definition": limit, "apply-to": "queues"})

    async def taken() -> bool:
        (outcome,) = await asyncio.gather(link.publish(message()), return_exceptions=True)
        return outcome is None

    async with asyncio.timeout(20):
        while await taken():
            pass
    broker.api("DELETE", policy)
    async with asyncio.timeout(20):
        while not await taken():
            pass
    # What was returned or refused on another channel is not mixed up with what is published now.
    with pytest.raises(Unroutable):
        await link.publish(message(exchange="void"))
    await publish(link, *NUMBERS)
    assert not link.lost.done()


async def test_publishing_to_a_missing_exchange_loses_the_link(link: Link) -> None:
    with pytest.raises(LinkLost, match="NOT_FOUND"):
        await link.publish(message(exchange="nowhere"))
    with pytest.raises(LinkLost):
        await link.publish(message())


async def test_acknowledged_messages_do_not_come_again(link: Link, vhost: Vhost) -> None:
    inbox, again = Inbox(), Inbox()
    await link.consume("in", 100, inbox)
    await publish(link, *NUMBERS)
    await inbox.bodies(20)
    for delivery in inbox.deliveries[:15]:
        delivery.ack()
    await link.give_up()
    second = await open_link(vhost.amqp_url)
    await second.consume("in", 100, again)
    assert await again.bodies(5) == NUMBERS[15:]
    assert all(delivery.redelivered for delivery in again.deliveries)
    await second.give_up()


async def test_an_acknowledgement_on_a_link_that_was_given_up_does_nothing(link: Link) -> None:
    inbox = Inbox()
    await link.consume("in", 100, inbox)
    await publish(link, b"1")
    await inbox.bodies(1)
    await link.give_up()
    inbox.deliveries[0].ack()
    assert await asyncio.wait_for(link.lost, 1) == "given up"


async def test_giving_up_hands_messages_to_the_next_replica_in_order(
    link: Link, vhost: Vhost
) -> None:
    first, second = Inbox(), Inbox()
    await link.consume("in", 10, first)
    standby = await open_link(vhost.amqp_url)
    await standby.consume("in", 20, second)
    await publish(link, *NUMBERS)
    await first.bodies(10)
    assert second.deliveries == []

    await link.give_up()

    assert await second.bodies(20) == NUMBERS
    await standby.give_up()


async def test_one_queue_of_a_link_can_be_handed_over_while_others_go_on(
    link: Link, vhost: Vhost
) -> None:
    first, out, second = Inbox(), Inbox(), Inbox()
    subscription = await link.consume("in", 10, first)
    await link.consume("out", 10, out)
    standby = await open_link(vhost.amqp_url)
    await standby.consume("in", 20, second)
    await publish(link, *NUMBERS)
    await first.bodies(10)
    for delivery in first.deliveries[:3]:
        delivery.ack()

    await subscription.close()
    first.deliveries[3].ack()  # too late

    assert await second.bodies(17) == NUMBERS[3:]
    await link.consume("in", 20, first)  # last in the line
    await asyncio.wait_for(link.publish(Message("out", "k", b"more", Properties())), 10)
    assert await out.bodies(1) == [b"more"]
    assert not link.lost.done()
    await standby.give_up()
    assert await first.bodies(27) == [*NUMBERS[:10], *NUMBERS[3:]]


async def test_a_deleted_queue_loses_the_link(link: Link, mail: Mail) -> None:
    await link.consume("in", 10, Inbox())
    mail.channel.queue_delete("in")
    assert "cancelled" in await asyncio.wait_for(link.lost, 10)


async def test_connections_closed_by_an_operator_lose_the_link(link: Link, vhost: Vhost) -> None:
    await asyncio.to_thread(wait_for, lambda: vhost.close_connections() > 0, "a connection closed")
    assert "CONNECTION_FORCED" in await asyncio.wait_for(link.lost, 10)


async def test_a_failing_callback_loses_the_link_with_a_reason(link: Link) -> None:
    def fail(_delivery: Delivery) -> None:
        raise ValueError("a fault of ours")

    await link.consume("in", 10, fail)
    with suppress(LinkLost):  # the delivery may come before the publisher's confirm
        await publish(link, b"1")
    assert await asyncio.wait_for(link.lost, 10) == "a callback failed"


@pytest.mark.usefixtures("link")
async def test_other_arguments_than_a_queue_has_are_explained(vhost: Vhost) -> None:
    other = Topology((), (Queue("in", {**ORDERED, "x-delivery-limit": 7}),), ())
    with pytest.raises(LinkLost, match=r"x-delivery-limit.*cannot be changed"):
        await open_link(vhost.amqp_url, other)


async def test_a_missing_queue_is_explained(vhost: Vhost) -> None:
    bare = await open_link(vhost.amqp_url, None)
    with pytest.raises(LinkLost, match="NOT_FOUND - no queue 'in'"):
        await bare.consume("in", 10, Inbox())
    await bare.give_up()


async def test_a_wrong_password_or_vhost_is_said_in_words(vhost: Vhost) -> None:
    with pytest.raises(LinkLost, match="user name or the password") as refused:
        await open_link(vhost.amqp_url.replace("guest:guest", "guest:pa55word"))
    assert "pa55word" not in str(refused.value)
    with pytest.raises(LinkLost, match="virtual host"):
        await open_link(vhost.amqp_url + "nope")


async def test_the_next_node_is_tried_when_one_does_not_answer(vhost: Vhost) -> None:
    urls = ["amqp://guest:guest@127.0.0.1:1/", vhost.amqp_url]
    taken = await take_link(Nodes(urls), 10, 35, DECLARED, lambda _blocked: None)
    await taken.give_up()
    with pytest.raises(LinkLost, match=r"127\.0\.0\.1:1: Connection refused"):
        await take_link(Nodes(urls[:1]), 10, 35, DECLARED, lambda _blocked: None)


async def test_what_does_not_speak_amqp_is_said_in_words() -> None:
    async def hello(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(LinkLost, match="does not speak AMQP"):
        await open_link(f"amqp://guest:guest@127.0.0.1:{port}/")
    server.close()


async def test_a_lost_link_leaves_no_connection_behind(link: Link) -> None:
    with pytest.raises(LinkLost):
        await link.publish(message(exchange="nowhere"))
    await link.give_up()
    ended = [link._consuming.connection, link._publishing.connection]
    assert all(connection.is_closed for connection in ended)


@pytest.mark.slow
async def test_a_frozen_broker_is_given_up_when_it_confirms_nothing(private_node: Node) -> None:
    link = await open_link(private_node.amqp_url(), confirm=1)
    assert private_node.pid is not None
    os.kill(private_node.pid, signal.SIGSTOP)
    try:
        confirmed = link.publish(message())
        with pytest.raises(LinkLost, match="confirmed nothing for 1 seconds"):
            await asyncio.wait_for(confirmed, 10)
        await asyncio.wait_for(link.give_up(), 15)
        ended = [link._consuming.connection, link._publishing.connection]
        await asyncio.to_thread(wait_for, lambda: all(c.is_closed for c in ended), "both closed")
    finally:
        os.kill(private_node.pid, signal.SIGCONT)


@pytest.mark.slow
async def test_an_alarm_holds_confirms_back_without_losing_the_link(private_node: Node) -> None:
    told: list[bool] = []
    link = await take_link(Nodes([private_node.amqp_url()]), 10, 1, DECLARED, told.append)
    limit = "set_vm_memory_high_watermark"
    await asyncio.to_thread(private_node.control, limit, "0.00001")
    try:
        confirmed = link.publish(message())
        await asyncio.to_thread(wait_for, lambda: bool(told), "blocked")
        await asyncio.sleep(2.5)  # longer than the confirm timeout, which does not run meanwhile
        assert not link.lost.done()
        assert not confirmed.done()
    finally:
        await asyncio.to_thread(private_node.control, limit, "0.4")
    await asyncio.wait_for(confirmed, 20)
    assert told == [True, False]
    assert not link.lost.done()
    await link.give_up()


async def test_settings_that_pika_cannot_encode_lose_the_link_with_a_reason(vhost: Vhost) -> None:
    huge = Topology((), (Queue("in", {**ORDERED, "x-delivery-limit": 2**70}),), ())
    with pytest.raises(LinkLost, match="a callback failed"):
        await open_link(vhost.amqp_url, huge)
