"""Open pages of the role web: how soon they show what has happened, what they cost, and what becomes of them."""

import asyncio
import json
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from statistics import median, quantiles
from urllib.parse import quote

import psutil
from aiokafka import AIOKafkaProducer
from playwright.async_api import async_playwright

from schemas import examples
from worker.flow import events
from worker.kafka.topics import topic_name

OPEN = 500
#: The addresses that are open, and how many of the open pages have each. News appear on the first and on the last.
_OPEN = ("/", "/tree", "/cases", "/heat", "/answers")
_EVENTS, _PAUSE_SECONDS = 20, 1.0
#: What news look like on a page: the number of answers of the whole, and the number of a customer.
_NEWS = re.compile(rb"1,000,(\d{3}) answers|news-(\d+)")
#: An address of this machine that nothing else uses. Packets to it can be thrown away.
_APART = "127.83.91.7"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PAINTED = """() => new Promise((done) => {
    const found = () => {
        const paint = performance.getEntriesByName("first-contentful-paint")[0];
        if (!paint) return setTimeout(found, 10);
        const parts = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
        done([paint.startTime, parts.reduce((sum, part) => sum + part.encodedBodySize, 0)]);
    };
    found();
})"""


class Client:
    """An open page. `seen` has when each event with a number was there, in seconds of perf_counter."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.seen: dict[int, float] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()

    async def open(self, port: int, local: str = "127.0.0.1") -> None:
        """Connect, and wait for the first event. While the clients of before are not freed yet, try again."""
        live = f"/live?page={quote(self.address, safe='')}"
        request = f"GET {live} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept-Language: en\r\n\r\n".encode()
        while True:
            reader, self._writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(local, 0), limit=2**20)
            self._writer.write(request)
            if b" 200 " in await reader.readline():
                break
            self._writer.close()
            await asyncio.sleep(0.1)
        self._task = asyncio.create_task(self._read(reader))
        await self._opened.wait()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        with suppress(ConnectionError):
            while data := await reader.read(2**17):
                now, text = time.perf_counter(), rest + data
                if b"event: page" in text:
                    self._opened.set()
                for found in _NEWS.finditer(text):
                    self.seen.setdefault(int(found[1] or found[2]), now)
                rest = data[-40:]

    async def close(self) -> None:
        """End the connection."""
        if self._writer is not None and self._task is not None:
            self._writer.transport.abort()
            await self._task


@asynccontextmanager
async def opened(port: int, number: int = OPEN, local: str = "127.0.0.1") -> AsyncIterator[list[Client]]:
    """Open pages."""
    clients = [Client(_OPEN[one % len(_OPEN)]) for one in range(number)]
    for client in clients:
        await client.open(port, local)
    try:
        yield clients
    finally:
        for client in clients:
            await client.close()


async def news(servers: str, prefix: str, process: int, port: int) -> list[str]:
    """Return how long news take until pages show them, with one open page and with many, and what that costs."""
    lines, worker = [], psutil.Process(process)
    worker.cpu_affinity([0])
    numbers = count(1)
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for open_pages in (len(_OPEN), OPEN):
            async with opened(port, open_pages) as clients:
                begun, before = time.perf_counter(), sum(worker.cpu_times()[:2])
                sent = {}
                for _ in range(_EVENTS):
                    number = next(numbers)
                    sent[number] = time.perf_counter()
                    await _publish(producer, prefix, number)
                    await asyncio.sleep(_PAUSE_SECONDS)
                share = (sum(worker.cpu_times()[:2]) - before) / (time.perf_counter() - begun)
                await asyncio.sleep(2 * _PAUSE_SECONDS)
                delays = [
                    min((at for seen, at in client.seen.items() if seen >= number), default=float("inf")) - since
                    for client in clients
                    if client.address in {_OPEN[0], _OPEN[-1]}
                    for number, since in sent.items()
                ]
            last = quantiles(delays, n=100, method="inclusive")[98]
            lines.append(
                f"{open_pages} open pages, an event a second on each: seen after {median(delays):.2f} s (median), "
                f"{last:.2f} s (99 %), {max(delays):.2f} s (longest); the role takes {share:.0%} of a core"
            )
    return lines


async def _publish(producer: AIOKafkaProducer, prefix: str, number: int) -> None:
    decision = {**examples.DECISION, "customer_id": f"news-{number}", "response_id": f"news-{number}"}
    windows = {
        name: {**window, "n": 1_000_000 + number, "promoters": 1_000_000 + number, "passives": 0, "detractors": 0}
        for name, window in examples.SCORES["windows"].items()
    }
    scores = {**examples.SCORES, "segment": "", "windows": windows}
    for topic, key, event in ((events.DECISIONS, "c-1", decision), (events.SCORES, "", scores)):
        await producer.send(topic_name(prefix, topic), json.dumps(event).encode(), key=key.encode())
    await producer.flush()


async def vanished(process: int, port: int) -> str:
    """Return how long the connections of clients are kept that have gone without a word. Root only."""
    ip = shutil.which("ip")
    if ip is None:
        return "vanished clients: not measured, since there is no program ip"
    async with opened(port, local=_APART):
        with _unreachable(ip) as is_unreachable:
            if not is_unreachable:
                return "vanished clients: not measured, since routes cannot be changed"
            begun = time.perf_counter()
            while (left := _connections(process, _APART)) and time.perf_counter() - begun < 120:  # noqa: ASYNC110 - the system tells nobody
                await asyncio.sleep(0.5)
            return f"{OPEN} clients vanished: {left} connections are left after {time.perf_counter() - begun:.0f} s"


@contextmanager
def _unreachable(ip: str) -> Iterator[bool]:
    """Let the system throw away what is sent to an address."""
    route = ("route", "{}", "blackhole", _APART, "table", "local")

    def change(what: str) -> bool:
        command = [ip, *(part.format(what) for part in route)]
        return not subprocess.run(command, check=False, capture_output=True).returncode  # noqa: S603

    done = change("add")
    try:
        yield done
    finally:
        if done:
            change("del")


def _connections(process: int, client: str) -> int:
    found = psutil.Process(process).net_connections("tcp")
    return sum(bool(one.raddr) and one.raddr.ip == client and one.status == psutil.CONN_ESTABLISHED for one in found)


async def ended(port: int, end: Callable[[], Awaitable[None]]) -> str:
    """Return how long the role takes to end while pages are open. `end`: ends it, and waits until it has ended."""
    async with opened(port):
        begun = time.perf_counter()
        await end()
        return f"ended {time.perf_counter() - begun:.1f} s after SIGTERM, with {OPEN} open pages"


async def painted(base: str, paths: Iterable[str]) -> list[str]:
    """Return when a browser has painted each page, and how many bytes the page and its files have."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        return ["first contentful paint: not measured, since there is no Chromium"]
    lines = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for path in paths:
            found = []
            for _ in range(5):
                context = await browser.new_context()  # without the files of before
                page = await context.new_page()
                await page.goto(base + path)
                found.append(await page.evaluate(_PAINTED))
                await context.close()
            paint, size = median(one[0] for one in found), found[-1][1]
            lines.append(f"{path:>16}  painted after {paint:4.0f} ms, {size / 1_000:6.1f} kB with style and script")
        await browser.close()
    return lines
