"""Requests a second of the stand-in for the API, seen from outside.

python -m tests.benchmarks.standin --requests 20000 --connections 8
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from tests.programs import StandIn

_SIZES = (100, 100_000)
_PUT = (
    "PUT /v2/database/1234/profiles?fields%5B%5D=customerid%3D%3D{key}&create={create}&async=0"
    "&access_token=demo-token"
)
_GET = "GET /v2/database/1234/profiles?fields%5B%5D=customerid%3D%3D{key}&access_token=demo-token"


def main() -> None:
    """Print one line for each kind of request, and two for the cost of a selection."""
    options = _arguments()
    with _standin("--put-result", options.put_result) as api:
        keys = range(options.profiles)
        _measure(api, options, "", lambda n: _put(n % len(keys), create=1))
        _measure(api, options, "PUT, update", lambda n: _put(n % len(keys), create=0, age=n))
        _measure(api, options, "PUT, create", lambda n: _put(len(keys) + n, create=1))
        _measure(api, options, "GET, select", lambda n: _request(_GET.format(key=n % len(keys))))
    few, many = (_selection_seconds(size) for size in _SIZES)
    print(f"selection by an indexed field: {few * 1e6:.0f} us with {_SIZES[0]} profiles, ", end="")
    print(f"{many * 1e6:.0f} us with {_SIZES[1]}, ratio {many / few:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=20_000, help="of each kind")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--profiles", type=int, default=1_000, help="that exist before")
    parser.add_argument("--put-result", choices=["list", "empty"], default="list")
    return parser.parse_args()


@contextmanager
def _standin(*arguments: str) -> Iterator[StandIn]:
    with tempfile.TemporaryDirectory() as folder:
        api = StandIn(list(arguments), Path(folder, "standin.log"))
        try:
            yield api
        finally:
            api.kill()


def _measure(
    api: StandIn, options: argparse.Namespace, what: str, request: Callable[[int], bytes]
) -> None:
    process = psutil.Process(api.process.pid)
    number = options.requests if what else options.profiles
    before, begun = sum(process.cpu_times()[:2]), time.perf_counter()
    asyncio.run(_send_all(api.url, [request(n) for n in range(number)], options.connections))
    seconds = time.perf_counter() - begun
    used = (sum(process.cpu_times()[:2]) - before) / number
    if what:
        print(
            f"{what}: {number / seconds:.0f} requests/s over {options.connections} connections; "
            f"CPU {used * 1e6:.0f} us each, so {1 / used:.0f} requests/s on one core"
        )


async def _send_all(url: str, requests: list[bytes], connections: int) -> list[float]:
    """Return the seconds that each request took."""
    shares = [_send(url, requests[first::connections]) for first in range(connections)]
    return [seconds for share in await asyncio.gather(*shares) for seconds in share]


async def _send(url: str, requests: list[bytes]) -> list[float]:
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    elapsed = []
    for request in requests:
        begun = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head[9:12] in (b"200", b"303"), head
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if length:
            await reader.readexactly(length)
        elapsed.append(time.perf_counter() - begun)
    writer.close()
    await writer.wait_closed()
    return elapsed


def _request(line: str, body: bytes = b"") -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: standin", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _put(key: int, create: int, age: int = 18) -> bytes:
    fields = {
        "customerid": f"{key}",
        "firstname": "John",
        "lastname": "Doe",
        "email": f"john.doe.{key}@example.com",
        "age": f"{age}",
    }
    body = {"fields": fields, "interests": {"football": 1, "baseball": 0}}
    return _request(_PUT.format(key=key, create=create), json.dumps(body).encode())


def _selection_seconds(size: int) -> float:
    """Return the median seconds of a selection by an indexed field, among `size` profiles."""
    fields = [{"name": "customerid", "type": "text", "index": True}]
    profiles = [{"fields": {"customerid": f"{n}"}} for n in range(size)]
    databases = [{"id": 1234, "name": "Customers", "fields": fields, "profiles": profiles}]
    with _standin() as api:
        seed = {"databases": databases}
        httpx.put(f"{api.url}/__standin/seed", json=seed, timeout=120).raise_for_status()
        requests = [_request(_GET.format(key=n * size // 5_000)) for n in range(5_000)]
        return statistics.median(asyncio.run(_send_all(api.url, requests, 1)))


if __name__ == "__main__":
    main()
