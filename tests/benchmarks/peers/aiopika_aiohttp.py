"""aio-pika and aiohttp's client."""

import asyncio

import aio_pika
import aiohttp
from aio_pika.abc import AbstractIncomingMessage

from tests.benchmarks.peers.contract import Event, Settings, result, run


async def main(settings: Settings) -> None:
    """Work until the process is ended."""
    connection = await aio_pika.connect_robust(settings.amqp_url)
    async with (
        connection,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.connections),
            timeout=aiohttp.ClientTimeout(total=settings.timeout),
            raise_for_status=True,
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
                async with api.put(
                    settings.api_url + event.path,
                    params=event.query(settings.access_token),
                    json=event.body(),
                ) as response:
                    answer = await response.read()
                await results.publish(
                    aio_pika.Message(
                        result(event, answer),
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
