"""A new installation with more partitions is made from another one. See docs/moving.md."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from integration.exactness import check_outputs
from integration.processes import environment, worker_process
from integration.reading import read_topic
from integration.sampling import Published, workload
from integration.writing import publish_all
from upgrade.answers import corrections
from upgrade.older import READ, Offsets

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

OLD, NEW = "moved", "arrived"
MORE_PARTITIONS = 7
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
    async def worker(self, role: str) -> AsyncIterator[None]:
        """Run a worker. At the end, it has processed everything and is stopped."""
        async with worker_process("run", "--role", role, env=self.env) as process:
            await process.said("started: role")
            yield
            reads = READ_BY_PROCESS if role == "process" else [*READ_BY_PROCESS, *READ]
            await Offsets(self.servers, self.name, self.name, reads).settled(process)
            while role == "all" and await self._open_mails():
                assert not process.ended, process.lines[-20:]
                await asyncio.sleep(0.1)
            assert await process.end() == 0, process.lines[-20:]

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


class Mover:
    """Runs the command `copy` as docs/moving.md says: what differs between the installations is in two files."""

    def __init__(self, old: Place, new: Place, folder: Path) -> None:
        self.old, self.new = old, new
        self._file = folder / "old.toml"
        self._file.write_text(_config(old))
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
        async with self.new.worker("process"):
            pass
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


async def check(old: Place, new: Place, inbox: Inbox, records: list[Published], told: list[Any]) -> None:
    """Check that the new installation has everything, exactly once, and that nobody was mailed a second time."""
    assert outcomes(await old.events("alert-command-results")) == outcomes(await new.events("alert-command-results"))
    before = [record for record in await old.read("responses") if "nps-origin" not in dict(record.headers)]
    refused = Counter(record.reason for record in records if record.reason)
    assert Counter(letter["reason"] for letter in await new.events("dead-letters")) == refused
    await check_outputs(new.read, inbox.mails, records)
    times = Counter((record.key, record.value, record.timestamp) for record in before)
    assert times <= Counter((record.key, record.value, record.timestamp) for record in await new.read("responses"))
    assert {alert["alert_id"] for alert in told} <= {alert["alert_id"] for alert in await new.events("alerts")}


async def moved(old: Place, new: Place, inbox: Inbox, folder: Path) -> None:
    """Let an installation work, move it, and let the new one go on."""
    records = workload(400, seed=33)
    async with old.worker("all"):
        await publish_all(old.servers, f"{old.name}.responses", records)
    last = {alert["alert_id"]: alert for alert in await old.events("alerts")}
    opened = [alert for alert in last.values() if alert["action"] == "opened"]
    async with old.worker("all"):
        await resolve(old, opened[:5])
    assert len(inbox.mails) > 50
    told = await old.events("alerts")

    sent = len(inbox.mails)
    mover = Mover(old, new, folder)
    await mover.move()
    assert len(inbox.mails) == sent, "nobody is mailed while the installation is moved"

    more = [*corrections(records, 40), *workload(520, seed=33)[400:]]
    async with new.worker("all"):
        await publish_all(new.servers, f"{new.name}.responses", more)
    assert len(inbox.mails) > sent
    await check(old, new, inbox, [*records, *more], told)
    await is_refused(mover)


async def is_refused(mover: Mover) -> None:
    """Check that nothing is copied over what there is, to running workers, or to where it comes from."""
    code, said = await mover.copy("responses")
    assert (code, "has records already" in said) == (1, True), said
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
    await moved(old, new, inbox, tmp_path)
    assert {record.partition for record in await new.read("responses")} == {*range(MORE_PARTITIONS)}
