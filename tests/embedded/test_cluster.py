"""Several brokers as one: what has copies outlives the loss of one of them."""

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from embedded.cluster import EmbeddedCluster


@pytest.mark.thorough
async def test_what_two_brokers_have_outlives_the_third() -> None:
    async with EmbeddedCluster() as cluster:
        admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic("t", 1, 3, topic_configs={"min.insync.replicas": "2"})])
        finally:
            await admin.close()
        async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap_servers, acks="all") as producer:
            await producer.send_and_wait("t", b"before")
            await cluster.brokers[2].kill()
            await producer.send_and_wait("t", b"after")
        consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap_servers)
        await consumer.start()
        try:
            consumer.assign([TopicPartition("t", 0)])
            await consumer.seek_to_beginning()
            assert [(await consumer.getone()).value for _ in range(2)] == [b"before", b"after"]
        finally:
            await consumer.stop()
