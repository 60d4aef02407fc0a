"""A Kafka that creates the topics that clients ask for, as it does by default: the worker has it create none."""

from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from integration.processes import environment, worker_process

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka


async def test_a_topic_that_is_deleted_under_a_worker_stays_deleted(inbox: Inbox, tmp_path: Path) -> None:
    """With one partition and Kafka's own configuration it would be of no use, and in the way of the right one."""
    async with EmbeddedKafka(creates_topics=True) as kafka:
        env = environment(kafka.bootstrap_servers, inbox, "missing", tmp_path)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
        await admin.start()
        try:
            async with worker_process("run", env=env) as process:
                await process.said("started")
                there = await admin.list_topics()
                deleted = [t for t in there if t.endswith((".responses", ".alerts", "-contacts-changelog"))]
                await admin.delete_topics(deleted)
                assert await process.exited() == 1
            assert (len(deleted), sorted(set(there) - set(deleted))) == (3, sorted(await admin.list_topics()))
        finally:
            await admin.close()
