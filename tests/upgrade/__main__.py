"""An older version takes made-up answers on a Kafka of its own, and what it leaves behind is kept in a file.

PYTHONPATH=tests .venv/bin/python -m upgrade CHECKOUT

CHECKOUT is a working tree of the version (`git worktree add --detach CHECKOUT COMMIT`). The file is what
tests/integration/test_upgrade.py goes on from; it is made once for a version, when that version is released.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import PIPE
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from integration.processes import Process
from integration.reading import read_topic
from integration.sampling import Published
from upgrade import answers
from upgrade.older import KEPT, STATE, Offsets, older_worker
from upgrade.state import Input, Sent, State, save, topics_of

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

_PREFIX, _GROUP, _PARTITIONS = "before", "before-worker", 3
#: The worker is stopped when it has decided some of the last answers, so that others are left on each topic.
_LAST = 80
_LOOK_SECONDS = 0.1


class _Making(NamedTuple):
    """What the version works with: Kafka, the mailbox, and who publishes to it; `taken` is what was published."""

    servers: str
    inbox: Inbox
    producer: AIOKafkaProducer
    offsets: Offsets
    taken: list[Input]

    async def publish(self, records: list[Published]) -> None:
        """Publish answers."""
        for record in records:
            await self.producer.send(f"{_PREFIX}.responses", record.value, key=record.key, headers=record.headers)
            self.taken.append(Input.of(record))
        await self.producer.flush()

    async def say_the_time(self) -> None:
        """Publish a tick to each partition of segments, as workers do."""
        for number in range(_PARTITIONS):
            await self.producer.send_and_wait(f"{_PREFIX}.tallies", b"", key=b"tick", partition=number)

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Return everything that a topic holds now."""
        return await read_topic(self.servers, f"{_PREFIX}.{topic}")


async def _made(checkout: Path) -> State:
    async with EmbeddedKafka() as kafka, Inbox(behaviour=answers.refuse_who_waits) as inbox:
        servers = kafka.bootstrap_servers
        producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True, linger_ms=5)
        await producer.start()
        making = _Making(servers, inbox, producer, Offsets(servers, _PREFIX, _GROUP), [])
        made = answers.answers(datetime.now(UTC))
        try:
            with tempfile.TemporaryDirectory() as folder:
                async with older_worker(
                    KEPT, checkout, servers, inbox, prefix=_PREFIX, group=_GROUP, folder=Path(folder),
                    NPS_KAFKA__PARTITIONS=str(_PARTITIONS),
                ) as process:  # fmt: skip
                    await _take(making, made, process)
                    assert await process.end() == 0, process.lines[-20:]
        finally:
            await producer.stop()
        return await _left(making, made, checkout)


async def _take(making: _Making, made: answers.Answers, process: Process) -> None:
    """Have the worker take the first part, all but some of its last records."""
    # Its ticks at the start come first.
    while len(await making.read("tallies")) < _PARTITIONS:  # noqa: ASYNC110 - Kafka raises no event
        await asyncio.sleep(_LOOK_SECONDS)
    for portion in made.desks:
        await making.publish(portion)
        await making.offsets.settled(process)
    await making.publish(made.first[:-_LAST])
    await making.offsets.settled(process)
    for _ in range(2):
        await making.say_the_time()
        await making.offsets.settled(process)
    await _mailed(making, process)
    await making.publish([answers.erasure_of_the_first_part()])
    await making.offsets.settled(process)
    decided = len(await making.read("decisions"))
    await making.publish(made.first[-_LAST:])
    while len(await making.read("decisions")) <= decided:
        assert not process.ended, process.lines[-20:]


async def _mailed(making: _Making, process: Process) -> None:
    """Wait until each mail that was planned has been sent, or put off."""
    status = {"": "pending"}
    while "pending" in status.values():
        assert not process.ended, process.lines[-20:]
        await asyncio.sleep(_LOOK_SECONDS)
        lines = [json.loads(record.value) for record in await making.read("deliveries")]
        status = {line["delivery_id"]: line["status"] for line in lines}


async def _left(making: _Making, made: answers.Answers, checkout: Path) -> State:
    """Return what the worker has left."""
    admin = AIOKafkaAdminClient(bootstrap_servers=making.servers)
    await admin.start()
    names = [name for name in await admin.list_topics() if not name.startswith("__")]
    await admin.close()
    asked = await asyncio.create_subprocess_exec("git", "rev-parse", "HEAD", cwd=checkout, stdout=PIPE)
    commit, _ = await asked.communicate()
    return State(
        version=KEPT.version,
        commit=commit.decode().strip(),
        prefix=_PREFIX,
        group=_GROUP,
        topics=await topics_of(making.servers, names),
        committed=await making.offsets.committed(),
        taken=making.taken,
        to_come=[Input.of(record) for record in made.second],
        mails=[Sent.of(mail) for mail in making.inbox.mails],
    )


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        prog="upgrade", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path, help="a working tree of the version")
    parser.add_argument("--out", type=Path, default=STATE, help=f"the file to write (default: {STATE.name})")
    asked = parser.parse_args()
    state = asyncio.run(_made(asked.checkout.resolve()))
    save(state, asked.out)
    for name, topic in state.topics.items():
        print(f"{name}: {[len(records) for records in topic.partitions]}")
    print(f"{len(state.taken)} records taken, {len(state.mails)} mails; {asked.out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
