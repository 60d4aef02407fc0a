"""Publishes one response, keyed by its customer: python examples/producer.py [HOST:PORT [TOPIC]]."""

import asyncio
import json
import sys
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer


async def publish(servers: str = "localhost:9092", topic: str = "nps.responses") -> None:
    """Publish a detractor's response, and return once Kafka has acknowledged it."""
    response = {"response_id": "r-1", "survey_id": "after-delivery", "customer_id": "c-1", "score": 2}
    response["responded_at"] = datetime.now(UTC).isoformat()  # a response needs these five fields and no others
    async with AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, json.dumps(response).encode(), key=b"c-1")


asyncio.run(publish(*sys.argv[1:]))
