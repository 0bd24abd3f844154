"""Certificates for the tests' servers and clients: good ones, and wrong in each way."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import trustme

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2100, 1, 1, tzinfo=UTC)


class Authority:
    """A CA of the tests' own, and another that nobody is told of."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self._another = trustme.CA()

    def pem(self) -> bytes:
        """The CA's own certificate, as clients need it."""
        return self._ca.cert_pem.bytes()

    def write(self, file: Path) -> str:
        """Put the CA's own certificate into a file; return its path."""
        file.write_bytes(self.pem())
        return str(file)

    def issue(self, kind: str = "good") -> trustme.LeafCert:
        """Make a certificate for this machine; `kind` tells what is wrong with it."""
        here = ("localhost", "127.0.0.1")
        match kind:
            case "expired":
                return self._ca.issue_cert(*here, not_after=LONG_AGO)
            case "not yet valid":
                return self._ca.issue_cert(*here, not_before=FAR_AHEAD)
            case "for another host":
                return self._ca.issue_cert("elsewhere.example.com")
            case "of another CA":
                return self._another.issue_cert(*here)
            case "good":
                return self._ca.issue_cert(*here)
            case _:
                raise ValueError(kind)

    def issue_to(self, name: str) -> trustme.LeafCert:
        """Make a client's certificate with a common name."""
        return self._ca.issue_cert("localhost", common_name=name)

    def context(self, kind: str = "good") -> ssl.SSLContext:
        """Make a server's context, which shows such a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.issue(kind).configure_cert(context)
        return context


def pair(leaf: trustme.LeafCert) -> dict[str, bytes]:
    """Give a certificate and its key as two files: names and contents."""
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    return {"certificate.pem": chain, "key.pem": leaf.private_key_pem.bytes()}


def write_pair(leaf: trustme.LeafCert, folder: Path) -> tuple[str, str]:
    """Put a certificate and its key into two files of a folder; return their paths."""
    for name, content in pair(leaf).items():
        (folder / name).write_bytes(content)
    return str(folder / "certificate.pem"), str(folder / "key.pem")
