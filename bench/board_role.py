"""The role web on a Kafka with much data: its memory, how fast and large its pages are, and what open pages cost.

python -m bench.board_role                 10,000 segments, 100,000 cases: some minutes, most of them to write the data
"""

import argparse
import asyncio
import logging
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from aiohttp import ClientError, ClientSession
from aiokafka import AIOKafkaProducer

from bench import board_busy, board_open
from bench.board import NOW, PARTITIONS, case_rows, logs, paths_of, scores, segment_rows
from bench.latency import worker
from worker.board.newest import Bounds
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka, free_port
from worker.flow import events
from worker.kafka import topics
from worker.kafka.rows import PartitionState
from worker.settings import KafkaSettings, Settings

_NAME = "board"
_PAGES = (
    "/",
    "/tree",
    "/heat",
    "/cases",
    "/loop",
    "/answers",
    "/deliveries",
    "/digests",
    "/incidents",
    "/silences",
    "/dead-letters",
)
_REPEATS = 5


class Written(NamedTuple):
    """A record to write. `partition`: None lets the key decide."""

    topic: str
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes | None]] = ()
    partition: int | None = None


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.board_role", description=__doc__)
    parser.add_argument("--segments", type=int, default=10_000)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--latest", type=int, default=Bounds().records, help="records of each topic of events")
    asked = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # new topics have no leaders at first
    asyncio.run(_run(asked.segments, asked.cases, asked.latest))


async def _run(segments: int, cases: int, latest: int) -> None:
    with tempfile.TemporaryDirectory(prefix="detractor-worker-bench-") as folder:
        async with EmbeddedKafka(progress=print, data_dir=Path(folder)) as kafka, Inbox() as inbox:
            servers = kafka.bootstrap_servers
            settings = Settings.model_construct(
                topic_prefix=_NAME, kafka=KafkaSettings(bootstrap_servers=servers, group=_NAME, partitions=PARTITIONS)
            )
            await topics.ensure(settings)
            await _write(servers, made(settings, segments, cases, latest))
            port = free_port()
            more = {"NPS_WEB__PORT": str(port), "NPS_KAFKA__GROUP": _NAME}
            begun = time.perf_counter()
            async with AsyncExitStack() as role, ClientSession() as client:
                [(_, process)] = await role.enter_async_context(worker(servers, inbox, _NAME, ("web",), more))
                base = f"http://127.0.0.1:{port}"
                await _caught_up(client, base)
                print(f"ready after {time.perf_counter() - begun:.1f} s; {_memory(process)}")
                for path in _PAGES:
                    print(await _page(client, base, path, process))
                print(_memory(process))
                for line in await board_open.painted(base, _PAGES):
                    print(line)
                for line in await board_open.news(servers, _NAME, process, port):
                    print(line)
                for line in await board_busy.first_bytes(servers, _NAME, (segments, cases), port, _PAGES):
                    print(line)
                print(await board_open.vanished(process, port))
                print(_memory(process))
                print(await board_open.ended(port, role.aclose))


def made(settings: Settings, segments: int, cases: int, latest: int) -> Iterator[Written]:
    """Yield made-up data as the worker writes it."""
    chance = random.Random(1)  # noqa: S311 - made-up data
    paths, group, state = paths_of(segments), settings.kafka.group, PartitionState()

    def changelog(table: str) -> str:
        return topics.changelog_name(group, "process", table)

    for path, value in scores(paths, chance):
        yield Written(topics.topic_name(_NAME, events.SCORES), path.encode(), value)
    for path, row in segment_rows(paths, chance):
        key, fenced, _ = state.record(path.encode(), row)
        yield Written(changelog(topics.SEGMENTS), key, fenced or b"")
    for customer, row, partition in case_rows(paths, cases, chance):
        key, fenced, _ = state.record(customer, row)
        yield Written(changelog(topics.CASES), key, fenced or b"", partition=partition)
    for _, topic, records in logs(paths, latest, chance):
        for record in records:
            name = topics.topic_name(_NAME, topic)
            yield Written(name, record.key or b"", record.value or b"", record.headers, record.partition)


async def _write(servers: str, records: Iterator[Written]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=20, max_batch_size=200_000) as producer:
        for record in records:
            topic, key, value, headers, partition = record
            await producer.send(topic, value, key=key, headers=list(headers), partition=partition, timestamp_ms=NOW)
        await producer.flush()


async def _caught_up(client: ClientSession, base: str) -> None:
    """Wait until the page does not say any more that it is catching up."""
    while True:
        try:
            async with client.get(f"{base}/answers") as response:
                if response.status == 200 and "Catching up" not in await response.text():
                    return
        except ClientError:
            pass
        await asyncio.sleep(0.2)


async def _page(client: ClientSession, base: str, path: str, process: int) -> str:
    firsts, size, before = [], 0, _cpu(process)
    for _ in range(_REPEATS):
        begun = time.perf_counter()
        async with client.get(base + path) as response:
            firsts.append(time.perf_counter() - begun)
            size = len(await response.read())
    cpu = (_cpu(process) - before) / _REPEATS
    first = f"first byte {1_000 * median(firsts):6.1f} ms, {1_000 * cpu:6.1f} ms of CPU"
    return f"{path:>16}  {response.status}  {first}  {size / 1_000:6.1f} kB"


def _cpu(process: int) -> float:
    """Return how long the main thread of a process has been on a CPU, in seconds. Where others run, it waits longer."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _memory(process: int) -> str:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    found = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines) if "kB" in value}
    return f"RSS {found['VmRSS'] / 1_000:.0f} MB, at most {found['VmHWM'] / 1_000:.0f} MB"


if __name__ == "__main__":
    main()
