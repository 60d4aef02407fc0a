"""How many mails a receiver gets when many customers are unhappy in a minute: python -m bench.flood [--customers N].

A Kafka and a mail server of its own, and one worker process for each role. Every customer gives one answer that raises
an alert; one of a hundred is critical. The receiver has at most 6 mails an hour, and 2 about one critical alert each.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.feed import Feed
from bench.latency import Numbered, publish, worker
from bench.measure import BenchError
from bench.rates import cpu_seconds
from worker.embedded.inbox import Inbox, Mail
from worker.embedded.kafka import EmbeddedKafka

_CUSTOMERS, _SECONDS = 2_000, 60.0
#: How long after the last answer the last mail may come, in seconds. A digest of critical alerts waits for a minute.
_LAST_SECONDS = 120.0
_NAME = "flood"
#: One answer in so many is critical.
_CRITICAL_EVERY = 100
#: Three alerts come as mails of their own, and the other three mails are digests. With a shorter interval, the mails
#: would be used up before the last answer, and what comes after them would wait for the next hour.
_CAPS = {
    "NPS_EMAIL__MAILS_PER_HOUR": "6",
    "NPS_EMAIL__CRITICAL_PER_HOUR": "2",
    "NPS_EMAIL__GROUP_INTERVAL_SECONDS": "30",
}


class Flood(NamedTuple):
    """What a flood has caused."""

    alerts: int
    mails: int
    #: The numbers of alerts in the mails' texts that are there once, and that are there more often.
    once: int
    repeated: int
    #: The CPU of the role `notify`, and from the first answer to the last mail, both in seconds.
    cpu_seconds: float
    seconds: float
    #: The largest memory of the role `notify`, and how much of it the worker had before the flood, in MB.
    peak_mb: float
    before_mb: float

    @property
    def is_exact(self) -> bool:
        """Whether each alert is in one mail, once."""
        return self.once == self.alerts and self.repeated == 0


def main() -> int:
    """Run it from the command line. The exit code is 1 if an alert is not in exactly one mail."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.flood", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=_CUSTOMERS, help="unhappy customers (default: 2000)")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="time in which they answer (default: 60)")
    asked = parser.parse_args()
    try:
        found = asyncio.run(_run(asked.customers, asked.seconds))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{found.alerts:,} alerts in {asked.seconds:g} s: {found.mails} mails; "
        f"listed exactly once, in text and in HTML: {found.once:,}; more often: {found.repeated:,}\n"
        f"notify: {found.cpu_seconds:.1f} s of CPU in {found.seconds:.0f} s; memory {found.before_mb:.0f} MB before, "
        f"{found.peak_mb:.0f} MB at most"
    )
    return 0 if found.is_exact else 1


async def _run(customers: int, seconds: float) -> Flood:
    with tempfile.TemporaryDirectory(prefix="detractor-worker-bench-") as folder:
        async with EmbeddedKafka(progress=lambda line: print(line, flush=True), data_dir=Path(folder)) as kafka:
            return await _flood(kafka.bootstrap_servers, customers, seconds)


async def _flood(kafka: str, customers: int, seconds: float) -> Flood:
    """Publish the answers, and wait until each alert is in a mail. Raise BenchError if one does not come."""
    came = asyncio.Event()
    consumer = AIOKafkaConsumer(f"{_NAME}.alerts", bootstrap_servers=kafka, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    async with (
        Inbox(on_mail=lambda _: came.set()) as inbox,
        worker(kafka, inbox, _NAME, more=_CAPS) as roles,
        consumer,
        producer,
    ):
        notify = psutil.Process(dict(roles)["notify"])
        cpu, before = cpu_seconds(notify.pid), notify.memory_info().rss
        began = time.monotonic()
        reading = asyncio.create_task(_alerts(consumer, customers))
        await publish(producer, f"{_NAME}.responses", list(_answers(customers)), customers / seconds, lambda *_: None)
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                alerts = await reading
                while not alerts <= _listed(inbox.mails, alerts, "plain").keys():
                    came.clear()
                    await came.wait()
        except TimeoutError:
            raise BenchError(
                f"after {_LAST_SECONDS:g} s, not every alert was in one of {inbox.accepted} mails"
            ) from None
        finally:
            reading.cancel()
        took = time.monotonic() - began
        used, peak = cpu_seconds(notify.pid) - cpu, _peak(notify.pid)
        in_text, in_html = (_listed(inbox.mails, alerts, kind) for kind in ("plain", "html"))
        once = sum(in_text[one] == in_html[one] == 1 for one in alerts)
        repeated = sum(max(in_text[one], in_html[one]) > 1 for one in alerts)
        return Flood(len(alerts), inbox.accepted, once, repeated, used, took, peak, before / 1e6)


def _answers(customers: int) -> Iterator[Numbered]:
    for number, (key, value) in enumerate(Feed(customers, customers=customers, known=customers).responses()):
        answer = json.loads(value) | {"score": 0 if number % _CRITICAL_EVERY == 0 else 6}
        yield number, (key, json.dumps(answer).encode())


async def _alerts(consumer: AIOKafkaConsumer, count: int) -> set[str]:
    """Return the ids of the alerts about customers, once there are so many."""
    found: set[str] = set()
    async for record in consumer:
        alert = json.loads(record.value)
        if alert["kind"] == "detractor":
            found.add(alert["alert_id"])
        if len(found) >= count:
            break
    return found


def _listed(mails: Sequence[Mail], alerts: set[str], kind: str) -> Counter[str]:
    """Return how often each alert is in the mails' texts."""
    found: Counter[str] = Counter()
    for mail in mails:
        body = mail.message.get_body((kind,))
        words = ("" if body is None else str(body.get_content())).replace("<", " ").split()
        found.update(word for word in words if word in alerts)
    return found


def _peak(pid: int) -> float:
    """Return the largest memory that a process has had, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1_024 / 1e6


if __name__ == "__main__":
    sys.exit(main())
