"""FastStream on RabbitMQ and httpx's AsyncClient."""

import httpx
from faststream import AckPolicy, FastStream
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitMessage,
    RabbitQueue,
)

from tests.benchmarks.peers.contract import Event, Settings, result, run

settings = Settings()
api = httpx.AsyncClient(
    base_url=settings.api_url,
    limits=httpx.Limits(
        max_connections=settings.connections, max_keepalive_connections=settings.connections
    ),
    timeout=settings.timeout,
)
broker = RabbitBroker(
    settings.amqp_url,
    default_channel=Channel(prefetch_count=settings.prefetch, publisher_confirms=True),
    logger=None,  # it writes two lines an event otherwise
)
app = FastStream(broker, logger=None)

EVENTS = RabbitQueue(settings.event_queue, queue_type=QueueType.QUORUM, durable=True, declare=False)
RESULTS = RabbitExchange(settings.result_exchange, type=ExchangeType.TOPIC, durable=True)


@broker.subscriber(EVENTS, ack_policy=AckPolicy.REJECT_ON_ERROR, no_reply=True)
async def handle(event: Event, message: RabbitMessage) -> None:
    """Put one event into the API, and publish what came of it."""
    query = event.query(settings.access_token)
    response = await api.put(event.path, params=query, json=event.body())
    response.raise_for_status()
    await broker.publish(
        result(event, response.content),
        exchange=RESULTS,
        routing_key=event.routing_key,
        content_type="application/json",
        correlation_id=message.correlation_id,
        persist=True,
    )


@app.after_startup
async def declare_results() -> None:
    """Make the exchange, as the first publish would not."""
    await broker.declare_exchange(RESULTS)


if __name__ == "__main__":
    run(app.run(), settings.loop)
