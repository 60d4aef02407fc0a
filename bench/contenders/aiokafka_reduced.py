"""The peers' job as a bare aiokafka loop, without durable state: what is left when nothing is promised."""

import asyncio
from collections import deque

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.contenders.task import Meter, Task, given
from schemas.response import Response

_encode = msgspec.json.Encoder().encode
_validate = Response.__pydantic_validator__.validate_json


async def main(task: Task) -> None:
    """Run until every response is counted."""
    consumer = AIOKafkaConsumer(
        task.topic,
        bootstrap_servers=task.kafka,
        group_id=task.name,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 << 20,
    )
    producer = AIOKafkaProducer(bootstrap_servers=task.kafka, linger_ms=20, max_batch_size=262_144)
    meter, seen = Meter(), 0
    last: dict[str, deque[int]] = {}
    async with consumer, producer:
        while seen < task.events:
            fetched = await consumer.getmany(timeout_ms=500, max_records=2_000)
            if fetched:
                meter.begin()
            sending = []
            for records in fetched.values():
                seen += len(records)
                for record in records:
                    response = _validate(record.value)
                    segment = "/".join(response.segment)
                    last.setdefault(segment, deque(maxlen=100)).append(response.score)
                    if response.score <= 6:
                        alert = _encode({"id": response.response_id, "segment": response.segment})
                        sending.append(await producer.send(f"{task.name}.alerts", alert, key=segment.encode()))
            await asyncio.gather(*sending)
            if fetched:
                await consumer.commit()
        meter.end(seen)


if __name__ == "__main__":
    asyncio.run(main(given()))
