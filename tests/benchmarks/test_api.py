import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.benchmarks.api import answer
from tests.benchmarks.rig import StubApis

_PUT = b"PUT /v2/database/1234/profiles?fields%5B%5D=customerid%3D%3D1000042&create=1 HTTP/1.1"


@pytest.fixture(scope="module")
def apis() -> Iterator[StubApis]:
    with StubApis() as started:
        yield started


def _content(line: bytes) -> Any:
    head, _, body = answer(line).partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    return json.loads(body)


def test_a_put_finds_one_profile_with_the_key_asked_for() -> None:
    (profile,) = _content(_PUT)
    assert profile["fields"]["customerid"] == "1000042"


def test_a_key_may_be_written_with_plain_equality_signs() -> None:
    (profile,) = _content(_PUT.replace(b"%3D%3D", b"=="))
    assert profile["fields"]["customerid"] == "1000042"


def test_a_selection_by_a_value_out_of_thin_air_finds_nothing() -> None:
    assert _content(_PUT.replace(b"PUT", b"GET"))["data"] == []


@pytest.mark.parametrize(("kind", "name"), [("fields", "customerid"), ("interests", "football")])
def test_it_lists_what_events_may_name(kind: str, name: str) -> None:
    listed = _content(f"GET /v2/database/1234/{kind}?limit=1000 HTTP/1.1".encode())
    assert name in {each["name"] for each in listed["data"]}


def test_what_it_does_not_know_is_refused() -> None:
    assert answer(b"GET /v2/elsewhere HTTP/1.1").startswith(b"HTTP/1.1 400")


def test_a_connection_is_kept_for_the_next_call(apis: StubApis) -> None:
    with httpx.Client(base_url=apis.url(0), trust_env=False) as client:
        query = {"fields[]": "customerid==7", "create": "1"}
        for _ in range(3):
            response = client.put("/database/1234/profiles", params=query, json={"fields": {}})
            assert response.json()[0]["fields"]["customerid"] == "7"


def test_it_tells_once_what_has_come(apis: StubApis) -> None:
    with httpx.Client(base_url=apis.url(0), trust_env=False) as client:
        client.get("/calls")
        for key, name in (("7", "Doe"), ("8", "Roe"), ("7", "Poe")):
            query, body = {"fields[]": f"customerid=={key}"}, {"fields": {"lastname": name}}
            client.put("/database/1234/profiles", params=query, json=body).raise_for_status()
        client.get("/identity").raise_for_status()
        told = client.get("/calls").json()
        assert len(told["times"]) == 4
        assert told["puts"] == 3
        names = {key: body["fields"]["lastname"] for key, body in told["last"].items()}
        assert names == {"7": "Poe", "8": "Roe"}
        assert client.get("/calls").json() == {"times": [], "puts": 0, "last": {}}


def test_it_takes_the_time_it_was_told(apis: StubApis) -> None:
    with httpx.Client(base_url=apis.url(0.05), trust_env=False) as client:
        begun = time.monotonic()
        client.get("/identity").raise_for_status()
        assert time.monotonic() - begun >= 0.05
