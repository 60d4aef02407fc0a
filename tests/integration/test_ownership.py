"""Two consumer groups on one topic prefix: the second is refused, until it takes over."""

import asyncio
import json
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from integration.conftest import make_settings
from integration.processes import environment, worker_process
from integration.reading import read_topic

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.kafka import topics
from worker.settings import KafkaSettings


async def test_another_group_is_refused_until_it_takes_over(kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path) -> None:
    first = environment(kafka.bootstrap_servers, inbox, "owned", tmp_path)
    other = {**first, "NPS_KAFKA__GROUP": "other"}
    async with worker_process("run", env=first) as process:
        await process.said("started")
        async with worker_process("publish", "--sample", "1", env=first) as publishing:
            assert await publishing.exited() == 0
        await inbox.wait_for(1)
        async with worker_process("run", env=other) as refused:
            assert await refused.exited() == 1
        async with worker_process("take-over", env=other) as early:
            assert await early.exited() == 1
        assert await process.end() == 0
    [line] = refused.lines
    assert "the topics owned.* belong to the group owned, and kafka.group is other" in line
    assert "python -m worker take-over" in line
    assert "workers are still running in owned-process and owned-notify" in "".join(early.lines)
    async with worker_process("take-over", env=other, fresh=True) as taking:
        assert await taking.exited() == 0
    assert taking.lines == [
        "other owns owned.* now; owned did before. Before you start a worker, run: python -m worker rebuild --all"
    ]
    async with worker_process("run", env=other) as early:
        assert await early.exited() == 1
    assert "python -m worker rebuild" in early.lines[-1]
    async with worker_process("rebuild", "--all", env=other) as rebuilding:
        assert await rebuilding.exited() == 0, rebuilding.lines
    async with worker_process("run", env=other) as process:
        await process.said("started")
        async with worker_process("publish", "--sample", "2", env=other) as publishing:
            assert await publishing.exited() == 0
        await inbox.wait_for(2)
        assert await process.end() == 0
    accepted = [json.loads(r.value)["outcome"] for r in await read_topic(kafka.bootstrap_servers, "owned.decisions")]
    assert (accepted, len(inbox.mails)) == (["accepted"] * 2, 2), "nothing is decided or mailed twice"
    async with worker_process("run", env=first) as refused:
        assert await refused.exited() == 1
    assert "belong to the group other, and kafka.group is owned" in refused.lines[0]


async def test_two_that_start_at_once_agree_and_a_restart_finds_the_same_secret(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="at-once")
    settings = make_settings(kafka, inbox, topic_prefix="at-once", kafka=own)
    found = await asyncio.gather(topics.ensure(settings), topics.ensure(settings))
    again = await topics.ensure(settings)
    assert {one.secret for one in found} == {again.secret}
    assert len(again.secret) == 32
    assert again.secret != topics.KafkaInfo("cluster", 1).secret


async def test_a_group_that_reads_other_topics_is_refused_and_its_worker_is_left_alone(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    first = environment(kafka.bootstrap_servers, inbox, "its-own", tmp_path)
    other = {**first, "NPS_TOPIC_PREFIX": "another"}
    async with worker_process("run", env=first) as process:
        await process.said("started")
        async with worker_process("publish", "--sample", "1", env=first) as publishing:
            assert await publishing.exited() == 0
        await inbox.wait_for(1)
        assert await process.end() == 0
    async with worker_process("run", env=first) as process:
        await process.said("started")
        async with worker_process("run", env=other) as refused:
            assert await refused.exited() == 1
        async with worker_process("check-config", "--connect", env=other) as checked:
            assert await checked.exited() == 1
        assert not process.ended
        assert await process.end() == 0
    for lines in (refused.lines, checked.lines):
        assert any("has read its-own." in line and "Choose another kafka.group for another.*" in line for line in lines)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        assert not [topic for topic in await admin.list_topics() if topic.startswith("another.")]
    finally:
        await admin.close()
