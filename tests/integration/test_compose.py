"""What deploy/compose.yaml starts of ours, on this machine: its settings, its seed, its event."""

import re
from collections.abc import Callable, Mapping

from tests.compose import FILE, mounts, service
from tests.integration.conftest import Mail
from tests.programs import Service, StandIn
from tests.rabbitmq import Vhost


def test_the_event_of_its_first_lines_creates_a_profile(
    vhost: Vhost,
    standin: Callable[..., StandIn],
    run_service: Callable[[Mapping[str, str]], Service],
    mail: Mail,
) -> None:
    seen = mounts("standin")
    api = standin(*(str(seen.get(word, word)) for word in service("standin")["command"]))
    settings = service("profile-sync")["environment"]
    # In place of the names of the containers.
    addresses = {
        "PROFILE_SYNC_AMQP_URL": vhost.amqp_url,
        "PROFILE_SYNC_API_URL": settings["PROFILE_SYNC_API_URL"].replace(
            "http://standin:8080", api.url
        ),
    }
    run_service({**settings, **addresses}).wait_ready()
    (sent,) = re.findall(r"send - < (\S+)$", FILE.read_text(), re.MULTILINE)

    mail.send((FILE.parents[1] / sent).read_bytes())

    (result,) = mail.results(1)
    assert result["outcome"] == "created"
