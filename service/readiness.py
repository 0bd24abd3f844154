"""The command `probe`: whether the service on this machine is ready. Light, as it runs often."""

import os
import socket
import sys
from collections.abc import Mapping

from service.environment import DEFAULT_SECRETS_DIR, PREFIX

_TIMEOUT = 2.0  # seconds
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_PORT = "8000"
_REQUEST = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n"


def why_not_ready(environment: Mapping[str, str]) -> str | None:
    """Ask /readyz at HTTP_HOST and HTTP_PORT; None if the service is ready, else why it is not.

    Raises:
        ValueError: HTTP_PORT is no port.
    """
    host, port = _setting(environment, "http_host", ""), _setting(environment, "http_port", _PORT)
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f"{PREFIX}HTTP_PORT is no port")
    host = _EVERYWHERE.get(host, host)
    try:
        with socket.create_connection((host, int(port)), _TIMEOUT) as connection:
            connection.sendall(_REQUEST)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError as error:
        return f"nothing answers at {host}:{port}: {error.strerror or error}"
    status, _, rest = answer.partition(b"\r\n")
    if status.split()[1:2] == [b"200"]:
        return None
    return rest.partition(b"\r\n\r\n")[2].decode(errors="replace").strip()[:100] or "no answer"


def _setting(environment: Mapping[str, str], name: str, default: str) -> str:
    """Read a setting as the service does: from the environment, or a file in SECRETS_DIR."""
    value = environment.get(PREFIX + name.upper())
    if value is None:
        folder = environment.get(f"{PREFIX}SECRETS_DIR") or DEFAULT_SECRETS_DIR
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                value = file.read().strip()
        except OSError:
            value = default
    return value


def main() -> int:
    """Say whether the service is ready: exit code 0, or 1 and why not, or 2."""
    try:
        reason = why_not_ready(os.environ)
    except ValueError as error:
        print(f"profile-sync: {error}", file=sys.stderr)
        return 2
    try:
        print(reason or "ready", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left is written at the end
        print(f"profile-sync: standard output: {error.strerror}", file=sys.stderr)
        return 1
    return 0 if reason is None else 1
