"""Scrapes the metrics of workers as Prometheus does, from a process of its own, and says how long that takes.

python -m bench.scraping SECONDS PORT… asks each port of this machine at an interval, and prints a line of JSON for each
answer, until it is ended.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from bench.latency import delays_of
from bench.measure import ROOT
from worker.embedded.die_with_parent import dying_with_parent

_HOST = "127.0.0.1"


class Scrape(NamedTuple):
    """An answer: how long it took in seconds, its size in bytes, and how many rows of segments the worker has."""

    port: int
    seconds: float
    size: int
    rows: int


async def _scrape(client: ClientSession, port: int) -> Scrape:
    began = time.perf_counter()
    async with client.get(f"http://{_HOST}:{port}/metrics") as answer:
        text = await answer.text()
    took = time.perf_counter() - began
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    rows = sum(
        int(sample.value)
        for sample in samples
        if sample.name == "nps_table_rows" and sample.labels["table"] == "segments"
    )
    return Scrape(port, took, len(text), rows)


async def _go_on(every: float, ports: Sequence[int]) -> None:
    async with ClientSession() as client:
        while True:
            began = time.monotonic()
            for port in ports:
                print(json.dumps(await _scrape(client, port)), flush=True)
            await asyncio.sleep(max(0.0, every - (time.monotonic() - began)))


@asynccontextmanager
async def scraped(every: float, ports: Sequence[int]) -> AsyncIterator[list[Scrape]]:
    """Scrape these ports meanwhile, `every` so many seconds. The list is complete when this has been left."""
    found: list[Scrape] = []
    if not ports:
        yield found
        return
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(sys.executable, "-m", "bench.scraping", str(every), *map(str, ports)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(process.stdout.read())
    try:
        yield found
    finally:
        process.kill()
        *lines, _ = (await reading).split(b"\n")
        found += [Scrape(*json.loads(line)) for line in lines]
        await process.wait()


def described(scrapes: Sequence[Scrape]) -> str:
    """Return a line about how long scrapes took, for a report."""
    delays = delays_of([scrape.seconds for scrape in scrapes])
    size, rows = (max(values) for values in zip(*((scrape.size, scrape.rows) for scrape in scrapes), strict=True))
    return (
        f"{delays.n} scrapes: p50 {delays.p50:.1f}, p99 {delays.p99:.1f}, at most {delays.most:.1f} ms; "
        f"{size:,} bytes, {rows:,} rows of segments"
    )


if __name__ == "__main__":
    asyncio.run(_go_on(float(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
