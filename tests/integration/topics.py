"""Topics that are there before the worker is, and not as it would make them."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def create(kafka: str, topic: str, partitions: int, config: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
    finally:
        await admin.close()
