"""How fast the pages of the role web are while much happens: events arrive all the time, and many pages are open.

A process of its own asks for the pages: the one that reads what open pages get has too much to do to measure that.
"""

import asyncio
import json
import random
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from statistics import median, quantiles
from typing import NamedTuple

from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer

from bench.board import case_rows, paths_of, scores, segment_rows
from bench.board_open import OPEN, opened
from schemas import examples
from worker.flow import events
from worker.kafka.rows import PartitionState
from worker.kafka.topics import CASES, SEGMENTS, changelog_name, topic_name

_A_SECOND = 50
#: How often each page is asked for, and how long to wait before the next request, in seconds.
_REPEATS, _PAUSE_SECONDS = 20, 0.1


class _Event(NamedTuple):
    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


async def first_bytes(servers: str, prefix: str, data: tuple[int, int], port: int, pages: Sequence[str]) -> list[str]:
    """Return how long the first byte of each page takes. `data`: the numbers of segments and cases.

    `prefix`: of the topics, which is also the worker's group.
    """
    command = (sys.executable, "-m", "bench.board_busy", str(port), *pages)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer, opened(port):
        writing = asyncio.create_task(_write(producer, _news(prefix, *data)))
        asking = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        said, _ = await asking.communicate()
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
    return [f"with {_A_SECOND} events a second and {OPEN} open pages:", *said.decode().splitlines()]


async def _ask(port: str, pages: Sequence[str]) -> None:
    """Ask for pages, and print how long the first byte takes."""
    every = list[float]()
    async with ClientSession() as client:
        for page in pages:
            found = []
            for _ in range(_REPEATS):
                await asyncio.sleep(_PAUSE_SECONDS)
                begun = time.perf_counter()
                async with client.get(f"http://127.0.0.1:{port}{page}") as response:
                    found.append(1_000 * (time.perf_counter() - begun))
                    await response.read()
            every += found
            print(f"{page:>16}  first byte {median(found):6.1f} ms (median), {max(found):6.1f} ms (longest)")
    last = quantiles(every, n=20, method="inclusive")[18]
    print(f"all of them: {median(every):.0f} ms (median), {last:.0f} ms (95 %), {max(every):.0f} ms (longest)")


async def _write(producer: AIOKafkaProducer, news: Iterator[_Event]) -> None:
    """Write events, the same number each second."""
    begun = time.perf_counter()
    for number, event in enumerate(news):
        await asyncio.sleep(begun + number / _A_SECOND - time.perf_counter())
        await producer.send(event.topic, event.value, key=event.key, partition=event.partition)


def _news(prefix: str, segments: int, cases: int) -> Iterator[_Event]:
    """Yield what the worker writes: decisions, scores and rows of segments, and changes of cases, in turn."""
    chance = random.Random(2)  # noqa: S311 - made-up data
    paths, state = paths_of(segments), PartitionState()
    rows = zip(
        cycle(scores(paths, chance)), cycle(segment_rows(paths, chance)), case_rows(paths, cases, chance), strict=False
    )
    for number, ((path, value), (segment, row), (customer, case, partition)) in enumerate(rows):
        decision = {"decision_id": f"busy-{number}", "customer_id": f"c-{number}", "response_id": f"busy-{number}"}
        text = json.dumps({**examples.DECISION, **decision, "segment": path}).encode()
        yield _Event(topic_name(prefix, events.DECISIONS), customer, text)
        yield _Event(topic_name(prefix, events.SCORES), path.encode(), value)
        for table, key, encoded, at in (
            (SEGMENTS, segment.encode(), row, None),
            (CASES, customer, case, partition),
        ):
            key, fenced, _ = state.record(key, encoded)  # noqa: PLW2901 - as the changelog has it
            yield _Event(changelog_name(prefix, "process", table), key, fenced or b"", at)


if __name__ == "__main__":
    asyncio.run(_ask(sys.argv[1], sys.argv[2:]))
