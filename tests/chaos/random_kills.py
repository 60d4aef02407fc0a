"""Workers are killed at random while responses come in; at the end everything equals an independent recount.

    make kills ARGS="--seconds 180 --workers 2"

Only the times of the kills differ between runs with one seed: they fall where the machine happens to be.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from integration.conftest import read_topic
from integration.processes import Process, start_worker
from integration.recount import Recount
from integration.sampling import Published, workload

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka

PARTITIONS = 4
_MAILS_PATIENCE_SECONDS = 60.0
#: In the order of travel: once a topic is done, only those after it can still grow.
TRAVEL = {"process": ("responses", "tallies"), "notify": ("alerts",)}


@dataclass
class Plan:
    """What to do: how many responses over how long, and how often somebody is killed."""

    name: str
    seed: int
    responses: int
    seconds: float
    mean_life_seconds: float
    roles: tuple[str, ...]


@dataclass
class Report:
    """What came of it; `wrong` has a line for each difference from the recount."""

    kills: int = 0
    responses: int = 0
    segments: int = 0
    alerts: int = 0
    alert_records: int = 0
    invitations: int = 0
    mails: int = 0
    mail_copies: int = 0
    caught_up_seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def run(plan: Plan, kafka: EmbeddedKafka, inbox: Inbox, say: Callable[[str], None]) -> Report:
    """Publish, kill, heal, and compare."""
    records = workload(plan.responses, plan.seed)
    report = Report(responses=len(records))
    with tempfile.TemporaryDirectory() as folder:
        crew = [Worker(plan, index, role, kafka, inbox, Path(folder)) for index, role in enumerate(plan.roles)]
        try:
            await asyncio.gather(*(worker.start() for worker in crew))
            await asyncio.gather(*(worker.ready() for worker in crew))
            say(f"{len(crew)} workers are ready, publishing {len(records):,} responses")
            killing = [asyncio.create_task(worker.live_dangerously()) for worker in crew]
            publishing = asyncio.create_task(publish(plan, kafka, records))
            await asyncio.wait([publishing, *killing], return_when=asyncio.FIRST_EXCEPTION, timeout=plan.seconds)
            await publishing
            for task in killing:
                task.cancel()
            await asyncio.gather(*killing, return_exceptions=True)
            report.kills = sum(worker.kills for worker in crew)
            began = time.monotonic()
            say(f"{report.kills} kills; waiting until the survivors have caught up")
            await asyncio.gather(*(worker.restart_if_dead() for worker in crew))
            await caught_up(plan, kafka)
            if "notify" in plan.roles:
                await mailed(plan, kafka, inbox)
            report.caught_up_seconds = time.monotonic() - began
            for worker in crew:
                await worker.stop()
        finally:
            for worker in crew:
                await worker.kill()
    await compare(plan, records, kafka, inbox, report)
    return report


class Worker:
    """One worker process, and how often it was killed."""

    def __init__(self, plan: Plan, index: int, role: str, kafka: EmbeddedKafka, inbox: Inbox, folder: Path) -> None:
        self.kills = 0
        self._role = role
        self._rng = random.Random(f"{plan.seed}-{index}")
        self._mean = plan.mean_life_seconds
        self._process: Process | None = None
        self._env = {
            "NPS_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "NPS_KAFKA__GROUP": plan.name,
            "NPS_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "NPS_KAFKA__BATCH_RECORDS": "200",
            "NPS_TOPIC_PREFIX": plan.name,
            "NPS_SMTP__HOST": inbox.host,
            "NPS_SMTP__PORT": str(inbox.port),
            "NPS_SMTP__TLS": "none",
            "NPS_STATUS_FILE": str(folder / f"status-{index}"),
            "NPS_LOG_LEVEL": "INFO",
        }

    async def start(self) -> None:
        self._process = await start_worker("run", "--role", self._role, env=self._env)

    async def ready(self) -> None:
        assert self._process is not None
        await self._process.said("started")

    async def live_dangerously(self) -> None:
        """Be killed and started again, until cancelled."""
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / self._mean))
            await self.kill()
            self.kills += 1
            await self.start()

    async def restart_if_dead(self) -> None:
        """Be there for the healing, also if the last kill left nobody."""
        if self._process is None or self._process.ended:
            await self.start()

    async def stop(self) -> None:
        assert self._process is not None
        code = await self._process.end(signal.SIGTERM)
        assert code == 0, (code, self._process.lines)

    async def kill(self) -> None:
        if self._process is not None:
            await self._process.end(signal.SIGKILL)


async def publish(plan: Plan, kafka: EmbeddedKafka, records: list[Published]) -> None:
    """Publish evenly over the time, in order."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, enable_idempotence=True, linger_ms=5)
    await producer.start()
    began = time.monotonic()
    try:
        for number, record in enumerate(records):
            ahead = number * plan.seconds / len(records) - (time.monotonic() - began)
            if ahead > 0.01:
                await asyncio.sleep(ahead)
            await producer.send(f"{plan.name}.responses", record.value, key=record.key, headers=record.headers)
        await producer.flush()
    finally:
        await producer.stop()


async def caught_up(plan: Plan, kafka: EmbeddedKafka) -> None:
    """Wait until the committed offsets are at the end of every topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    asking = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    await asking.start()
    try:
        for role in dict.fromkeys(plan.roles):
            for topic in TRAVEL[role]:
                places = [TopicPartition(f"{plan.name}.{topic}", n) for n in range(PARTITIONS)]
                while True:
                    ends = await asking.end_offsets(places)
                    done = await admin.list_consumer_group_offsets(f"{plan.name}-{role}", partitions=places)
                    if all(end == 0 or done[place].offset == end for place, end in ends.items()):
                        break
                    await asyncio.sleep(0.2)
    finally:
        await asking.stop()
        await admin.close()


async def mailed(plan: Plan, kafka: EmbeddedKafka, inbox: Inbox) -> None:
    """Wait until as many different mails arrived as alerts were opened; give up, and let it show, after a while."""
    records = await read_topic(kafka.bootstrap_servers, f"{plan.name}.alerts")
    alerts = [json.loads(record.value) for record in records]
    expected = len({(alert["alert_id"], alert["revision"]) for alert in alerts if alert["action"] == "opened"})
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_MAILS_PATIENCE_SECONDS):
            count = expected
            while len({mail.message["Message-ID"] for mail in await inbox.wait_for(count)}) < expected:
                count = inbox.accepted + 1


async def compare(plan: Plan, records: list[Published], kafka: EmbeddedKafka, inbox: Inbox, report: Report) -> None:
    """Note every difference between the topics and a recount of the input."""

    async def events(topic: str) -> list[dict[str, Any]]:
        found = await read_topic(kafka.bootstrap_servers, f"{plan.name}.{topic}")
        return [json.loads(record.value) for record in found]

    recount = Recount()
    for record in records:
        if record.event is not None:
            recount.take(record.event)
    alerts = await events("alerts")
    _compare_alerts(report, alerts, recount)
    invitations = {(i["customer_id"], i["response_id"], i["invitation_id"]) for i in await events("invitations")}
    report.invitations = len(invitations)
    _differ(report, "invitations", {pair[:2] for pair in invitations}, set(recount.invited.items()))
    letters = {letter["dead_letter_id"]: letter["reason"] for letter in await events("dead-letters")}
    if Counter(letters.values()) != Counter(record.reason for record in records if record.reason):
        report.wrong.append("dead letters differ")
    _compare_scores(report, {event["segment"]: event for event in await events("scores")}, recount)
    if "notify" in plan.roles:
        _compare_mails(report, alerts, inbox)


def _differ(report: Report, what: str, found: set[Any], expected: set[Any]) -> None:
    if found != expected:
        report.wrong.append(f"{what}: {len(expected - found)} missing, {len(found - expected)} too many")


def _compare_alerts(report: Report, alerts: list[dict[str, Any]], recount: Recount) -> None:
    report.alert_records, report.alerts = len(alerts), len({alert["alert_id"] for alert in alerts})
    _differ(report, "alerts", {alert["response_id"] for alert in alerts}, recount.alerts)
    if report.alerts != len(recount.alerts):
        report.wrong.append(f"alert ids: {report.alerts} for {len(recount.alerts)} unhappy responses")


def _compare_scores(report: Report, scores: dict[str, dict[str, Any]], recount: Recount) -> None:
    expected = recount.windows()
    report.segments = len(expected)
    _differ(report, "segments", set(scores), set(expected))
    for path, windows in expected.items():
        for name, counts in windows.items():
            found = scores.get(path, {"windows": {}})["windows"].get(name, {})
            if {key: found.get(key) for key in counts} != counts:
                report.wrong.append(f"{path or 'root'} {name}: {found.get('n')} answers, {counts['n']} expected")


def _compare_mails(report: Report, alerts: list[dict[str, Any]], inbox: Inbox) -> None:
    opened = {(alert["alert_id"], alert["revision"]) for alert in alerts if alert["action"] == "opened"}
    copies = Counter(mail.message["Message-ID"] for mail in inbox.mails)
    report.mails, report.mail_copies = len(copies), sum(copies.values())
    if report.mails != len(opened):
        report.wrong.append(f"mails: {report.mails} for {len(opened)} opened alerts")
    mailed = {mail.message["X-NPS-Alert-Id"] for mail in inbox.mails}
    _differ(report, "mailed alerts", mailed, {pair[0] for pair in opened})


async def _main(plan: Plan) -> Report:
    async with EmbeddedKafka(progress=print) as kafka, Inbox() as inbox:
        return await run(plan, kafka, inbox, print)


def main() -> int:
    """Run it from the command line; exit 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--workers", type=int, default=2, help="workers of the process role")
    parser.add_argument("--notifiers", type=int, default=0, help="workers of the notify role")
    parser.add_argument("--rate", type=float, default=500.0, help="responses per second")
    parser.add_argument("--life", type=float, default=8.0, help="mean seconds until a worker is killed")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    roles = ("process",) * asked.workers + ("notify",) * asked.notifiers
    plan = Plan("kills", asked.seed, int(asked.rate * asked.seconds), asked.seconds, asked.life, roles)
    report = asyncio.run(_main(plan))
    for key, value in vars(report).items():
        if key != "wrong":
            print(f"{key.replace('_', ' '):>18}  {value:,.1f}" if isinstance(value, float) else f"{key:>18}  {value:,}")
    for line in report.wrong:
        print(f"WRONG  {line}")
    print("exact" if not report.wrong else f"{len(report.wrong)} differences")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
