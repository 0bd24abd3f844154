"""What KEDA is told to ask, asked of RabbitMQ as KEDA asks it."""

from urllib.parse import quote, quote_plus

from service.settings import Settings
from service.topology import event_queues, topology
from tests.deploy.manifests import PARTITIONED, of_kind, rendered, settings
from tests.rabbitmq import Vhost


def asked(vhost: Vhost) -> set[str]:
    """Name the queues whose messages KEDA would sum up.

    Source: KEDA, pkg/scalers/rabbitmq_scaler.go, getQueueInfoViaHTTP, with useRegex.
    """
    scaled = of_kind(rendered(PARTITIONED), "ScaledObject")["profile-sync"]["spec"]
    pattern = quote_plus(scaled["triggers"][0]["metadata"]["queueName"])
    found = vhost.broker.api(
        "GET",
        f"/queues/{quote(vhost.name, safe='')}"
        f"?page=1&use_regex=true&pagination=false&name={pattern}&page_size=100",
    )
    return {queue["name"] for queue in found["items"]}


def declare(vhost: Vhost, name: str) -> None:
    path = f"/queues/{quote(vhost.name, safe='')}/{quote(name, safe='')}"
    vhost.broker.api("PUT", path, {"durable": True})


def test_keda_sums_up_the_partitions_and_nothing_else(vhost: Vhost) -> None:
    number = int(settings(rendered(PARTITIONED))["PROFILE_SYNC_PARTITIONS"])
    with_partitions = Settings(access_token="token", partitions=number)
    for queue in topology(with_partitions).queues:
        declare(vhost, queue.name)
    for other in (
        "profile-sync.events.0.old",
        "our-profile-sync.events.0",
        "profile-sync-events.1",
    ):
        declare(vhost, other)
    assert asked(vhost) == set(event_queues(with_partitions))
