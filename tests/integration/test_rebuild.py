"""Each table's changelog is deleted in turn, and the table made again: as if nothing had happened."""

import asyncio
import json
import signal
from collections import Counter
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from integration.conftest import Bench, StartBench
from integration.processes import environment, worker_process
from integration.reading import read_topic
from integration.recount import Recount
from integration.sampling import Published, workload
from msgspec.structs import replace

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.errors import StateLost, StillRunning
from worker.flow.incidents.road import CLOCK_KEY
from worker.flow.messages import tick
from worker.flow.segments.road import CLOCK
from worker.kafka import reading
from worker.kafka.topics import changelog_name
from worker.notify import mailbox
from worker.notify.mailbox import Mail
from worker.rebuild.command import rebuild
from worker.settings import KafkaSettings, Settings
from worker.streams.shell import Shell

ROLES = {"contacts": "process", "segments": "process", "watches": "process", "outbox": "notify"}
#: No mail that was not sent is too old.
_ALL_MAIL = 10_000.0


async def delete(kafka: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():  # noqa: ASYNC110 - Kafka raises no event
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def publish(bench: Bench, records: list[Published]) -> None:
    for record in records:
        await bench.producer.send(
            f"{bench.settings.topic_prefix}.responses", record.value, key=record.key, headers=record.headers
        )
    await bench.producer.flush()
    await bench.settle()


def recounted(records: list[Published]) -> Recount:
    recount = Recount()
    for record in records:
        if record.event is not None:
            recount.take(record.event)
    return recount


def message_ids(bench: Bench) -> set[str]:
    """Return the ids of the mails; a mail that came twice has one id."""
    return {str(mail.message["Message-ID"]) for mail in bench.inbox.mails}


async def check(bench: Bench, recount: Recount) -> None:
    """Compare what receivers have with a recount of the raw input."""
    steps = [json.loads(r.value) for r in await bench.read("alerts")]
    invitations = [json.loads(r.value) for r in await bench.read("invitations")]
    decisions = [json.loads(r.value) for r in await bench.read("decisions")]
    scores = {r.key.decode(): json.loads(r.value) for r in await bench.read("scores")}
    alerts = [step for step in steps if step["kind"] == "detractor"]

    assert {alert["response_id"] for alert in alerts} == recount.alerts
    assert {i["customer_id"]: i["response_id"] for i in invitations} == recount.invited
    assert len(invitations) == len(recount.invited)
    assert len(decisions) == len({decision["decision_id"] for decision in decisions})
    outcomes = Counter(decision["outcome"] for decision in decisions)
    assert outcomes["duplicate"] + outcomes["superseded"] == recount.duplicates
    expected = recount.windows({path: datetime.fromisoformat(s["as_of"]).timestamp() for path, s in scores.items()})
    assert scores.keys() == expected.keys()
    for path, windows in expected.items():
        for name, counts in windows.items():
            found = scores[path]["windows"][name]
            assert {key: found[key] for key in counts} == counts, (path, name)
    opened = {step["alert_id"] for step in steps if step["action"] == "opened"}
    ended = {step["alert_id"] for step in steps if step["action"] in {"withdrawn", "resolved"}}
    mailed = {str(mail.message["X-NPS-Alert-Id"]) for mail in bench.inbox.mails}
    assert opened - ended <= mailed <= opened
    assert len(message_ids(bench)) == len(bench.inbox.mails)


async def end_of(starting: AbstractAsyncContextManager[Bench]) -> None:
    """Start a worker and wait until it stops by itself."""
    async with starting as running:
        await running.worker.failure()


def mails(outbox: dict[bytes, bytes]) -> dict[bytes, list[Mail]]:
    """Return the mails of each row; settled and open ones have no order between them.

    Which revision a mail was merged with last, the delivery log does not say.
    """
    boxes = {key: mailbox.decode(row).mails for key, row in outbox.items() if b"\x00" not in key}
    return {
        key: sorted((replace(mail, revision=0) for mail in mails), key=lambda mail: mail.delivery_id)
        for key, mails in boxes.items()
    }


def counted(rows: dict[bytes, bytes]) -> set[bytes]:
    """Return the keys of rows that come of answers."""
    return rows.keys() - {CLOCK, CLOCK_KEY}


async def ticks(settings: Settings) -> Counter[int]:
    """Return how many ticks each partition of segments has had."""
    tallies = await read_topic(settings.kafka.bootstrap_servers, f"{settings.topic_prefix}.tallies")
    return Counter(record.partition for record in tallies if record.key == tick.KEY)


async def ticked(bench: Bench, before: Counter[int]) -> None:
    """Wait until this worker has written its first ticks, and they have had all their effects.

    `before`: the ticks before it started. A tick reports the hours of all segments, and then forgets the segments whose
    answers are as old as those of this test. So rows that are read in between say nothing.
    """
    partitions = range(bench.worker.of(Shell)["process"].partitions)
    had = before
    while any(had[n] <= before[n] for n in partitions):
        had = await ticks(bench.settings)
    await bench.settle()


def named(kafka: EmbeddedKafka, name: str) -> dict[str, Any]:
    return {
        "topic_prefix": name,
        "kafka": KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=f"{name}-worker"),
    }


def changelog(settings: Settings, table: str) -> str:
    return changelog_name(settings.kafka.group, ROLES[table], table)


@pytest.mark.parametrize(
    "table",
    ["segments", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("contacts", "watches", "outbox"))],
)
async def test_a_table_whose_changelog_was_deleted_is_made_again_as_if_nothing_had_happened(
    bench: StartBench, kafka: EmbeddedKafka, table: str
) -> None:
    records = workload(600, seed=17)
    first, second = records[:400], records[400:]
    options = named(kafka, f"rebuild-{table}")
    async with bench(**options) as running:
        await publish(running, first)
        await ticked(running, Counter())
        await check(running, recounted(first))
        settings, before = running.settings, {name: running.rows(name) for name in ROLES}
        sent = message_ids(running)
        published = {topic: len(await running.read(topic)) for topic in ("alerts", "invitations", "decisions")}
    await delete(kafka.bootstrap_servers, changelog(settings, table))
    with pytest.raises(StateLost, match=rf"python -m worker rebuild --table {table}$"):
        await end_of(bench(**options))

    said: list[str] = []
    done = await rebuild(settings, [], _ALL_MAIL, said.append)
    assert done == f"rebuild of {table} is complete; the workers can be started"
    assert any("100 %" in line for line in said)
    assert await rebuild(settings, [], _ALL_MAIL, said.append) == (
        "no table was lost; --table names a table to rebuild, and --all means all of them"
    )
    ticks_before = await ticks(settings)
    async with bench(**options) as running:
        await ticked(running, ticks_before)
        await check(running, recounted(first))
        assert message_ids(running) == sent
        assert published == {topic: len(await running.read(topic)) for topic in published}
        after = {name: running.rows(name) for name in ROLES}
        assert after["contacts"] == before["contacts"]
        assert after["outbox"].keys() == before["outbox"].keys()
        assert mails(after["outbox"]) == mails(before["outbox"])
        assert counted(after["segments"]) == counted(before["segments"])
        assert counted(after["watches"]) == counted(before["watches"])
        await publish(running, second)
        await check(running, recounted(records))


async def cut(kafka: str, topic: str) -> None:
    """Delete the first half of each partition, as a changelog loses it that was not configured to be compacted."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        async with reading.reader(KafkaSettings(bootstrap_servers=kafka)) as reader:
            ends = await reader.ends(topic, await reader.partitions(topic))
        policy = {"cleanup.policy": "delete"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, policy)])
        halves = {TopicPartition(topic, n): RecordsToDelete(end // 2) for n, end in ends.items()}
        await admin.delete_records(halves)
        policy = {"cleanup.policy": "compact", "min.compaction.lag.ms": "3600000", "max.compaction.lag.ms": "604800000"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, policy)])
    finally:
        await admin.close()


@pytest.mark.thorough
async def test_a_table_whose_changelog_lost_its_first_records_is_found_and_made_again(
    bench: StartBench, kafka: EmbeddedKafka
) -> None:
    records = workload(300, seed=19)
    options = named(kafka, "rebuild-cut")
    async with bench(**options) as running:
        await publish(running, records[:200])
        settings, before = running.settings, running.rows("contacts")
    await cut(kafka.bootstrap_servers, changelog(settings, "contacts"))
    with pytest.raises(StateLost, match=r"were deleted, so rows are missing\. .* rebuild --table contacts$"):
        await end_of(bench(**options))

    done = await rebuild(settings, [], _ALL_MAIL, print)
    assert done == "rebuild of contacts is complete; the workers can be started"
    async with bench(**options) as running:
        await running.settle()
        assert running.rows("contacts") == before
        await publish(running, records[200:])
        await check(running, recounted(records))


@pytest.mark.thorough
async def test_all_tables_are_made_again_though_a_rebuild_was_killed_half_way(
    bench: StartBench, kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    records = workload(900, seed=23)
    first, second = records[:600], records[600:]
    options = named(kafka, "rebuild-killed")
    async with bench(**options) as running:
        await publish(running, first)
        settings, sent = running.settings, message_ids(running)
    for table in ROLES:
        await delete(kafka.bootstrap_servers, changelog(settings, table))
    env = environment(kafka.bootstrap_servers, inbox, "rebuild-killed", tmp_path)
    env["NPS_KAFKA__GROUP"] = settings.kafka.group
    async with worker_process("rebuild", env=env, fresh=True) as half:
        await half.said("rebuild of contacts, segments, watches, outbox has begun")
        await half.end(signal.SIGKILL)
    async with worker_process("run", env=env) as refused:
        assert await refused.exited() == 1
        assert any("a rebuild has begun and is not finished" in line for line in refused.lines)
    async with worker_process("rebuild", "--mail-newer-than-days", "10000", env=env) as again:
        assert await again.exited() == 0
    assert "rebuild of contacts, segments, watches, outbox is complete; the workers can be started" in again.lines

    async with bench(**options) as running:
        await running.settle()
        await check(running, recounted(first))
        assert message_ids(running) == sent
        await publish(running, second)
        await check(running, recounted(records))


async def test_a_rebuild_is_refused_while_a_worker_runs(bench: StartBench, kafka: EmbeddedKafka) -> None:
    options = named(kafka, "rebuild-refused")
    options["kafka"] = options["kafka"].model_copy(update={"session_timeout_seconds": 6.0})
    said: list[str] = []
    async with bench(**options) as running:
        with pytest.raises(StillRunning, match="workers are still running in rebuild-refused-worker-process"):
            await rebuild(running.settings, ["contacts"], _ALL_MAIL, said.append)
        topic = changelog(running.settings, "contacts")
        assert not any(
            b"rebuild" in (record.value or b"") for record in await read_topic(kafka.bootstrap_servers, topic)
        )
    assert said == [
        "workers are still running in rebuild-refused-worker-process; the rebuild waits until they have left"
    ]
