"""What is asked of RabbitMQ is where the events go."""

from collections.abc import Callable, Mapping

from tests.campaign.queues import event_queues, routing_key
from tests.campaign.routes import partition_of
from tests.integration.conftest import EVENTS, Mail, channel
from tests.programs import Service, StandIn
from tests.rabbitmq import Vhost


def test_the_partition_of_a_routing_key_is_told(
    standin: Callable[..., StandIn],
    run_service: Callable[[Mapping[str, str]], Service],
    vhost: Vhost,
) -> None:
    settings = {
        "AMQP_URL": vhost.amqp_url,
        "API_URL": f"{standin().url}/v2",
        "ACCESS_TOKEN": "demo-token",
        "PARTITIONS": "3",
    }
    running = run_service({f"PROFILE_SYNC_{name}": value for name, value in settings.items()})
    running.wait_ready()
    running.terminate()
    queues = event_queues(3)
    keys = [routing_key(1234, f"customerid=={number}") for number in range(40)]
    told = partition_of(vhost.amqp_url, queues, keys)
    assert {*told} == {*keys}
    assert len({*told.values()}) == 3
    with channel(vhost.amqp_url) as sender:
        for key in keys:
            sender.basic_publish(EVENTS, key, key.encode(), mandatory=True)
    for queue in queues:
        expected = sorted(key for key in keys if told[key] == queue)
        mail = Mail(vhost.amqp_url)
        arrived = mail.take(queue, len(expected))
        mail.close()
        assert sorted(body.decode() for _, _, body in arrived) == expected
