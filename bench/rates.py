"""What a response costs at ordinary rates: the CPU of each process, and how long alerts and mails take."""

import asyncio
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench import feed, latency, measure, scraping
from bench.contenders.task import Task
from bench.feed import Feed
from bench.latency import DETRACTOR, LAST_SECONDS, Delays, Numbered, Watch, delays_of
from bench.measure import BenchError
from bench.throughput import CONTENDERS, QUIX, REDUCED, Contender, Environment
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import free_port
from worker.roles import Role

#: The rates, in responses per second, if no others are asked for.
RATES = (10, 100, 500)
#: The contenders with the reduced job that are measured at each rate.
_KEYS = ("faust_reduced", "quix", "aiokafka", "reduced")
#: How long responses come before the measurement begins, in seconds.
_WARM_UP_SECONDS = 5
#: How long the first response may take, from the start of its contender on, in seconds.
_READY_SECONDS = 90.0
#: A number of responses that no contender ever gets. So none ends by itself.
_NEVER = 10_000_000
#: How long an idle worker settles before it is measured, in seconds.
_SETTLE_SECONDS = 5


class Cost(NamedTuple):
    """What the reduced job took at a rate."""

    #: The CPU of its process for each response, in ms.
    cpu_ms: float
    #: How long alerts took.
    alerts: Delays


class Full(NamedTuple):
    """What the full job took at a rate, with a mail for each detractor."""

    #: The CPU of the role `process` for each response, in ms.
    process_ms: float
    #: The CPU of the role `notify` for each mail, in ms.
    notify_ms: float
    #: How many cores Kafka took.
    broker: float
    #: How many cores this program took, which publishes the responses, and receives the alerts and the mails.
    bench: float
    #: How many cores everything on the machine took, the kernel included.
    machine: float
    alerts: Delays
    mails: Delays


class Plan(NamedTuple):
    """What is measured."""

    #: The rates, in responses per second.
    rates: Sequence[int]
    #: How long each rate is measured, in seconds.
    seconds: int
    #: How many processes have the role `notify`.
    notify: int = 1
    #: Whether only the full job is measured, without the reduced job of the other programs.
    full_only: bool = False
    #: The seconds between two scrapes of the metrics of the full job; 0 if metrics are off.
    scrape: float = 0.0
    #: The number of leaves of the tree of segments. The reduced job always has the usual tree.
    leaves: int = Feed(0).segments


async def run(environment: Environment, broker: int, plan: Plan) -> dict[str, float]:
    """Measure an idle worker, and each rate. Print tables, and return the figures by their names.

    `broker`: the process id of the broker.
    """
    idle = await _idle(environment, plan.seconds)
    environment.say(f"idle, all roles in one process: {idle:.2%} of a core")
    full = {rate: await _full(environment, broker, rate, plan) for rate in plan.rates}
    print(_full_table(full))
    found = {"idle_cores": idle}
    for rate, each in full.items():
        found |= {f"process_ms_{rate}": each.process_ms, f"notify_ms_{rate}": each.notify_ms}
        found |= {f"broker_cores_{rate}": each.broker, f"machine_cores_{rate}": each.machine}
        found |= {f"alert_p99_ms_{rate}": each.alerts.p99, f"mail_p99_ms_{rate}": each.mails.p99}
    return found if plan.full_only else found | await _run_reduced(environment, plan)


async def _run_reduced(environment: Environment, plan: Plan) -> dict[str, float]:
    """Measure the contenders with the reduced job. Print a table, and return what they took, compared with Quix."""
    reduced: dict[int, dict[str, Cost]] = {rate: {} for rate in plan.rates}
    contenders = {contender.key: contender for contender in CONTENDERS}
    for rate in plan.rates:
        for key in _KEYS:
            if contenders[key].needs_more and key not in environment.others:
                continue
            reduced[rate][key] = await _reduced(environment, contenders[key], rate, plan.seconds)
    print(_reduced_table(reduced))
    return {
        f"{key}_over_quix_{rate}": costs[key].cpu_ms / costs[QUIX.key].cpu_ms
        for rate, costs in reduced.items()
        if QUIX.key in costs
        for key in costs
        if key != QUIX.key
    }


def cpu_seconds(*pids: int) -> float:
    """Return the seconds of CPU that all threads of these processes have taken so far."""
    return float(sum(times.user + times.system for times in (psutil.Process(pid).cpu_times() for pid in pids)))


def _busy_seconds() -> float:
    """Return the seconds of CPU that everything on this machine has taken so far."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _numbered(rate: int, seconds: int, leaves: int = Feed(0).segments) -> tuple[list[Numbered], list[Numbered]]:
    """Return the responses to warm up with, and those that are measured."""
    first = rate * _WARM_UP_SECONDS
    responses = list(enumerate(Feed(first + rate * seconds, segments=leaves).responses()))
    return responses[:first], responses[first:]


def _detractors(responses: Sequence[Numbered]) -> int:
    return sum(json.loads(value)["score"] <= DETRACTOR for _, (_, value) in responses)


async def _idle(environment: Environment, seconds: int) -> float:
    """Return the share of a core that a worker of all roles takes while nothing comes."""
    async with Inbox() as inbox, latency.worker(environment.kafka, inbox, "rates-idle", ("all",)) as [(_, pid)]:
        await asyncio.sleep(_SETTLE_SECONDS)
        before, began = cpu_seconds(pid), time.monotonic()
        await asyncio.sleep(seconds)
        return (cpu_seconds(pid) - before) / (time.monotonic() - began)


def _roles(plan: Plan) -> list[Role]:
    notify: list[Role] = ["notify"] * plan.notify
    return ["process", *notify]


async def _full(environment: Environment, broker: int, rate: int, plan: Plan) -> Full:
    """Publish at a rate to the workers of both roles. Raise BenchError if an alert or a mail does not come."""
    name = f"rates-{rate}"
    warm_up, responses = _numbered(rate, plan.seconds, plan.leaves)
    expected = _detractors([*warm_up, *responses])
    ports = [free_port() for _ in _roles(plan)] if plan.scrape else []
    watch = Watch(expected)
    consumer = AIOKafkaConsumer(f"{name}.alerts", bootstrap_servers=environment.kafka, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=environment.kafka)
    async with (
        Inbox(on_mail=watch.mailed) as inbox,
        latency.worker(environment.kafka, inbox, name, _roles(plan), ports=ports) as workers,
        scraping.scraped(plan.scrape, ports) as scrapes,
        consumer,
        producer,
    ):
        pids = {role: [pid for other, pid in workers if other == role] for role in ("process", "notify")}
        pids |= {"broker": [broker], "bench": [os.getpid()]}
        reading = asyncio.create_task(watch.read(consumer))
        await latency.publish(producer, f"{name}.responses", warm_up, rate, watch.sent)
        before = {each: cpu_seconds(*of) for each, of in pids.items()}
        mailed, busy, began = len(watch.mails), _busy_seconds(), time.monotonic()
        await latency.publish(producer, f"{name}.responses", responses, rate, watch.sent)
        took = {each: cpu_seconds(*of) - before[each] for each, of in pids.items()}
        mailed, busy, elapsed = len(watch.mails) - mailed, _busy_seconds() - busy, time.monotonic() - began
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await watch.alerted.wait()
                await inbox.wait_for(expected)
        except TimeoutError:
            came = f"{len(watch.alerts)} alerts and {inbox.accepted} mails came"
            raise BenchError(f"{expected} alerts and as many mails expected at {rate}/s, {came}") from None
        finally:
            reading.cancel()
    alerts, mails = watch.delays(len(warm_up))
    found = Full(
        took["process"] / len(responses) * 1e3,
        took["notify"] / max(1, mailed) * 1e3,
        took["broker"] / elapsed,
        took["bench"] / elapsed,
        busy / elapsed,
        alerts,
        mails,
    )
    environment.say(
        f"{rate:,}/s, full job: {found.process_ms:.2f} ms CPU per response, {found.notify_ms:.2f} per mail, broker "
        f"{found.broker:.2f} cores, bench {found.bench:.2f}, machine {found.machine:.2f}; alerts p50 {alerts.p50:.0f}, "
        f"p99 {alerts.p99:.0f}; mails p50 {mails.p50:.0f}, p99 {mails.p99:.0f} ms"
    )
    if scrapes:
        environment.say(scraping.described(scrapes))
    return found


class _Alerted:
    """When the broker had each response, and when its alert was seen, in seconds since the epoch."""

    def __init__(self) -> None:
        self.responses: dict[str, float] = {}
        self.alerts: dict[str, float] = {}
        self._one_more = asyncio.Event()

    def sent(self, response: str, sent: "asyncio.Future[Any]") -> None:
        """Note a response."""
        self.responses[response] = sent.result().timestamp / 1_000

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Note alerts until cancelled."""
        async for record in consumer:
            alert = json.loads(record.value)
            # Faust encodes the alert as JSON a second time.
            alert = json.loads(alert) if isinstance(alert, str) else alert
            self.alerts.setdefault(alert["id"], time.time())
            self._one_more.set()

    async def until(self, count: int, seconds: float) -> None:
        """Wait until there are `count` alerts. Raise BenchError if this takes more than `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while len(self.alerts) < count:
                    self._one_more.clear()
                    await self._one_more.wait()
        except TimeoutError:
            raise BenchError(f"{count} alerts expected, {len(self.alerts)} came") from None


async def _reduced(environment: Environment, contender: Contender, rate: int, seconds: int) -> Cost:
    """Publish at a rate to a contender with the reduced job. Raise BenchError if it fails."""
    name = f"{contender.name.replace('_', '-')}-at-{rate}"
    task = Task(environment.kafka, f"{name}.source", name, _NEVER)
    # Every contender writes alerts, the worker as well, though it makes its other topics by itself.
    await feed.create(environment.kafka, task.partitions, task.topic, *{*contender.topics_of(name), f"{name}.alerts"})
    command = environment.others.get(contender.key) or measure.module(contender.name)
    warm_up, responses = _numbered(rate, seconds)
    first = next(each for each in responses if json.loads(each[1][1])["score"] <= DETRACTOR)
    alerted = _Alerted()
    consumer = AIOKafkaConsumer(f"{name}.alerts", bootstrap_servers=environment.kafka, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=environment.kafka)
    async with consumer, producer, measure.started(command, task, environment.data) as process:
        reading = asyncio.create_task(alerted.read(consumer))
        try:
            # The alert about this response shows that the contender is ready. The same response comes again below, and
            # its alert is not counted there.
            await latency.publish(producer, task.topic, [(_NEVER, first[1])], rate, alerted.sent)
            await alerted.until(1, _READY_SECONDS)
            await latency.publish(producer, task.topic, warm_up, rate, alerted.sent)
            before = cpu_seconds(process.pid)
            await latency.publish(producer, task.topic, responses, rate, alerted.sent)
            took = cpu_seconds(process.pid) - before
            await alerted.until(_detractors([*warm_up, *responses]), LAST_SECONDS)
        finally:
            reading.cancel()
    counted = {f"r-{number:08d}" for number, _ in responses if number != first[0]} & alerted.alerts.keys()
    found = Cost(
        took / len(responses) * 1e3, delays_of([alerted.alerts[each] - alerted.responses[each] for each in counted])
    )
    environment.say(
        f"{rate:,}/s, {contender.title}: {found.cpu_ms:.2f} ms CPU per response; alerts p50 {found.alerts.p50:.0f}, "
        f"p99 {found.alerts.p99:.0f} ms"
    )
    return found


def _full_table(found: Mapping[int, Full]) -> str:
    """Return a table of what the full job takes, in Markdown: cores, and p50 and p99 of the delays in ms."""
    lines = [
        "| responses/s | process, ms/response | notify, ms/mail | broker | bench | machine | alert | mail |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rate, each in found.items():
        lines.append(
            f"| {rate:,} | {each.process_ms:.2f} | {each.notify_ms:.2f} | {each.broker:.2f} | {each.bench:.2f} | "
            f"{each.machine:.2f} | {each.alerts.p50:.0f}, {each.alerts.p99:.0f} | {each.mails.p50:.0f}, "
            f"{each.mails.p99:.0f} |"
        )
    return "\n".join(lines)


def _reduced_table(found: Mapping[int, Mapping[str, Cost]]) -> str:
    """Return a table of what the reduced job takes, in Markdown: CPU per response, and how long alerts take."""
    titles = {contender.key: contender.title for contender in CONTENDERS}
    keys = [key for key in _KEYS if key in next(iter(found.values()))]
    lines = [
        f"| responses/s | {' | '.join(titles[key] for key in keys)} | {REDUCED.title}, compared with Quix Streams |",
        f"|---|{'---|' * len(keys)}---|",
    ]
    for rate, costs in found.items():
        cells = [f"{costs[key].cpu_ms:.2f} ms; p99 {costs[key].alerts.p99:.0f} ms" for key in keys]
        times = f"{costs[REDUCED.key].cpu_ms / costs[QUIX.key].cpu_ms:.1f} ×" if QUIX.key in costs else ""
        lines.append(f"| {rate:,} | {' | '.join(cells)} | {times} |")
    return "\n".join(lines)
