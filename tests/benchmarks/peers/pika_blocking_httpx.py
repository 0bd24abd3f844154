"""pika's BlockingConnection and httpx's Client: one event at a time, as in pika's tutorials."""

import httpx
import pika
from pika.adapters.blocking_connection import BlockingChannel

from tests.benchmarks.peers.contract import Event, Settings, result


def main(settings: Settings) -> None:
    """Work until the process is ended."""
    connection = pika.BlockingConnection(pika.URLParameters(settings.amqp_url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=settings.prefetch)
    channel.exchange_declare(settings.result_exchange, "topic", durable=True)

    def handle(
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        event = Event.model_validate_json(body)
        query = event.query(settings.access_token)
        response = api.put(event.path, params=query, json=event.body())
        response.raise_for_status()
        channel.basic_publish(
            settings.result_exchange,
            event.routing_key,
            result(event, response.content),
            pika.BasicProperties(  # type: ignore[no-untyped-call] # as pika's all are
                content_type="application/json",
                correlation_id=event.id,
                delivery_mode=pika.DeliveryMode.Persistent,
            ),
        )
        channel.basic_ack(method.delivery_tag)

    with httpx.Client(base_url=settings.api_url, timeout=settings.timeout) as api:
        channel.basic_consume(settings.event_queue, handle)
        channel.start_consuming()


if __name__ == "__main__":
    main(Settings())
