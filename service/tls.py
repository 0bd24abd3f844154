"""TLS: whose certificates are trusted, which one is shown, and what went wrong, in words."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_EXPIRED, _NOT_YET_VALID = 10, 9  # OpenSSL's X509_V_ERR_ codes
_ANOTHER_HOST = (62, 63, 64)  # of a name, an e-mail address, an IP address
# OpenSSL's names of what it makes of bytes that are no TLS; the second since version 3.2.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
_OLD = ("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION", "INAPPROPRIATE_FALLBACK")
# The other side's word on our certificate.
_REFUSED = ("UNKNOWN_CA", "CERTIFICATE", "ACCESS_DENIED", "DECRYPT_ERROR")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files by name: the CAs to trust in place of the system's, a certificate and its key."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files as they are now; the server's certificate and name are always checked.

        Raises:
            ValueError: one of them cannot be used; the text says which, and why.
        """
        try:
            context = trusting(self.ca)
        except ValueError as error:
            raise ValueError(f"the file of the CA: {error}") from None
        if self.certificate and self.key:
            try:
                show(context, self.certificate, self.key)
            except ValueError as error:
                raise ValueError(f"the client certificate or its key: {error}") from None
        return context


def trusting(ca: str | None) -> ssl.SSLContext:
    """Make a context for a client that trusts the CAs in a file, or else the system's.

    Which those are OpenSSL knows, or is told by SSL_CERT_FILE and SSL_CERT_DIR.

    Raises:
        ValueError: the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise ValueError("there is no certificate in it (in PEM form)") from None
    except OSError as error:
        _no_file(error)


def show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Let a context show the certificate in a file, when a server asks for one.

    Raises:
        ValueError: the file, or that of the key, cannot be used.
    """
    try:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError("it is not the key of this certificate") from None
        raise ValueError("there is no key in it (in PEM form, not encrypted)") from None
    except OSError as error:
        _no_file(error)


def read(file: str) -> None:
    """Read a file, just to know that it can be read.

    Raises:
        ValueError: it cannot.
    """
    try:
        Path(file).read_bytes()
    except OSError as error:
        _no_file(error)


def faults(environment: Mapping[str, str]) -> list[str]:
    """List what is wrong with OpenSSL's own variables: it would pass that over in silence."""
    found = []
    if file := environment.get("SSL_CERT_FILE"):
        try:
            trusting(file)
        except ValueError as error:
            found.append(f"SSL_CERT_FILE: {error}")
    folders = environment.get("SSL_CERT_DIR", "")
    if folders and not any(os.path.isdir(folder) for folder in folders.split(os.pathsep)):
        found.append("SSL_CERT_DIR: there is no such folder")
    return found


def to_mend(error: ssl.SSLError) -> bool:
    """Tell whether a handshake failed for something that does not pass by itself."""
    passing = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    return not passing and "INTERNAL_ERROR" not in (error.reason or "")


def words(error: ssl.SSLError, server: str, ca: str, own: str = "") -> str:
    """Say why there is no TLS with a server.

    Args:
        error: of the handshake, or soon after: TLS 1.3 refuses a client's certificate late.
        server: its host name or address.
        ca: the variable that names the CAs to trust.
        own: the variable that names the certificate to show, if one can be set.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, server, ca)
    reason = error.reason or ""
    said = f"({reason.replace('_', ' ').lower() or type(error).__name__})"
    if reason in _NO_TLS:
        return f"what answers at {server} speaks no TLS: is it the port for plain connections?"
    if any(name in reason for name in _OLD):
        return f"{server} and this service have no version of TLS in common {said}"
    if "CERTIFICATE_REQUIRED" in reason:
        return f"{server} wants a client certificate{own and f': set {own}'}"
    if "ALERT" in reason and any(name in reason for name in _REFUSED):
        return f"{server} does not accept the client certificate {said}"
    if "HANDSHAKE_FAILURE" in reason:
        return f"{server} refuses the TLS handshake: other ciphers, or a client certificate? {said}"
    if to_mend(error):
        return f"TLS with {server} fails {said}"
    return f"{server} broke off the TLS handshake {said}"


def _untrusted(error: ssl.SSLCertVerificationError, server: str, ca: str) -> str:
    match error.verify_code:
        case code if code == _EXPIRED:
            return f"the certificate of {server}, or of its CA, has expired"
        case code if code == _NOT_YET_VALID:
            return (
                f"the certificate of {server} is not valid yet: is the clock of this machine right?"
            )
        case code if code in _ANOTHER_HOST:
            return f"the certificate at {server} is another server's: it does not name {server}"
        case _:
            return (
                f"the certificate of {server} is not trusted: {error.verify_message}; "
                f"{ca} can name the file of its CA"
            )


def _no_file(error: OSError) -> NoReturn:
    missing = isinstance(error, FileNotFoundError)
    why = "there is no such file" if missing else f"it cannot be read: {error.strerror}"
    raise ValueError(why) from None
