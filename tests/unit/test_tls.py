import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trustme

from service import tls
from tests.certificates import Authority, write_pair

AUTHORITY = Authority()


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> ssl.SSLError | None:
    """Let two sides shake hands in memory; return what the client has against it, soon after."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    steps: list[Callable[[], object]] = [partial(ours.read, 1)]
    steps[:0] = [ours.do_handshake] * 3
    for step in steps:
        try:
            step()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            return error
        with suppress(ssl.SSLError):  # its alert is on the way to the client
            theirs.do_handshake()
    return None


def words(client: ssl.SSLContext, server: ssl.SSLContext, host: str = "localhost") -> str:
    error = handshake(client, server, host)
    assert error is not None
    return tls.words(error, host, "CA_FILE", "CERT_FILE")


@pytest.fixture
def client(tmp_path: Path) -> ssl.SSLContext:
    return tls.trusting(AUTHORITY.write(tmp_path / "ca.pem"))


def test_trusts_the_ca_that_it_is_told(client: ssl.SSLContext) -> None:
    assert handshake(client, AUTHORITY.context(), "localhost") is None
    assert handshake(client, AUTHORITY.context(), "127.0.0.1") is None


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("expired", "the certificate of localhost, or of its CA, has expired"),
        (
            "not yet valid",
            "the certificate of localhost is not valid yet: is the clock of this machine right?",
        ),
        (
            "for another host",
            "the certificate at localhost is another server's: it does not name localhost",
        ),
        (
            "of another CA",
            "the certificate of localhost is not trusted: unable to get local issuer certificate; "
            "CA_FILE can name the file of its CA",
        ),
    ],
)
def test_says_what_is_wrong_with_a_certificate(
    client: ssl.SSLContext, kind: str, said: str
) -> None:
    assert words(client, AUTHORITY.context(kind)) == said


def test_knows_a_certificate_that_signs_itself(client: ssl.SSLContext, tmp_path: Path) -> None:
    ca = trustme.CA()
    (tmp_path / "self.pem").write_bytes(ca.private_key_pem.bytes() + ca.cert_pem.bytes())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "self.pem")
    assert "is not trusted: self-signed certificate; CA_FILE" in words(client, server)


def demanding(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server that wants a client certificate of its own CA."""
    server = AUTHORITY.context()
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(cadata=AUTHORITY.pem().decode())
    server.minimum_version = server.maximum_version = version
    return server


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (
            ssl.TLSVersion.TLSv1_2,
            "localhost refuses the TLS handshake: other ciphers, or a client certificate? "
            "(sslv3 alert handshake failure)",
        ),
        (ssl.TLSVersion.TLSv1_3, "localhost wants a client certificate: set CERT_FILE"),
    ],
)
def test_says_that_a_client_certificate_is_missing(
    client: ssl.SSLContext, version: ssl.TLSVersion, said: str
) -> None:
    assert words(client, demanding(version)) == said


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", ["of another CA", "expired"])
def test_says_that_its_own_certificate_is_refused(
    client: ssl.SSLContext, version: ssl.TLSVersion, kind: str
) -> None:
    AUTHORITY.issue(kind).configure_cert(client)
    said = words(client, demanding(version))
    assert said.startswith("localhost does not accept the client certificate (")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_shows_its_own_certificate(
    client: ssl.SSLContext, version: ssl.TLSVersion, tmp_path: Path
) -> None:
    tls.show(client, *write_pair(AUTHORITY.issue(), tmp_path))
    assert handshake(client, demanding(version), "localhost") is None


def test_speaks_no_version_that_is_out_of_date(client: ssl.SSLContext) -> None:
    server = AUTHORITY.context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    said = words(client, server)
    assert said.startswith("localhost and this service have no version of TLS in common (")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\0\0\x09\x01"])
def test_says_that_somebody_speaks_no_tls(client: ssl.SSLContext, answer: bytes) -> None:
    incoming = ssl.MemoryBIO()
    ours = client.wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        ours.do_handshake()
    incoming.write(answer)
    with pytest.raises(ssl.SSLError) as failed:
        ours.do_handshake()
    assert tls.to_mend(failed.value)
    assert tls.words(failed.value, "localhost", "CA_FILE") == (
        "what answers at localhost speaks no TLS: is it the port for plain connections?"
    )


def test_an_end_in_the_handshake_passes_by_itself(client: ssl.SSLContext) -> None:
    incoming = ssl.MemoryBIO()
    ours = client.wrap_bio(incoming, ssl.MemoryBIO(), server_hostname="localhost")
    incoming.write_eof()
    with pytest.raises(ssl.SSLError) as failed:
        ours.do_handshake()
    assert not tls.to_mend(failed.value)
    said = tls.words(failed.value, "localhost", "CA_FILE")
    assert said.startswith("localhost broke off the TLS handshake (")


def test_reads_the_files_as_they_are_now(tmp_path: Path) -> None:
    renewed = Authority()
    file = AUTHORITY.write(tmp_path / "ca.pem")
    certificates = tls.Certificates(file)
    assert handshake(certificates.context(), renewed.context(), "localhost") is not None
    renewed.write(tmp_path / "ca.pem")
    assert handshake(certificates.context(), renewed.context(), "localhost") is None
    assert handshake(certificates.context(), AUTHORITY.context(), "localhost") is not None


def test_says_which_file_has_gone_bad(tmp_path: Path) -> None:
    ca = AUTHORITY.write(tmp_path / "ca.pem")
    certificate, key = write_pair(AUTHORITY.issue(), tmp_path)
    certificates = tls.Certificates(ca, certificate, key)
    Path(key).write_text("half")
    with pytest.raises(ValueError, match=r"^the client certificate or its key: there is no key"):
        certificates.context()
    Path(ca).unlink()
    with pytest.raises(ValueError, match=r"^the file of the CA: there is no such file$"):
        certificates.context()


def test_names_what_openssl_would_pass_over(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    ca = AUTHORITY.write(tmp_path / "ca.pem")
    missing, empty = str(tmp_path / "missing"), str(tmp_path / "empty.pem")
    assert tls.faults({}) == []
    assert tls.faults({"SSL_CERT_FILE": ca, "SSL_CERT_DIR": f"{missing}:{tmp_path}"}) == []
    assert tls.faults({"SSL_CERT_FILE": missing, "SSL_CERT_DIR": missing}) == [
        "SSL_CERT_FILE: there is no such file",
        "SSL_CERT_DIR: there is no such folder",
    ]
    assert tls.faults({"SSL_CERT_FILE": empty}) == [
        "SSL_CERT_FILE: there is no certificate in it (in PEM form)"
    ]
