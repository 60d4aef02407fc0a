"""Workers are replaced one after the other, while responses come in: by this version, and back by the one before."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from integration.exactness import check_outputs
from integration.processes import Process, environment, worker_process
from integration.reading import read_topic
from integration.sampling import Published, workload
from upgrade.older import BEFORE, Offsets, checked_out, need, older_worker

from worker.embedded.inbox import Inbox, Mail
from worker.embedded.kafka import EmbeddedKafka
from worker.kafka import reading
from worker.notify.channels.email.smtp import SmtpSettings
from worker.settings import KafkaSettings

NAME = "rolling"
GROUPS = (f"{NAME}-process", f"{NAME}-notify")
PARTITIONS = 4
#: As docs/upgrade.md says: the version before cannot send a mail about a step of a case.
AS_BEFORE = {"NPS_EMAIL__CASE_ACTIONS": "[]"}
#: There are more than the changes can take.
SIZE = 20_000
#: Of a customer with more than 32 answers, only the latest are known (docs/limits.md).
CUSTOMERS = 3_000
#: How many responses are published together, and the pause after them, in seconds.
PORTION, PAUSE = 5, 0.1
#: In each state of the group, so many responses of each partition are decided at least.
DECIDED = 40
LOOK_SECONDS = 0.1
#: Each of the eight changes may repeat what was being sent: twice the connections of a worker.
MOST_COPIES = 8 * 2 * SmtpSettings().connections


@dataclass
class World:
    """The two versions, and what they work with."""

    checkout: Path
    servers: str
    inbox: Inbox
    folder: Path
    stack: AsyncExitStack
    published: list[Published] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    said_before: dict[tuple[int, str], int] = field(default_factory=dict)

    async def start_before(self) -> None:
        """Start a worker of the version before."""
        self._note()
        folder = self._own_folder()
        starting = older_worker(
            BEFORE, self.checkout, self.servers, self.inbox, prefix=NAME, group=NAME, folder=folder,
            NPS_KAFKA__PARTITIONS=str(PARTITIONS),
        )  # fmt: skip
        self.workers.append(await self.stack.enter_async_context(starting))

    async def start_this(self) -> None:
        """Start a worker of this version."""
        self._note()
        env = {**environment(self.servers, self.inbox, NAME, self._own_folder()), **AS_BEFORE}
        env["NPS_EMAIL__SENDER"] = "nps@example.com"
        process = await self.stack.enter_async_context(worker_process("run", env=env))
        await process.said("started: role all")
        self.workers.append(process)

    async def stop_first(self) -> None:
        """Stop the worker that has run for longest, as an operator does."""
        process = self.workers.pop(0)
        self._note()
        assert await process.end() == 0, process.lines[-20:]

    def _own_folder(self) -> Path:
        folder = self.folder / f"worker-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        return folder

    async def both_work(self) -> None:
        """Wait until the two workers share the partitions, and have decided responses of each partition since."""
        while not self._share():
            await self._look()
        before = await self._decided()
        while any(count < before[partition] + DECIDED for partition, count in (await self._decided()).items()):
            await self._look()

    async def _look(self) -> None:
        for process in self.workers:
            assert not process.ended, process.lines[-20:]
        await asyncio.sleep(LOOK_SECONDS)

    def _note(self) -> None:
        """Note what the workers have said about their partitions, before one of them comes or leaves."""
        self.said_before = {
            (one.pid, group): one.count(f"{group} has partitions") for one in self.workers for group in GROUPS
        }

    def _share(self) -> bool:
        """Say whether each worker has got partitions of each of its groups since the last one came or left."""
        return all(
            one.count(f"{group} has partitions") > self.said_before.get((one.pid, group), 0)
            for one in self.workers
            for group in GROUPS
        )

    async def _decided(self) -> dict[int, int]:
        async with reading.reader(KafkaSettings(bootstrap_servers=self.servers)) as reader:
            return dict(await reader.ends(f"{NAME}.decisions", range(PARTITIONS)))

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Return what a receiver of a topic has, who drops the copies that a change of partitions may cause."""
        records = await read_topic(self.servers, f"{NAME}.{topic}")
        first: dict[Any, ConsumerRecord] = {}
        for place, record in enumerate(records):
            one = first.setdefault(dict(record.headers).get("ce_id", place), record)
            assert one.value == record.value, "a copy differs from what it repeats"
        return [*first.values()]


@asynccontextmanager
async def steady(world: World, records: Iterable[Published]) -> AsyncIterator[None]:
    """Publish responses at a steady rate."""
    async with AIOKafkaProducer(bootstrap_servers=world.servers, enable_idempotence=True, linger_ms=5) as producer:

        async def publish() -> None:
            for number, record in enumerate(records):
                world.published.append(record)
                await producer.send(f"{NAME}.responses", record.value, key=record.key, headers=record.headers)
                if number % PORTION == 0:
                    await asyncio.sleep(PAUSE)
            raise AssertionError("there were too few responses")

        publishing = asyncio.create_task(publish())
        try:
            yield
            assert not publishing.done()
        finally:
            publishing.cancel()
            await asyncio.wait([publishing])
            await producer.flush()


async def about_cases(world: World) -> tuple[list[ConsumerRecord], list[Any]]:
    """Return the dead letters of responses, and those of records on the alerts topic."""
    letters = await world.read("dead-letters")
    of_alerts = [letter for letter in letters if json.loads(letter.value)["topic"] == f"{NAME}.alerts"]
    return [letter for letter in letters if letter not in of_alerts], [json.loads(one.value) for one in of_alerts]


def _case_of(letter: Any) -> bool:
    """Say whether a dead letter is about a step of a case."""
    return bool(json.loads(base64.b64decode(letter["payload"]))["kind"] == "case")


async def all_mailed(world: World) -> None:
    """Wait until no mail waits to be sent."""
    status = {"": "pending"}
    while {"pending", "deferred"} & {*status.values()}:
        await world._look()
        lines = [json.loads(record.value) for record in await read_topic(world.servers, f"{NAME}.deliveries")]
        status = {line["delivery_id"]: line["status"] for line in lines}


def received(mails: Sequence[Mail]) -> list[Mail]:
    """Return the mails without copies of the same Message-ID, which docs/limits.md allows when partitions move."""
    first = {mail.message["Message-ID"]: mail for mail in mails}
    assert len(mails) - len(first) <= MOST_COPIES
    return [*first.values()]


@pytest.mark.thorough
async def test_two_workers_are_replaced_one_by_one_and_back_again_while_responses_come_in(tmp_path: Path) -> None:
    """Nothing is lost or doubled, in any mixture of the two versions."""
    need(BEFORE)
    folder = tmp_path / "workers"
    folder.mkdir()
    async with (
        checked_out(BEFORE, tmp_path / "before") as checkout,
        EmbeddedKafka() as kafka,
        Inbox() as inbox,
        AsyncExitStack() as stack,
    ):
        world = World(checkout, kafka.bootstrap_servers, inbox, folder, stack)
        offsets = Offsets(world.servers, NAME, NAME)
        await world.start_before()
        await world.start_before()
        async with steady(world, workload(SIZE, seed=20, customers=CUSTOMERS)):
            await world.both_work()
            # The new worker is there before the old one leaves; then the other way round.
            await world.start_this()
            await world.stop_first()
            await world.both_work()
            await world.stop_first()
            await world.start_this()
            await world.both_work()
            # And back.
            await world.start_before()
            await world.stop_first()
            await world.both_work()
            await world.stop_first()
            await world.start_before()
            await world.both_work()
        await offsets.settled(world.workers[0])
        await all_mailed(world)
        for process in world.workers:
            assert await process.end() == 0, process.lines[-20:]
        letters, of_alerts = await about_cases(world)

        async def read(topic: str) -> list[ConsumerRecord]:
            return letters if topic == "dead-letters" else await world.read(topic)

        await check_outputs(read, received(inbox.mails), world.published)
    # A worker of the version before does not know the steps of cases.
    assert all(_case_of(letter) for letter in of_alerts)
