"""How the samples reach the worker: as deliveries of survey tools to the role receive, or as records on Kafka.

They arrive one after the other in the order of the samples, whichever way each of them goes: of two answers of a
customer, the second one may be decided only after the first one.
"""

from collections.abc import AsyncIterator

from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer

from worker.cancelling import finish
from worker.demo.tools import Delivery, Tools
from worker.errors import Unreachable
from worker.kafka.connection import client_options
from worker.kafka.publishing import customer_key
from worker.settings import KafkaSettings


async def bring(
    samples: AsyncIterator[bytes],
    tools: Tools,
    address: str,
    kafka: KafkaSettings,
    topic: str,
) -> None:
    """Deliver or publish samples, each once the one before is acknowledged.

    `address`: the beginning of the addresses of the role receive. If this is cancelled, the sample in hand still
    arrives. Raise Unreachable if a delivery is not acknowledged, and KafkaError if Kafka fails.
    """
    producer = AIOKafkaProducer(**client_options(kafka), acks="all", enable_idempotence=True)
    async with producer, ClientSession() as client:
        async for value in samples:
            delivery = tools.delivery(value)
            if delivery is None:
                await finish(_publish(producer, topic, value))
            else:
                await finish(_deliver(client, address, delivery))


async def _publish(producer: AIOKafkaProducer, topic: str, value: bytes) -> None:
    await producer.send_and_wait(topic, value, key=customer_key(value))


async def _deliver(client: ClientSession, address: str, delivery: Delivery) -> None:
    url = f"{address}{delivery.path}"
    async with client.post(url, data=delivery.body, headers=delivery.headers) as answer:
        if answer.status != 200:
            raise Unreachable(f"the role receive answered {answer.status} to a delivery of the demo")
