"""The service and the certificate of the API: it waits for a good one, and nothing is lost."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.certificates import Authority
from tests.integration.conftest import DEAD_LETTERS, EVENTS, Mail, wait_for
from tests.integration.harm import readiness, sample
from tests.integration.test_pauses import count, event
from tests.programs import Service, StandIn
from tests.tls_front import TLSFront

Start = Callable[..., tuple[Service, Callable[[], None]]]


@pytest.fixture
def behind_tls(
    standin: Callable[..., StandIn],
    environment: Callable[..., dict[str, str]],
    run_service: Callable[[Mapping[str, str]], Service],
    authority: Authority,
) -> Iterator[Start]:
    """Start a stand-in behind TLS with a certificate of some kind, and a service that uses it.

    Gives the service, and what makes the certificate good.
    """
    fronts: list[TLSFront] = []

    def start(kind: str, version: str = "v2") -> tuple[Service, Callable[[], None]]:
        api = standin()
        front = TLSFront(urlsplit(api.url).port or 0, authority.issue(kind))
        fronts.append(front.__enter__())
        url = f"https://127.0.0.1:{front.port}"
        # Version 4 has its own server for tokens: only that one is behind TLS here.
        addresses = {"AUTH_URL": f"{url}/authenticate"} if version == "v4" else {}
        settings = environment(api, version, **addresses)
        if version == "v2":
            settings["PROFILE_SYNC_API_URL"] = f"{url}/v2"
        return run_service(settings), lambda: front.show(authority.issue())

    yield start
    for front in fronts:
        front.__exit__()


@pytest.mark.parametrize(
    ("kind", "version", "words"),
    [
        ("expired", "v2", "the certificate of 127.0.0.1, or of its CA, has expired"),
        ("expired", "v4", "the certificate of 127.0.0.1, or of its CA, has expired, at AUTH_URL"),
        (
            "for another host",
            "v2",
            "the certificate at 127.0.0.1 is another server's: it does not name 127.0.0.1",
        ),
        (
            "of another CA",
            "v2",
            "the certificate of 127.0.0.1 is not trusted: unable to get local issuer certificate; "
            "SSL_CERT_FILE can name the file of its CA",
        ),
    ],
)
def test_events_wait_for_a_good_certificate(
    behind_tls: Start, mail: Mail, kind: str, version: str, words: str
) -> None:
    running, mend = behind_tls(kind, version)
    running.wait_ready()
    mail.send(*(event(n, n % 5) for n in range(20)))
    wait_for(lambda: readiness(running) == (503, "configuration"), "the pause")
    wait_for(lambda: mail.ready(EVENTS) == 20, "the events back in the queue")
    assert sample(running, 'profile_sync_paused{cause="configuration"}') == 1
    assert words in {line.get("detail") for line in running.log()}

    mend()

    assert {result["outcome"] for result in mail.results(20)} <= {"created", "updated"}
    wait_for(lambda: readiness(running) == (200, "ok"), "ready again")
    assert mail.ready(DEAD_LETTERS) == 0
    assert count(running, "calls go on, one at first") >= 1
    assert running.terminate() == 0


def test_events_wait_for_a_ca_that_is_put_into_its_file(
    behind_tls: Start, authority: Authority, mail: Mail, tmp_path: Path
) -> None:
    Authority().write(tmp_path / "ca.pem")
    running, _ = behind_tls("good")
    running.wait_ready()
    mail.send(event(1, 1))
    wait_for(lambda: readiness(running) == (503, "configuration"), "the pause")
    authority.write(tmp_path / "ca.pem")
    assert mail.results(1)[0]["outcome"] == "created"
    assert mail.ready(DEAD_LETTERS) == 0
