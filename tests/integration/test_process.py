"""The worker as a process: how it starts, waits, reports, stops and refuses."""

import json
import re
import signal
import socket
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from integration.processes import DEAF, environment, start_worker, worker_process
from integration.reading import read_topic
from integration.topics import create

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

CANARY = "canary-4417"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def test_two_roles_as_two_processes_do_the_whole_job(kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path) -> None:
    event = {
        "survey_id": "s",
        "comment": f"comment {CANARY}",
        "responded_at": "2025-06-01T10:00:00Z",
        "customer": {"name": f"name {CANARY}", "email": f"{CANARY}@example.com"},
    }
    file = tmp_path / "responses.jsonl"
    answers = [{**event, "response_id": f"r-{n}", "customer_id": f"c-{n}", "score": n % 11} for n in range(110)]
    file.write_text("\n".join(map(json.dumps, answers)) + f'\n{{"response_id": "{CANARY}"')
    env = environment(kafka.bootstrap_servers, inbox, "two-roles", tmp_path)
    notify_env = {**env, "NPS_STATUS_FILE": str(tmp_path / "status-notify")}
    async with (
        worker_process("run", "--role", "process", env=env) as deciding,
        worker_process("run", "--role", "notify", env=notify_env) as mailing,
    ):
        await deciding.said("started")
        await mailing.said("started")
        publishing = await start_worker("publish", str(file), env=env, fresh=True)
        assert await publishing.exited() == 0
        await inbox.wait_for(70)
        healthy = await start_worker("health", "--role", "process", env=env, fresh=True)
        assert await healthy.exited() == 0
        shown = ""
        while " 110" not in shown:  # the scores follow within a second or two
            showing = await start_worker("scores", "--window", "all", env=env)
            assert await showing.exited() in {0, 1}  # 1 as long as there are none
            shown = "\n".join(showing.lines)
        assert re.search(r"^all .* -45 +-\d+ to -\d+ +110$", shown, re.MULTILINE), shown
        assert await showing.exited() == 0
        missing = await start_worker("scores", "fr/shop", env=env, fresh=True)
        assert await missing.exited() == 1
        assert await deciding.end() == 0
        assert await mailing.end() == 0
        logged = [json.loads(line) for line in deciding.lines + mailing.lines]
        assert {"level", "message"} <= logged[0].keys()
        assert CANARY not in "\n".join(deciding.lines + mailing.lines)
    dead = await start_worker("health", "--role", "process", env=env)
    assert await dead.exited() == 1
    letters = [json.loads(r.value) for r in await read_topic(kafka.bootstrap_servers, "two-roles.dead-letters")]
    assert [CANARY in letter["detail"] + letter["reason"] for letter in letters] == [False]


async def test_a_kafka_that_is_not_there_is_said_and_waited_for(inbox: Inbox, tmp_path: Path) -> None:
    env = {"NPS_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}", "NPS_STATUS_FILE": str(tmp_path / "s")}
    async with worker_process("run", env=env) as process:
        await process.said("not reachable (kafka.bootstrap_servers); trying again in 1 s")
        await process.said("not reachable (kafka.bootstrap_servers); trying again in 2 s")
        assert await process.end() == 0
    assert "Traceback" not in "\n".join(process.lines)
    assert len(process.lines) <= 6, process.lines


async def test_a_kafka_that_comes_later_is_found(inbox: Inbox, tmp_path: Path) -> None:
    late = EmbeddedKafka(port=free_port())
    env = {
        "NPS_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{late.port}",
        "NPS_SMTP__TLS": "none",
        "NPS_STATUS_FILE": str(tmp_path / "s"),
    }
    async with worker_process("run", env=env) as process:
        await process.said("not reachable")
        async with late:
            await process.said("started")
            assert await process.end() == 0


async def test_topics_with_differing_partitions_are_refused_with_what_to_do(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic("unfit.responses", 3, 1), NewTopic("unfit.alerts", 2, 1)])
    finally:
        await admin.close()
    async with worker_process("run", env=environment(kafka.bootstrap_servers, inbox, "unfit", tmp_path)) as process:
        assert await process.exited() == 1
    assert len(process.lines) == 1, process.lines
    assert "unfit.responses has 3 partitions, but unfit.alerts has 2" in process.lines[0]
    assert "Delete the topics that differ, which loses what they hold, and create them" in process.lines[0]


async def test_topics_whose_configuration_would_lose_something_are_refused_with_what_it_should_be(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    changelog = "lossy-process-contacts-changelog"
    await create(kafka.bootstrap_servers, changelog, 4, {"cleanup.policy": "delete", "retention.ms": "3600000"})
    await create(kafka.bootstrap_servers, "lossy.responses", 4, {"max.message.bytes": "100000"})
    async with worker_process("run", env=environment(kafka.bootstrap_servers, inbox, "lossy", tmp_path)) as process:
        assert await process.exited() == 2
    [line] = process.lines
    assert f"{changelog}: cleanup.policy is delete, and must be compact" in line
    assert f"{changelog}: min.compaction.lag.ms is 0, and must be at least 3600000" in line
    assert "lossy.responses: max.message.bytes is 100000, and must be at least 1048588" in line
    assert "lossy.responses: message.timestamp.type is CreateTime, and must be LogAppendTime" in line


async def test_tallies_that_an_older_version_made_are_no_reason_to_stop(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    week = {"retention.ms": "604800000", "message.timestamp.type": "LogAppendTime"}
    await create(kafka.bootstrap_servers, "older.tallies", 4, week)
    async with worker_process("run", env=environment(kafka.bootstrap_servers, inbox, "older", tmp_path)) as process:
        await process.said("started")
        assert await process.end() == 0
    assert (
        process.count(
            "older.tallies: retention.ms is 604800000: records that wait longer than this to be processed are lost"
        )
        == 1
    )


@pytest.mark.parametrize("role", ["process", "notify"])
async def test_sigint_stops_as_cleanly_as_sigterm(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path, role: str
) -> None:
    env = environment(kafka.bootstrap_servers, inbox, f"sigint-{role}", tmp_path)
    # As one in the background: there a shell has SIGINT ignored.
    async with worker_process("run", "--role", role, env=env, within=DEAF) as process:
        await process.said("started")
        assert await process.end(signal.SIGINT) == 0
        assert "all batches are finished, and their offsets are committed" in process.lines[-1]


async def test_wrong_settings_are_one_line_each_and_exit_2() -> None:
    env = {"NPS_KAFKA__BOOTSTRAP_SERVERS": "nowhere", "NPS_SMTP__PORT": "many", "NPS_TYPO": "1"}
    async with worker_process("run", env=env) as process:
        assert await process.exited() == 2
    keys = [line.split(":")[0] for line in process.lines]
    assert keys == ["NPS_TYPO", "kafka.bootstrap_servers", "smtp.port"]
