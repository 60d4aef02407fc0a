"""How many deliveries a second the role receive takes, and how long each waits until Kafka has acknowledged it.

.venv/bin/python -m bench.receiving                        1,000 deliveries a second for 20 seconds
.venv/bin/python -m bench.receiving --rate 2000 --json     the last line is one JSON object
.venv/bin/python -m bench.receiving --bare                 a server that does nothing but verify, publish and answer

One process of the role receive, which uses one core at most, takes deliveries as Typeform makes them, with their
signatures, over connections that stay open. A process of its own posts them (posting.py).
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from bench import feed
from bench.latency import Delays, delays_of, worker
from bench.measure import ROOT, BenchError
from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka, free_port
from worker.kafka import reading
from worker.settings import KafkaSettings

_HOST = "127.0.0.1"
_NAME = "receiving"
_SECRET = "no secret, only for this measurement"  # noqa: S105 - a measurement
_WARM_UP_SECONDS = 5


class Found(NamedTuple):
    """What was measured. Each `…_cores`: how many cores were busy with it, on average."""

    rate: float
    delays: Delays
    most_waiting: int
    request_bytes: int
    receiver_us: float
    receiver_cores: float
    receiver_mb: float
    client_cores: float
    kafka_cores: float
    machine_cores: float


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.receiving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=1_000, metavar="N", help="deliveries a second (default: 1000)")
    parser.add_argument("--seconds", type=int, default=20, metavar="N", help="how long to measure (default: 20)")
    parser.add_argument("--connections", type=int, default=64, metavar="N", help="open connections (default: 64)")
    parser.add_argument("--bare", action="store_true", help="measure a bare server of the same libraries in its place")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    asked = parser.parse_args()
    try:
        found = asyncio.run(run(asked.rate, asked.seconds, asked.connections, is_bare=asked.bare))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(text(found))
    if asked.json:
        flat = {**found._asdict(), "delays": found.delays._asdict()}
        print(json.dumps(flat))
    return 0


async def run(rate: int, seconds: int, connections: int, *, is_bare: bool = False) -> Found:
    """Measure. Raise BenchError if a delivery is not acknowledged, or is not on Kafka afterwards."""
    with tempfile.TemporaryDirectory(prefix="detractor-worker-bench-") as folder:
        async with EmbeddedKafka(progress=_say, data_dir=Path(folder)) as kafka, Inbox() as inbox:
            port = free_port()
            receiving = _bare(kafka.bootstrap_servers, port) if is_bare else _role(kafka.bootstrap_servers, inbox, port)
            async with receiving as receiver:
                plan = {
                    "host": _HOST, "port": port, "secret": _SECRET, "rate": rate, "seconds": seconds,
                    "warm_up_seconds": _WARM_UP_SECONDS, "connections": connections,
                    "at": datetime.now(UTC).isoformat(timespec="seconds"),
                }  # fmt: skip
                _say(f"posting {rate:,} deliveries a second for {_WARM_UP_SECONDS} + {seconds} s")
                busy = _Busy(receiver, kafka.pid)
                said = await _posted(plan)
                figures = busy.now()
            published = await _count(kafka.bootstrap_servers, f"{_NAME}.responses")
    statuses = {int(status): count for status, count in said["statuses"].items()}
    total = sum(statuses.values())
    if statuses != {200: total}:
        raise BenchError(f"not every delivery was acknowledged: {statuses}")
    if published != total:
        raise BenchError(f"{total:,} deliveries were acknowledged, and {published:,} records are on Kafka")
    receiver_seconds, kafka_seconds, machine_cores, receiver_mb = figures
    took = said["seconds"]
    return Found(
        total / took,
        delays_of(said["delays"]),
        said["most_waiting"],
        said["request_bytes"],
        receiver_seconds / total * 1e6,
        receiver_seconds / took,
        receiver_mb,
        said["cpu_seconds"] / took,
        kafka_seconds / took,
        machine_cores,
    )


@asynccontextmanager
async def _role(kafka: str, inbox: Inbox, port: int) -> AsyncIterator[int]:
    """Run the role receive; yield its process id."""
    source = {"name": "typeform", "tool": "typeform", "secrets": [_SECRET]}
    more = {"NPS_RECEIVE__PORT": str(port), "NPS_RECEIVE__SOURCES": json.dumps([source])}
    async with worker(kafka, inbox, _NAME, ("receive",), more) as [(_, receiver)]:
        yield receiver


@asynccontextmanager
async def _bare(kafka: str, port: int) -> AsyncIterator[int]:
    """Run a bare server of the same libraries (contenders/bare_receiver.py); yield its process id."""
    topic = f"{_NAME}.responses"
    await feed.create(kafka, 4, topic)
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(sys.executable, "-m", "bench.contenders.bare_receiver", kafka, str(port), topic, _SECRET),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"ready\n":
            raise BenchError("the bare server has not started")
        yield process.pid
    finally:
        process.kill()
        await process.wait()


class _Busy:
    """How much CPU time the receiver, Kafka and the whole machine take."""

    def __init__(self, receiver: int, kafka: int) -> None:
        self._receiver, self._kafka = psutil.Process(receiver), psutil.Process(kafka)
        self._before, self._began = self._seconds(), time.monotonic()

    def now(self) -> tuple[float, float, float, float]:
        """Return the CPU seconds of the receiver and of Kafka, the machine's busy cores, and the receiver's MB.

        The machine is also busy before the first delivery, while the program that posts makes them.
        """
        elapsed = time.monotonic() - self._began
        receiver, kafka, machine = (after - before for before, after in zip(self._before, self._seconds(), strict=True))
        return receiver, kafka, machine / elapsed, self._receiver.memory_info().rss / 1e6

    def _seconds(self) -> tuple[float, float, float]:
        of = [process.cpu_times() for process in (self._receiver, self._kafka)]
        machine = psutil.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        receiver, kafka = (times.user + times.system for times in of)
        return receiver, kafka, sum(machine) - idle


async def _posted(plan: dict[str, Any]) -> dict[str, Any]:
    """Run the program that posts; return what it says."""
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(sys.executable, "-m", "bench.posting"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(json.dumps(plan).encode())
    if process.returncode:
        raise BenchError(f"the program that posts failed:\n{err.decode(errors='replace')[-2_000:]}")
    said: dict[str, Any] = json.loads(out)
    return said


async def _count(kafka: str, topic: str) -> int:
    """Return how many records a topic holds."""
    async with reading.reader(KafkaSettings(bootstrap_servers=kafka)) as reader:
        partitions = await reader.partitions(topic)
        starts, ends = await reader.starts(topic, partitions), await reader.ends(topic, partitions)
    return sum(ends[partition] - starts[partition] for partition in partitions)


def text(found: Found) -> str:
    """Return the figures for people."""
    delays = found.delays
    return (
        f"{found.rate:,.0f} deliveries a second of {found.request_bytes:,} bytes each, acknowledged by Kafka: "
        f"p50 {delays.p50:.1f}, p99 {delays.p99:.1f}, at most {delays.most:.0f} ms, of {delays.n:,}\n"
        f"receiver: {found.receiver_us:.0f} µs of CPU time for each, {found.receiver_cores:.2f} cores, "
        f"{found.receiver_mb:.0f} MB\n"
        f"the program that posts: {found.client_cores:.2f} cores; at most {found.most_waiting} requests waited\n"
        f"Kafka: {found.kafka_cores:.2f} cores; the whole machine: {found.machine_cores:.2f} of {os.cpu_count()} cores"
    )


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
