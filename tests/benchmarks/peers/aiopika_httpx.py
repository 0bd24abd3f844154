"""aio-pika and httpx's AsyncClient."""

import asyncio

import aio_pika
import httpx
from aio_pika.abc import AbstractIncomingMessage

from tests.benchmarks.peers.contract import Event, Settings, result, run


async def main(settings: Settings) -> None:
    """Work until the process is ended."""
    connection = await aio_pika.connect_robust(settings.amqp_url)
    limits = httpx.Limits(
        max_connections=settings.connections, max_keepalive_connections=settings.connections
    )
    async with (
        connection,
        httpx.AsyncClient(
            base_url=settings.api_url, limits=limits, timeout=settings.timeout
        ) as api,
    ):
        channel = await connection.channel(publisher_confirms=True)
        await channel.set_qos(prefetch_count=settings.prefetch)
        results = await channel.declare_exchange(
            settings.result_exchange, aio_pika.ExchangeType.TOPIC, durable=True
        )
        queue = await channel.get_queue(settings.event_queue)

        async def handle(message: AbstractIncomingMessage) -> None:
            async with message.process():
                event = Event.model_validate_json(message.body)
                query = event.query(settings.access_token)
                response = await api.put(event.path, params=query, json=event.body())
                response.raise_for_status()
                await results.publish(
                    aio_pika.Message(
                        result(event, response.content),
                        content_type="application/json",
                        correlation_id=event.id,
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    ),
                    event.routing_key,
                )

        await queue.consume(handle)
        await asyncio.Event().wait()


if __name__ == "__main__":
    chosen = Settings()
    run(main(chosen), chosen.loop)
