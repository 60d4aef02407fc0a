"""What a receiver of a topic reads."""

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

LARGEST = 20 * 1024 * 1024


async def read_topic(bootstrap: str, name: str) -> list[ConsumerRecord[bytes, bytes]]:
    """Return everything a topic holds now, in order within each partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", max_partition_fetch_bytes=LARGEST
    )
    await consumer.start()
    try:
        await consumer._client._wait_on_metadata(name)
        places = [TopicPartition(name, partition) for partition in consumer.partitions_for_topic(name) or ()]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: list[ConsumerRecord[bytes, bytes]] = []
        for place in places:
            while await consumer.position(place) < ends[place]:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    found += records
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()
