"""The proxy: what goes in comes out, until it is told to break something."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import httpx
import pika
import pytest

from tests.campaign.proxy import Proxy
from tests.programs import StandIn, eventually
from tests.rabbitmq import Vhost


class Peers:
    """A server behind a proxy, and both sides of the connections through it."""

    def __init__(self, listener: socket.socket, proxy: Proxy) -> None:
        self._listener = listener
        self.proxy = proxy
        self._sockets: list[socket.socket] = []

    def client(self) -> socket.socket:
        return self._keep(socket.create_connection(("127.0.0.1", self.proxy.port), 10))

    def accept(self) -> socket.socket:
        return self._keep(self._listener.accept()[0])

    def pair(self) -> tuple[socket.socket, socket.socket]:
        return self.client(), self.accept()

    def close(self) -> None:
        for each in self._sockets:
            each.close()

    def _keep(self, each: socket.socket) -> socket.socket:
        each.settimeout(10)
        self._sockets.append(each)
        return each


@pytest.fixture
def peers() -> Iterator[Peers]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        with Proxy(listener.getsockname()[1]) as proxy, closing(Peers(listener, proxy)) as both:
            yield both


def silent(side: socket.socket) -> bool:
    """Tell whether nothing comes, not even an end, for a moment."""
    side.settimeout(0.1)
    try:
        side.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        side.settimeout(10)
    return False


def test_what_the_latest_client_sends_can_be_lost_alone(peers: Peers) -> None:
    earlier, later = peers.pair(), peers.pair()
    peers.proxy.swallow()
    for client, server in (earlier, later):
        client.sendall(b"there")
        server.sendall(b"back")
        assert client.recv(10) == b"back"
    assert earlier[1].recv(10) == b"there"
    assert silent(later[1])


def test_bytes_go_both_ways_and_connections_are_counted(peers: Peers) -> None:
    client, server = peers.pair()
    client.sendall(b"there")
    assert server.recv(10) == b"there"
    server.sendall(b"back")
    assert client.recv(10) == b"back"
    assert peers.proxy.connections == 1
    peers.pair()
    assert peers.proxy.connections == 2


def test_an_end_goes_through_and_the_other_way_stays_open(peers: Peers) -> None:
    client, server = peers.pair()
    client.shutdown(socket.SHUT_WR)
    assert server.recv(10) == b""
    server.sendall(b"last words")
    server.close()
    assert client.recv(10) == b"last words"
    assert client.recv(10) == b""
    assert eventually(lambda: peers.proxy.connections == 0)


def test_a_reset_goes_through(peers: Peers) -> None:
    client, server = peers.pair()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert eventually(lambda: peers.proxy.connections == 0)


@pytest.mark.parametrize("stalled", [False, True])
def test_a_cut_ends_both_sides_in_good_order(peers: Peers, stalled: bool) -> None:
    pairs = [peers.pair(), peers.pair()]
    if stalled:
        peers.proxy.stall()
        pairs[0][0].sendall(b"never to arrive")
    peers.proxy.cut()
    assert [side.recv(1) for pair in pairs for side in pair] == [b""] * 4
    assert peers.proxy.connections == 0


@pytest.mark.parametrize("stalled", [False, True])
def test_a_reset_ends_both_sides_at_once(peers: Peers, stalled: bool) -> None:
    pairs = [peers.pair(), peers.pair()]
    if stalled:
        peers.proxy.stall()
    peers.proxy.reset()
    for side in (side for pair in pairs for side in pair):
        with pytest.raises(ConnectionResetError):
            side.recv(1)
    assert peers.proxy.connections == 0


def test_a_stalled_connection_stays_open_and_loses_nothing(peers: Peers) -> None:
    client, server = peers.pair()
    peers.proxy.stall()
    client.sendall(b"there")
    server.sendall(b"back")
    server.shutdown(socket.SHUT_WR)
    assert silent(server)
    assert silent(client)
    assert peers.proxy.connections == 1
    peers.proxy.flow()
    assert server.recv(10) == b"there"
    assert client.recv(10) == b"back"
    assert client.recv(10) == b""


def test_a_new_connection_is_taken_and_held_while_stalled(peers: Peers) -> None:
    peers.proxy.stall()
    client = peers.client()
    client.sendall(b"hello")
    assert silent(client)
    assert eventually(lambda: peers.proxy.connections == 1)
    peers.proxy.flow()
    assert peers.accept().recv(10) == b"hello"


def test_a_stalled_connection_holds_only_so_much(peers: Peers) -> None:
    client, server = peers.pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    peers.proxy.stall()
    client.settimeout(0.2)
    sent = 0
    with suppress(TimeoutError):
        while sent < 100_000_000:
            sent += client.send(bytes(65_536))
    assert sent < 100_000_000
    peers.proxy.flow()
    arrived = 0
    while arrived < sent:
        arrived += len(server.recv(1_000_000))
    assert arrived == sent


def test_a_delay_holds_each_way_and_keeps_the_order(peers: Peers) -> None:
    client, server = peers.pair()
    peers.proxy.delay(0.2)
    begun = time.monotonic()
    client.sendall(b"first ")
    assert server.recv(10) == b"first "
    server.sendall(b"back")
    assert client.recv(10) == b"back"
    assert time.monotonic() - begun >= 0.4
    client.sendall(b"second ")
    peers.proxy.delay(0)
    client.sendall(b"third")
    arrived = b""
    while len(arrived) < 12:
        arrived += server.recv(12)
    assert arrived == b"second third"


def test_refused_connections_are_reset_and_open_ones_stay(peers: Peers) -> None:
    client, server = peers.pair()
    peers.proxy.refuse(True)
    with pytest.raises(ConnectionResetError):
        peers.client().recv(1)
    client.sendall(b"still here")
    assert server.recv(20) == b"still here"
    peers.proxy.refuse(False)
    assert peers.pair()


def test_a_connection_to_nobody_is_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Proxy(port) as proxy:
        with (
            pytest.raises(ConnectionResetError),
            socket.create_connection(("127.0.0.1", proxy.port), 10) as client,
        ):
            client.recv(1)
        assert eventually(lambda: proxy.connections == 0)


def test_leaving_ends_what_is_open_whoever_holds_it(peers: Peers) -> None:
    with Proxy(peers.proxy.port) as outer:
        client = socket.create_connection(("127.0.0.1", outer.port), 10)
        server = peers.accept()
        peers.proxy.stall()
        outer.cut()  # the inner proxy does not answer the end
    peers.proxy.flow()
    with client, server:
        assert client.recv(1) == b""


def test_it_stands_before_the_stand_in(standin: Callable[..., StandIn]) -> None:
    api = httpx.URL(standin().url)
    assert api.port
    with Proxy(api.port) as proxy, httpx.Client(trust_env=False) as client:
        url = api.copy_with(port=proxy.port, path="/v2/identity")
        answer = client.get(url, params={"access_token": "demo-token"})
        assert answer.status_code == 200
        assert proxy.connections == 1
        proxy.cut()
        assert client.get(url, params={"access_token": "demo-token"}).status_code == 200
        proxy.refuse(True)
        proxy.reset()
        with pytest.raises(httpx.TransportError):
            client.get(url)


def test_it_stands_before_rabbitmq(vhost: Vhost) -> None:
    port = pika.URLParameters(vhost.amqp_url).port
    with Proxy(port) as proxy:
        parameters = pika.URLParameters(vhost.amqp_url.replace(f":{port}/", f":{proxy.port}/"))
        channel = pika.BlockingConnection(parameters).channel()
        channel.queue_declare("through")
        proxy.reset()
        with pytest.raises(pika.exceptions.AMQPConnectionError):
            channel.queue_declare("never")
