"""RabbitMQ over TLS: whose certificates are taken, which is shown, and what is said if not."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from service.broker import Link, Nodes, take_link
from service.connection import LinkLost
from service.messages import Message, Properties
from service.tls import Certificates
from service.topology import Binding, Exchange, Queue, Topology
from tests.certificates import Authority, pair, write_pair
from tests.integration.conftest import Mail, wait_for
from tests.integration.test_service import event
from tests.programs import Service, StandIn
from tests.rabbitmq import Broker, MissingRabbitMQ, Node
from tests.servers import chosen_version

DECLARED = Topology(
    (Exchange("over-tls"),), (Queue("over-tls", {}),), (Binding("over-tls", "over-tls"),)
)
MESSAGE = Message("over-tls", "any", b"hello", Properties())
AUTHORITY = Authority()
# With TLS 1.3 a node may be gone before its reason has been read.
UNEXPLAINED = "127.0.0.1 ends connections once TLS stands: it may want another certificate"


@pytest.fixture(scope="module")
def _tls_node() -> Iterator[Node]:
    certificates = {"ca.pem": AUTHORITY.pem(), **pair(AUTHORITY.issue())}
    try:
        node = Node(chosen_version(), certificates=certificates)
    except MissingRabbitMQ as error:
        if Broker.from_environment():
            pytest.skip("needs a node of its own with certificates")
        pytest.fail(str(error), pytrace=False)
    with node:
        yield node


@pytest.fixture
def node(request: pytest.FixtureRequest) -> Node:
    """A node that takes TLS, and shows a good certificate unless a test replaces that."""
    found: Node = request.getfixturevalue("_tls_node")
    found.show(pair(AUTHORITY.issue()))
    return found


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """The node's CA, and a client certificate of it."""
    return Certificates(
        AUTHORITY.write(tmp_path / "ca.pem"), *write_pair(AUTHORITY.issue(), tmp_path)
    )


async def take(url: str, certificates: Certificates) -> Link:
    return await take_link(Nodes([url], certificates), 10, 35, DECLARED, lambda _: None)


async def works(url: str, certificates: Certificates) -> bool:
    link = await take(url, certificates)
    await link.publish(MESSAGE)
    await link.give_up()
    return True


async def refusal(url: str, certificates: Certificates) -> str:
    with pytest.raises(LinkLost) as lost:
        await take(url, certificates)
    _, _, reason = str(lost.value).partition(": ")
    return reason


async def test_a_link_is_taken_with_certificates_of_both_sides(
    node: Node, certificates: Certificates
) -> None:
    assert await works(node.amqps_url, certificates)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "the certificate of 127.0.0.1, or of its CA, has expired"),
        (
            "for another host",
            "the certificate at 127.0.0.1 is another server's: it does not name 127.0.0.1",
        ),
        (
            "of another CA",
            "the certificate of 127.0.0.1 is not trusted: unable to get local issuer certificate; "
            "PROFILE_SYNC_AMQP_CA_FILE can name the file of its CA",
        ),
    ],
)
async def test_a_wrong_certificate_of_the_node_is_named_until_it_is_replaced(
    node: Node, certificates: Certificates, kind: str, words: str
) -> None:
    node.show(pair(AUTHORITY.issue(kind)))
    assert await refusal(node.amqps_url, certificates) == words
    node.show(pair(AUTHORITY.issue()))
    assert await works(node.amqps_url, certificates)


async def test_the_cas_of_the_system_are_trusted_without_a_file(
    node: Node, monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    of_the_system = Certificates(None, certificates.certificate, certificates.key)
    assert "is not trusted" in await refusal(node.amqps_url, of_the_system)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    assert await works(node.amqps_url, of_the_system)


async def test_a_client_certificate_that_is_missing_is_named(
    node: Node, certificates: Certificates
) -> None:
    assert await refusal(node.amqps_url, Certificates(certificates.ca)) in {
        "127.0.0.1 wants a client certificate: set PROFILE_SYNC_AMQP_CERT_FILE",
        UNEXPLAINED,
    }


@pytest.mark.parametrize("kind", ["of another CA", "expired"])
async def test_a_client_certificate_that_is_refused_is_named(
    node: Node, certificates: Certificates, tmp_path: Path, kind: str
) -> None:
    write_pair(AUTHORITY.issue(kind), tmp_path)
    words = await refusal(node.amqps_url, certificates)
    refused = words.startswith("127.0.0.1 does not accept the client certificate (")
    assert refused or words == UNEXPLAINED


async def test_a_certificate_is_the_login_of_the_user_that_it_names(
    node: Node, certificates: Certificates, tmp_path: Path
) -> None:
    write_pair(AUTHORITY.issue_to("by-certificate"), tmp_path)
    url = node.amqps_url.replace("guest:guest@", "") + "?auth_mechanism=external"
    assert await refusal(url, certificates) == (
        "RabbitMQ has no user of the client certificate's name"
    )
    node.api("PUT", "/users/by-certificate", {"password_hash": "", "tags": ""})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    node.api("PUT", "/permissions/%2F/by-certificate", everything)
    assert await works(url, certificates)


async def test_a_node_that_takes_no_certificate_for_a_login_is_named(
    node: Node, certificates: Certificates
) -> None:
    url = node.amqps_url.replace("guest:guest@", "") + "?auth_mechanism=external"
    node.control("eval", "application:set_env(rabbit, auth_mechanisms, ['PLAIN']).")
    try:
        assert await refusal(url, certificates) == (
            "RabbitMQ takes no certificate for a login: it needs the plugin "
            "rabbitmq_auth_mechanism_ssl, and EXTERNAL among its auth_mechanisms"
        )
    finally:
        both = "['PLAIN', 'EXTERNAL']"
        node.control("eval", f"application:set_env(rabbit, auth_mechanisms, {both}).")


async def test_tls_and_plain_ports_are_told_apart(node: Node, certificates: Certificates) -> None:
    plain_port = node.amqp_url().replace("amqp:", "amqps:")
    assert await refusal(plain_port, certificates) == (
        "what answers at 127.0.0.1 speaks no TLS: is it the port for plain connections?"
    )
    tls_port = node.amqps_url.replace("amqps:", "amqp:")
    assert await refusal(tls_port, certificates) == (
        "what answers there does not speak AMQP 0-9-1: is it a port for amqps?"
    )


async def test_files_that_are_replaced_serve_the_next_link(
    node: Node, certificates: Certificates, tmp_path: Path
) -> None:
    renewed = Authority()
    node.show({"ca.pem": renewed.pem(), **pair(renewed.issue())})
    assert "is not trusted" in await refusal(node.amqps_url, certificates)
    renewed.write(tmp_path / "ca.pem")
    write_pair(renewed.issue(), tmp_path)
    assert await works(node.amqps_url, certificates)
    (tmp_path / "ca.pem").unlink()
    assert await refusal(node.amqps_url, certificates) == (
        "the file of the CA: there is no such file"
    )
    node.show({"ca.pem": AUTHORITY.pem()})


def test_the_service_waits_for_a_good_certificate_and_goes_on(
    node: Node,
    certificates: Certificates,
    standin: Callable[..., StandIn],
    run_service: Callable[[Mapping[str, str]], Service],
) -> None:
    node.show(pair(AUTHORITY.issue("expired")))
    service = run_service(
        {
            "PROFILE_SYNC_AMQP_URL": node.amqps_url,
            "PROFILE_SYNC_AMQP_CA_FILE": str(certificates.ca),
            "PROFILE_SYNC_AMQP_CERT_FILE": str(certificates.certificate),
            "PROFILE_SYNC_AMQP_KEY_FILE": str(certificates.key),
            "PROFILE_SYNC_API_URL": f"{standin().url}/v2",
            "PROFILE_SYNC_ACCESS_TOKEN": "demo-token",
        }
    )
    wait_for(lambda: "has expired" in service.output(), "the log line")
    answer = httpx.get(f"{service.http_url}/readyz", trust_env=False)
    assert (answer.status_code, answer.text) == (503, "no-broker\n")

    node.show(pair(AUTHORITY.issue()))

    service.wait_ready()
    mail = Mail(node.amqp_url())
    mail.send(event(1, create=True))
    assert mail.results(1)[0]["outcome"] == "created"
    mail.close()
    assert service.terminate() == 0
