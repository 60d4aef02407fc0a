"""What a publisher writes to a topic."""

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from integration.sampling import Published


async def publish_all(bootstrap: str, name: str, records: Iterable[Published], **options: Any) -> None:
    """Publish records in order, and return once Kafka has acknowledged all; `options`: of the producer."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=5, **options)
    await producer.start()
    try:
        for record in records:
            await producer.send(name, record.value, key=record.key, headers=record.headers)
    finally:
        await producer.stop()
