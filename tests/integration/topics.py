"""What tests do with topics beside the worker: make them as it would not, and delete them."""

from collections.abc import Collection

from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def create(kafka: str, topic: str, partitions: int, config: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
    finally:
        await admin.close()


async def names(kafka: str) -> set[str]:
    """Return the names of all topics, without Kafka's own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        return {name for name in await admin.list_topics() if not name.startswith("__")}
    finally:
        await admin.close()


async def remove(kafka: str, topics: Collection[str]) -> None:
    """Delete topics that nobody needs any more.

    A client asks for all topics when it starts, and a worker has many clients. With the topics of a hundred tests, the
    start of a worker takes five times as much CPU time.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics(sorted(topics))
    finally:
        await admin.close()
