"""500 open pages on one process: what they cost, and how soon each shows what has happened. Without a Kafka.

A process serves the page with a made-up board, and once a second changes the scores of the root segment, and opens
cases. Another one keeps pages open, and notes when each update arrives.
"""

import argparse
import asyncio
import random
import re
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from html import unescape
from itertools import islice
from statistics import median

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from bench.board import NOW, case_rows, paths_of, scores, segment_rows
from worker.board.board import Board
from worker.board.newest import Bounds
from worker.clock import SystemClock
from worker.flow.policy import CasePolicy
from worker.links.settings import WebSettings
from worker.notify.content.readers import Readers
from worker.roles import page
from worker.roles.surroundings import Surroundings
from worker.server import Server
from worker.service import Failure
from worker.settings import Settings
from worker.web.live import Live
from worker.web.site import HEADERS

_SEGMENTS, _CASES = 1_000, 5_000


async def serve() -> None:
    """Serve the page until SIGTERM; print the port, and the time of each change."""
    board = Board.bounded(Bounds(), CasePolicy())
    chance = random.Random(1)  # noqa: S311 - made-up data
    paths = paths_of(_SEGMENTS)
    for path, value in scores(paths, chance):
        board.scores.take(path, value, NOW)
    for path, row in segment_rows(paths, chance):
        board.history.take(path, row)
    rows = case_rows(paths, 2 * _CASES, chance)
    for customer, row, partition in islice(rows, _CASES):
        board.cases.take(customer, row, partition)
    settings, failure = Settings(web=WebSettings(port=0)), Failure()
    site, services = page.build(Surroundings(settings, SystemClock()), board, Readers("en"), failure)
    [live] = [service for service in services if isinstance(service, Live)]
    application = web.Application()
    application.add_routes(site.routes())
    server = Server(application, "127.0.0.1", 0, failure, headers=HEADERS, most_connections=900)
    await server.start()
    await live.start()
    print(f"port {server.port}", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    while not stop.is_set():
        print(f"changed {time.time()} cpu {time.process_time()} clients {live.clients}", flush=True)
        for path, value in scores([""], chance):
            board.scores.take(path, value, NOW)
        for customer, row, partition in islice(rows, 20):
            board.cases.take(customer, row, partition)
        try:
            async with asyncio.timeout(1):
                await stop.wait()
        except TimeoutError:
            continue
    await live.stop()
    await server.stop()


class Lines:
    """What the serving process has printed."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.lines: list[list[str]] = []

    async def read(self) -> None:
        """Read until the process ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.lines.append(line.decode().split())

    def clients(self) -> int:
        """Return how many pages were open by the last line."""
        return int(self.lines[-1][5])


async def measure(number: int, seconds: float, address: str) -> None:
    """Keep pages open for a while, and print what that costs."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.live_pages", "--serve", stdout=PIPE)
    lines = Lines(process)
    reading = asyncio.create_task(lines.read())
    while not lines.lines:  # noqa: ASYNC110 - a process that prints raises no event here
        await asyncio.sleep(0.1)
    base = f"http://127.0.0.1:{lines.lines[0][1]}"
    arrived = list[float]()
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=None)) as client:
        async with client.get(base + address) as response:
            text = await response.text()
        found = re.search(r'data-live="([^"]*)"', text)
        assert found is not None
        live = base + unescape(found[1])

        async def watch() -> None:
            async with client.get(live) as response:
                async for chunk in response.content.iter_any():
                    if b"\nevent: page\n" in chunk:
                        arrived.append(time.time())

        watching = [asyncio.create_task(watch()) for _ in range(number)]
        while not (len(lines.lines) > 2 and lines.clients() == number):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.1)
        first, began = len(lines.lines), len(arrived)
        await asyncio.sleep(seconds)
        changes = [(float(line[1]), float(line[3])) for line in lines.lines[first:]]
        async with ClientSession() as other, other.get(base + "/tree") as response:  # others can be opened meanwhile
            assert response.status == 200
        delays = sorted(
            at - max(change for change, _ in changes if change <= at) for at in arrived[began:] if at > changes[0][0]
        )
        cpu = (changes[-1][1] - changes[0][1]) / (changes[-1][0] - changes[0][0])
        print(f"{number} pages of {address} ({len(text.encode()):,} bytes), {len(delays):,} updates in {seconds:g} s")
        print(f"CPU of the server: {cpu:.0%} of a core")
        print(f"delay of an update, ms: median {median(delays) * 1e3:.0f}, largest {delays[-1] * 1e3:.0f}")
        for task in watching:
            task.cancel()
        gone = time.time()
        while lines.clients():  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.1)
        print(f"vanished clients were freed within {time.time() - gone:.1f} s")
        watching = [asyncio.create_task(watch()) for _ in range(number)]
        while lines.clients() != number:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.1)
        asked = time.time()
        process.terminate()
        await process.wait()
        print(f"SIGTERM ended the server with {number} pages open within {time.time() - asked:.1f} s")
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    await reading


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.live_pages", description=__doc__)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--address", default="/")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asyncio.run(serve() if asked.serve else measure(asked.pages, asked.seconds, asked.address))


if __name__ == "__main__":
    main()
