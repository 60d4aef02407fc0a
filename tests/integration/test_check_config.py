"""`check-config` tries what the worker will need, on a real Kafka and a real inbox, and creates nothing."""

from pathlib import Path

from integration.conftest import make_settings
from integration.processes import environment, worker_process
from integration.reading import read_topic

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.kafka import topics
from worker.settings import KafkaSettings


async def test_what_works_is_said_and_nothing_is_created(kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path) -> None:
    env = environment(kafka.bootstrap_servers, inbox, "checked-config", tmp_path)
    for _ in range(2):
        async with worker_process("check-config", "--connect", env=env) as process:
            assert await process.exited() == 0
        assert any(
            line.startswith("kafka    ok: it lets the worker in; the worker will create ") for line in process.lines
        )
        assert process.lines[-1] == "mail     ok: the server answers"
    assert inbox.accepted == 0


async def test_a_test_mail_arrives(kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path) -> None:
    env = environment(kafka.bootstrap_servers, inbox, "checked-mail", tmp_path)
    async with worker_process("check-config", "--send-test-mail", "me@example.org", env=env) as process:
        assert await process.exited() == 0

    assert process.lines[-1] == "mail     ok: the server has accepted a test mail to me@example.org"
    assert [mail.message["To"] for mail in inbox.mails] == ["me@example.org"]


async def test_topics_that_fit_and_a_prefix_of_another_group_are_told_apart(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="checked-topics")
    settings = make_settings(kafka, inbox, topic_prefix="checked-topics", kafka=own)
    await topics.ensure(settings)
    env = environment(kafka.bootstrap_servers, inbox, settings.topic_prefix, tmp_path)
    async with worker_process("check-config", "--connect", env=env) as process:
        assert await process.exited() == 0
    assert "kafka    ok: it lets the worker in; all topics exist and are configured correctly" in process.lines

    async with worker_process("check-config", "--connect", env=env | {"NPS_KAFKA__GROUP": "another"}) as process:
        assert await process.exited() == 1
    assert any(f"belong to the group {settings.kafka.group}" in line for line in process.lines)
    claims = await read_topic(kafka.bootstrap_servers, topics.ownership_topic(settings))
    assert len(claims) == 1
