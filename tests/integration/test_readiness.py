import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from service.readiness import why_not_ready
from tests.raw_server import raw_server, writing


def answer(status: str, text: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\n\r\n{text}\n".encode()


async def asked(answer: bytes, **environment: str) -> str | None:
    """What is said of a service that gives such an answer."""
    async with raw_server(writing(answer, close=True)) as raw:
        values = {"PROFILE_SYNC_HTTP_PORT": str(raw.port), **environment}
        said = await asyncio.to_thread(why_not_ready, values)
    assert raw.requests[0].startswith(b"GET /readyz HTTP/1.0\r\n")
    return said


async def test_is_ready_when_the_service_says_so() -> None:
    assert await asked(answer("200 OK", "ok")) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "", "127.0.0.1"])  # noqa: S104
async def test_asks_on_this_machine(host: str) -> None:
    assert await asked(answer("200 OK", "ok"), PROFILE_SYNC_HTTP_HOST=host) is None


async def test_repeats_why_not() -> None:
    said = await asked(answer("503 Service Unavailable", "no-broker"))
    assert said == "no-broker"


async def test_a_server_that_says_nothing_is_not_ready() -> None:
    assert await asked(b"") == "no answer"


async def test_nobody_there_is_said_with_the_address() -> None:
    async with raw_server(writing(b"")) as raw:
        port = str(raw.port)
    said = why_not_ready({"PROFILE_SYNC_HTTP_PORT": port})
    assert said == f"nothing answers at 127.0.0.1:{port}: Connection refused"


async def test_reads_the_port_from_a_file_as_the_service_does(tmp_path: Path) -> None:
    async with raw_server(writing(b"")) as raw:
        port = raw.port
    (tmp_path / "http_port").write_text(f"{port}\n")
    said = why_not_ready({"PROFILE_SYNC_SECRETS_DIR": str(tmp_path)})
    assert f":{port}:" in str(said)


@pytest.mark.parametrize("port", ["0", "x", "65536", "-1", ""])
def test_a_port_that_is_none_is_an_error(port: str) -> None:
    with pytest.raises(ValueError, match="HTTP_PORT"):
        why_not_ready({"PROFILE_SYNC_HTTP_PORT": port})


def test_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv[1:] = ['probe']\n"
        "from service.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'asyncio', 'pydantic', 'typer', 'httpx', 'pika'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "[]"
