"""The worker of an older version: its code lies in a checkout, and it runs in this version's environment."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from integration.processes import ROOT, Process, environment, worker_process

from worker.embedded.inbox import Inbox
from worker.kafka import groups, reading, topics
from worker.settings import KafkaSettings


class Release(NamedTuple):
    """An older version: its number, and the commit that it was released from.

    `unknown`: settings that tests give to the worker, and that the version does not know: it would refuse them.
    """

    version: str
    commit: str
    unknown: frozenset[str] = frozenset()


#: The version that the kept state is of.
KEPT = Release(
    "0.1.0",
    "07267e55e47341387c5805f8066813d9e6b12330",
    frozenset({"NPS_ALERTS__MAX_AGE_DAYS", "NPS_BURSTS__SCANNER_SECONDS", "NPS_BURSTS__DOUBLE_CLICK_SECONDS"}),
)
#: The version before this one.
BEFORE = Release("0.2.0", "76ce3fb2cba2b4161a7513eeb224b046bdf29c7b")
#: What the kept version left behind.
STATE = Path(__file__).parent / f"state-{KEPT.version}.msgpack.xz"
#: The topics that each role reads, in the order in which records travel.
READ = (("process", "responses"), ("process", "tallies"), ("process", "hours"), ("notify", "alerts"))
_LOOK_SECONDS = 0.1


def need(release: Release) -> None:
    """Skip the test if the version's commit is not in this clone; a shallow one has only the last commits."""
    asked = subprocess.run(
        ["git", "cat-file", "-e", f"{release.commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    if asked.returncode:
        pytest.skip(
            f"this clone does not have the commit {release.commit} of version {release.version}; "
            "git fetch --unshallow gets it"
        )


@asynccontextmanager
async def checked_out(release: Release, folder: Path) -> AsyncIterator[Path]:
    """Check a version out into a folder that is not there yet; it is gone at the end."""
    await asyncio.to_thread(_git, "worktree", "add", "--quiet", "--detach", str(folder), release.commit)
    try:
        yield folder
    finally:
        await asyncio.to_thread(_git, "worktree", "remove", "--force", str(folder))


def _git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True)


@asynccontextmanager
async def older_worker(
    release: Release, checkout: Path, kafka: str, inbox: Inbox, *, prefix: str, group: str, folder: Path, **more: str
) -> AsyncIterator[Process]:
    """Start the worker of a checkout, and wait until it has started. `more`: further variables of its environment."""
    given = environment(kafka, inbox, prefix, folder)
    env = {name: value for name, value in given.items() if name not in release.unknown}
    env |= {"NPS_KAFKA__GROUP": group, "NPS_EMAIL__SENDER": "nps@example.com", **more}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (more.get("PYTHONPATH"), str(checkout))))
    async with worker_process("run", env=env, cwd=checkout) as process:
        await process.said("started: role all")
        yield process


class Offsets:
    """How far a worker is, as Kafka tells it. `read`: the topics that count, each with the role that reads it."""

    def __init__(self, kafka: str, prefix: str, group: str, read: Sequence[tuple[str, str]] = READ) -> None:
        self._kafka = KafkaSettings(bootstrap_servers=kafka)
        self._prefix = prefix
        self._group = group
        self._read = read

    async def committed(self) -> dict[str, dict[str, dict[int, int]]]:
        """Return what each group has committed, by topic and partition."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._kafka.bootstrap_servers)
        await admin.start()
        found: dict[str, dict[str, dict[int, int]]] = {}
        try:
            for role, topic in self._read:
                group, name = topics.group_id(self._group, role), f"{self._prefix}.{topic}"
                found.setdefault(group, {})[name] = await groups.committed(admin, group, name)
        finally:
            await admin.close()
        return found

    async def settled(self, process: Process) -> None:
        """Wait until everything that was published is read, and all that came of it; fail if the worker ends."""
        while await self._behind():
            assert not process.ended, process.lines[-20:]
            await asyncio.sleep(_LOOK_SECONDS)

    async def _behind(self) -> bool:
        committed: Mapping[str, Mapping[str, Mapping[int, int]]] = await self.committed()
        async with reading.reader(self._kafka) as reader:
            # In the order of travel: what is done upstream can only add to what is behind it.
            for topics in committed.values():
                for name, offsets in topics.items():
                    ends = await reader.ends(name, await reader.partitions(name))
                    if any(offsets.get(number, 0) < end for number, end in ends.items()):
                        return True
        return False
