"""A new installation is made from another one: with more partitions, on another cluster, or from a mirror's copy.

See docs/moving.md.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from integration.exactness import check_outputs
from integration.processes import Process, environment, worker_process
from integration.reading import read_topic
from integration.sampling import Published, published, response, workload
from integration.topics import create
from integration.writing import publish_all
from upgrade.answers import corrections
from upgrade.older import READ, Offsets

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

OLD, NEW = "moved", "arrived"
MORE_PARTITIONS = 7
#: The id of a second cluster.
OTHER_CLUSTER = "YW5vdGhlci1jbHVzdGVyMQ"
#: What docs/moving.md says to back up.
MIRRORED = ("responses", "alert-commands", "deliveries", "worker")
#: What the role process reads.
READ_BY_PROCESS = [
    *(each for each in READ if each[0] == "process"), ("process", "alert-commands"), ("process", "cases")
]  # fmt: skip


class Place:
    """An installation: its Kafka, its prefix and the environment of its workers."""

    def __init__(self, servers: str, name: str, inbox: Inbox, folder: Path, **more: str) -> None:
        folder.mkdir()
        self.servers, self.name = servers, name
        self.env = {**environment(servers, inbox, name, folder), **more}

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Return everything that a topic holds now."""
        return await read_topic(self.servers, f"{self.name}.{topic}")

    async def events(self, topic: str) -> list[Any]:
        """Return what the records of a topic say."""
        return [json.loads(record.value) for record in await self.read(topic) if record.value is not None]

    async def command(self, *arguments: str) -> None:
        """Run a command, which must succeed."""
        async with worker_process(*arguments, env=self.env) as process:
            assert await process.exited() == 0, process.lines

    @asynccontextmanager
    async def worker(self, role: str) -> AsyncIterator[Process]:
        """Run a worker. At the end, it has processed everything and is stopped."""
        async with worker_process("run", "--role", role, env=self.env) as process:
            await process.said("started: role")
            yield process
            reads = READ_BY_PROCESS if role == "process" else [*READ_BY_PROCESS, *READ]
            await Offsets(self.servers, self.name, self.name, reads).settled(process)
            while role == "all" and await self._open_mails():
                assert not process.ended, process.lines[-20:]
                await asyncio.sleep(0.1)
            assert await process.end() == 0, process.lines[-20:]

    async def alerts(self, action: str) -> set[str]:
        """Return the alerts that have had a step."""
        return {event["alert_id"] for event in await self.events("alerts") if event["action"] == action}

    async def has_escalated(self, alerts: set[str], worker: Process) -> None:
        """Wait until a worker of this place has escalated the cases of these alerts."""
        while not alerts <= await self.alerts("escalated"):
            assert not worker.ended, worker.lines[-20:]
            await asyncio.sleep(0.1)

    async def _open_mails(self) -> bool:
        last = {line["delivery_id"]: line["status"] for line in await self.events("deliveries")}
        return bool({"pending", "deferred"} & {*last.values()})


async def resolve(place: Place, alerts: list[Any]) -> None:
    """Publish the command that resolves each of these alerts."""
    async with AIOKafkaProducer(bootstrap_servers=place.servers) as producer:
        for alert in alerts:
            ids = {"command_id": f"resolve-{alert['alert_id']}", "alert_id": alert["alert_id"]}
            command = {
                **ids,
                "customer_id": alert["customer_id"],
                "action": "resolve",
                "outcome": "called_back",
                "actor": "ann",
            }
            key = alert["customer_id"].encode()
            await producer.send_and_wait(f"{place.name}.alert-commands", json.dumps(command).encode(), key=key)


def outcomes(results: list[Any]) -> dict[str, tuple[str, str | None]]:
    """Return what became of each command, and why."""
    return {result["command_id"]: (result["outcome"], result["reason"]) for result in results}


class Past(NamedTuple):
    """What an installation has done before it is moved."""

    records: list[Published]
    #: The events on its alerts topic.
    told: list[Any]


async def worked(old: Place, inbox: Inbox) -> Past:
    """Let an installation work."""
    records = workload(400, seed=33)
    async with old.worker("all"):
        await publish_all(old.servers, f"{old.name}.responses", records)
    last = {alert["alert_id"]: alert for alert in await old.events("alerts")}
    opened = [alert for alert in last.values() if alert["action"] == "opened"]
    async with old.worker("all"):
        await resolve(old, opened[:5])
    assert len(inbox.mails) > 50
    return Past(records, await old.events("alerts"))


class Mover:
    """Runs the command `copy` as docs/moving.md says: what differs between the installations is in two files."""

    def __init__(self, old: Place, new: Place, folder: Path, mirror: Place | None = None) -> None:
        self.old, self.new = old, new
        self._file = folder / "old.toml"
        self._file.write_text(_config(mirror or old))
        self.config = folder / "new.toml"
        self.config.write_text(_config(new))
        self._env = {key: value for key, value in new.env.items() if key not in _IN_FILES} | {
            "NPS_CONFIG": str(self.config)
        }

    async def copy(self, topic: str, source: Path | None = None) -> tuple[int, str]:
        """Run the command, and return its exit code and what it printed. `source`: the file, if it is another one."""
        async with worker_process("copy", "--from", str(source or self._file), topic, env=self._env) as process:
            return await process.exited(), "\n".join(process.lines)

    async def move(self) -> None:
        """Take all steps up to the start of the new workers."""
        await self._copied("responses")
        async with self.new.worker("process") as worker:
            await self.new.has_escalated(await self.old.alerts("escalated"), worker)
        await self._copied("alert-commands")
        async with self.new.worker("process"):
            pass
        await self._copied("deliveries")
        await self.new.command("rebuild", "--table", "outbox", "--mail-newer-than-days", "0")

    async def _copied(self, topic: str) -> None:
        code, said = await self.copy(topic)
        assert code == 0, said


#: What is in the files and in no variable, which would win over both.
_IN_FILES = {"NPS_TOPIC_PREFIX", "NPS_KAFKA__BOOTSTRAP_SERVERS", "NPS_KAFKA__GROUP"}


def _config(place: Place) -> str:
    connection = f'bootstrap_servers = "{place.servers}"\ngroup = "{place.name}"'
    return f'topic_prefix = "{place.name}"\n[kafka]\n{connection}\n'


async def check_arrived(old: Place, new: Place) -> None:
    """Check that an installation which was just moved stands where the old one stands, and has told nobody anything."""
    assert outcomes(await old.events("alert-command-results")) == outcomes(await new.events("alert-command-results"))
    assert counts(await latest(old, "scores")) == counts(await latest(new, "scores"))
    assert await latest(old, "recoveries") == await latest(new, "recoveries")
    for topic in ("alerts", "invitations", "deliveries"):
        assert Counter(map(identity, await old.events(topic))) == Counter(map(identity, await new.events(topic))), topic
    assert as_copied(await old.read("responses")) == Counter(map(content, await new.read("responses")))


def as_copied(records: list[ConsumerRecord]) -> Counter[tuple[Any, ...]]:
    """Return what a copy of the responses has: in place of a record that was sent on, the one that came of it."""
    found, sent_on = Counter(map(content, records)), 0
    at = {(record.partition, record.offset): record for record in records}
    for record in records:
        headers = dict(record.headers)
        if "nps-claims" in headers:
            found[content(record)] -= 1
        if "nps-origin" in headers:
            partition, offset = headers["nps-origin"].rpartition(b"@")[2].split(b":")
            found[content(at[int(partition), int(offset)])] -= 1
            sent_on += 1
    assert sent_on > 10
    return +found


def content(record: ConsumerRecord) -> tuple[Any, ...]:
    """Return what a record is, without its place and the headers of the worker."""
    headers = tuple(header for header in record.headers if not header[0].startswith("nps-origin"))
    return record.key, record.value, record.timestamp, headers


def identity(event: dict[str, Any]) -> tuple[Any, ...]:
    """Return what identifies a step of an alert, an invitation, or a line of the delivery log."""
    return tuple(event.get(key) for key in ("alert_id", "invitation_id", "delivery_id", "action", "status", "attempt"))


async def latest(place: Place, topic: str) -> dict[bytes | None, Any]:
    """Return the newest event of each key."""
    return {record.key: json.loads(record.value) for record in await place.read(topic) if record.value is not None}


def counts(scores: dict[bytes | None, Any]) -> dict[bytes | None, Any]:
    """Return what scores say that does not depend on the time at which they were computed."""
    return {path: (score["histogram"], score["windows"]["last_100"]) for path, score in scores.items()}


async def check(new: Place, inbox: Inbox, past: Past, more: list[Published]) -> None:
    """Check that the new installation has everything, exactly once, and that nobody was mailed a second time."""
    records = [*past.records, *more]
    refused = Counter(record.reason for record in records if record.reason)
    assert Counter(letter["reason"] for letter in await new.events("dead-letters")) == refused
    await check_outputs(new.read, inbox.mails, records)
    assert {alert["alert_id"] for alert in past.told} <= {alert["alert_id"] for alert in await new.events("alerts")}


async def moved(old: Place, new: Place, inbox: Inbox, past: Past, mover: Mover) -> None:
    """Move an installation that has worked, and let the new one go on."""
    sent = len(inbox.mails)
    await mover.move()
    await check_arrived(old, new)
    assert len(inbox.mails) == sent, "nobody is mailed while the installation is moved"

    more = [*corrections(past.records, 40), *workload(520, seed=33)[400:]]
    async with new.worker("all"):
        await publish_all(new.servers, f"{new.name}.responses", more)
    assert len(inbox.mails) > sent
    await check(new, inbox, past, more)


async def is_refused(mover: Mover) -> None:
    """Check that nothing is copied over what there is, to running workers, or to where it comes from."""
    code, said = await mover.copy("responses")
    assert (code, "has records in" in said) == (1, True), said
    code, said = await mover.copy("responses", mover.config)
    assert (code, "the same topic_prefix" in said) == (2, True), said
    async with mover.new.worker("process"):
        code, said = await mover.copy("deliveries")
    assert (code, "stop them first" in said) == (1, True), said


@pytest.mark.thorough
async def test_more_partitions(tmp_path: Path, kafka: EmbeddedKafka, inbox: Inbox) -> None:
    servers = kafka.bootstrap_servers
    old = Place(servers, OLD, inbox, tmp_path / "old", NPS_KAFKA__PARTITIONS="3")
    new = Place(servers, NEW, inbox, tmp_path / "new", NPS_KAFKA__PARTITIONS=str(MORE_PARTITIONS))
    mover = Mover(old, new, tmp_path)
    await moved(old, new, inbox, await worked(old, inbox), mover)
    assert {record.partition for record in await new.read("responses")} == {*range(MORE_PARTITIONS)}
    await is_refused(mover)


@pytest.mark.thorough
async def test_another_cluster(tmp_path: Path, kafka: EmbeddedKafka, inbox: Inbox) -> None:
    """The topics and groups keep their names."""
    old = Place(kafka.bootstrap_servers, "same", inbox, tmp_path / "old")
    past = await worked(old, inbox)
    async with EmbeddedKafka(cluster_id=OTHER_CLUSTER) as other:
        new = Place(other.bootstrap_servers, "same", inbox, tmp_path / "new")
        await moved(old, new, inbox, past, Mover(old, new, tmp_path))


@pytest.mark.thorough
async def test_restore_from_a_mirror(tmp_path: Path, kafka: EmbeddedKafka, inbox: Inbox) -> None:
    """The mirror is on the cluster of the new installation, and begins the names of its topics with a prefix."""
    old = Place(kafka.bootstrap_servers, "lost", inbox, tmp_path / "old")
    past = await worked(old, inbox)
    async with EmbeddedKafka(cluster_id=OTHER_CLUSTER) as other:
        mirror = Place(other.bootstrap_servers, "mirror.lost", inbox, tmp_path / "mirror")
        for topic in MIRRORED:
            await mirrored(old, mirror, topic)
        new = Place(other.bootstrap_servers, "lost", inbox, tmp_path / "new")
        await moved(old, new, inbox, past, Mover(old, new, tmp_path, mirror))


async def mirrored(old: Place, mirror: Place, topic: str) -> None:
    """Copy a topic as MirrorMaker 2 does: records keep partition, key, headers and time, but not their offsets."""
    records = await old.read(topic)
    partitions = 1 + max(record.partition for record in records)
    name = f"{mirror.name}.{topic}"
    await create(mirror.servers, name, partitions, {"message.timestamp.type": "CreateTime"})
    async with AIOKafkaProducer(bootstrap_servers=mirror.servers) as producer:
        for record in records:
            await producer.send(name, record.value, record.key, record.partition, record.timestamp, [*record.headers])


#: Somebody has to acknowledge each case within six seconds.
SERVICE_LEVEL = {
    "NPS_SERVICE_LEVELS__FAST__ACKNOWLEDGE_WITHIN_MINUTES": "0.1",
    "NPS_SERVICE_LEVELS__FAST__ESCALATION": '[{"receivers": ["lead"]}]',
    "NPS_RECEIVERS__SUPPORT__EMAIL": '["support@example.com"]',
    "NPS_RECEIVERS__LEAD__EMAIL": '["lead@example.com"]',
    "NPS_ROUTE__RECEIVERS": '["support"]',
    "NPS_ROUTE__SERVICE_LEVEL": "fast",
}


@pytest.mark.thorough
async def test_nobody_is_asked_again_about_a_case_that_was_escalated(
    tmp_path: Path, kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    old = Place(kafka.bootstrap_servers, "asked", inbox, tmp_path / "old", **SERVICE_LEVEL)
    new = Place(kafka.bootstrap_servers, "asking", inbox, tmp_path / "new", **SERVICE_LEVEL)
    for place in (old, new):
        del place.env["NPS_EMAIL__TO"]
    async with old.worker("all"):
        await publish_all(old.servers, f"{old.name}.responses", workload(100, seed=33))
    async with old.worker("all") as worker:
        await old.has_escalated(await old.alerts("opened") - await old.alerts("withdrawn"), worker)
    sent = len(inbox.mails)

    await Mover(old, new, tmp_path).move()
    assert len(inbox.mails) == sent
    rng = random.Random(5)
    more = [published(response(1_000 + number, rng, score=1), rng) for number in range(5)]
    async with new.worker("all"):
        await publish_all(new.servers, f"{new.name}.responses", more)

    told = await old.alerts("opened")
    later = [str(mail.message["X-NPS-Alert-Id"]) for mail in inbox.mails[sent:]]
    assert len(set(later)) == len(more)
    assert told.isdisjoint(later)
    assert ("lead@example.com",) in {mail.recipients for mail in inbox.mails[:sent]}
