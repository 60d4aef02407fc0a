"""From a response on Kafka to its alert on Kafka, and to its mail in the mailbox."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.feed import Feed
from bench.measure import ROOT, BenchError
from bench.throughput import Environment
from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.inbox import Inbox, Mail
from worker.roles import Role

RATES = (100, 500, 2_000)
_WARM_UP_SECONDS = 5
_READY_SECONDS = 60.0
#: How long the last alert and the last mail may take, in seconds.
LAST_SECONDS = 120.0
#: The highest score that raises an alert.
DETRACTOR = 6
#: Parsing the mail would take the time from the worker.
_ALERT_ID = re.compile(rb"^X-NPS-Alert-Id:\s*(\S+)", re.MULTILINE | re.IGNORECASE)

#: A response's key and value, after its number in the feed.
Numbered = tuple[int, tuple[bytes, bytes]]
#: Hears of a response, by its id, with what the broker has acknowledged.
Sent = Callable[[str, "asyncio.Future[Any]"], None]


class Delays(NamedTuple):
    """The delays of `n` alerts or mails, in ms."""

    n: int
    p50: float
    p99: float
    most: float


async def run(environment: Environment, seconds: int) -> dict[int, tuple[Delays, Delays]]:
    """Return, per rate, how long alerts and mails took."""
    found = {}
    for rate in RATES:
        found[rate] = alerts, mails = await _at(environment, rate, seconds)
        for what, delays in (("alert", alerts), ("mail", mails)):
            environment.say(
                f"{rate:,}/s, response to {what}: p50 {delays.p50:.0f}, p99 {delays.p99:.0f}, "
                f"at most {delays.most:.0f} ms, of {delays.n:,}"
            )
    return found


class Watch:
    """When each response, its alert and its mail were seen, in seconds since the epoch; `expected` have an alert."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self.responses: dict[str, float] = {}
        self.alerts: dict[str, float] = {}
        self.mails: dict[str, float] = {}
        self.alert_of: dict[str, str] = {}
        self.alerted = asyncio.Event()

    def sent(self, response: str, sent: "asyncio.Future[Any]") -> None:
        """Note a response: the time is the broker's."""
        self.responses[response] = sent.result().timestamp / 1_000

    async def read(self, consumer: AIOKafkaConsumer) -> None:
        """Note alerts until all are there."""
        async for record in consumer:
            alert = json.loads(record.value)
            if alert["kind"] != "detractor":
                continue
            self.alerts.setdefault(alert["response_id"], time.time())
            self.alert_of[alert["response_id"]] = alert["alert_id"]
            if len(self.alerts) >= self._expected:
                self.alerted.set()
                return

    def mailed(self, mail: Mail) -> None:
        """Note a mail."""
        found = _ALERT_ID.search(mail.content)
        assert found is not None
        self.mails[found[1].decode()] = time.time()

    def delays(self, first: int) -> tuple[Delays, Delays]:
        """Return how long alerts and mails took, from the response with this number on."""
        counted = [response for response in self.alerts if int(response.removeprefix("r-")) >= first]
        return (
            delays_of([self.alerts[each] - self.responses[each] for each in counted]),
            delays_of([self.mails[self.alert_of[each]] - self.responses[each] for each in counted]),
        )


async def _at(environment: Environment, rate: int, seconds: int) -> tuple[Delays, Delays]:
    """Publish at a rate, and wait for every alert and mail. Raise BenchError if they do not come."""
    name = f"latency-{rate}"
    responses = list(Feed(rate * (seconds + _WARM_UP_SECONDS)).responses())
    expected = sum(json.loads(value)["score"] <= DETRACTOR for _, value in responses)
    watch = Watch(expected)
    consumer = AIOKafkaConsumer(f"{name}.alerts", bootstrap_servers=environment.kafka, auto_offset_reset="earliest")
    producer = AIOKafkaProducer(bootstrap_servers=environment.kafka)
    async with Inbox(on_mail=watch.mailed) as inbox, worker(environment.kafka, inbox, name), consumer, producer:
        reading = asyncio.create_task(watch.read(consumer))
        await publish(producer, f"{name}.responses", list(enumerate(responses)), rate, watch.sent)
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await watch.alerted.wait()
                await inbox.wait_for(expected)
        except TimeoutError:
            raise BenchError(
                f"{expected} alerts expected, {len(watch.alerts)} and {inbox.accepted} mails came"
            ) from None
        finally:
            reading.cancel()
    return watch.delays(rate * _WARM_UP_SECONDS)


async def publish(
    producer: AIOKafkaProducer, topic: str, responses: Sequence[Numbered], rate: float, sent: Sent
) -> None:
    """Publish responses at a steady rate a second; `sent` hears of each that the broker has acknowledged."""
    began = time.monotonic()
    for count, (number, (key, value)) in enumerate(responses):
        ahead = count / rate - (time.monotonic() - began)
        if ahead > 0:
            await asyncio.sleep(ahead)
        future = await producer.send(topic, value, key=key)
        future.add_done_callback(partial(sent, f"r-{number:08d}"))


def delays_of(seconds: list[float]) -> Delays:
    """Return the figures of delays in seconds; raise BenchError if there are none."""
    found = sorted(1_000 * each for each in seconds)
    if not found:
        raise BenchError("nothing came")
    return Delays(len(found), found[len(found) // 2], found[len(found) * 99 // 100], found[-1])


@asynccontextmanager
async def worker(
    kafka: str,
    inbox: Inbox,
    name: str,
    roles: Sequence[Role] = ("process", "notify"),
    more: Mapping[str, str] = MappingProxyType({}),
    ports: Sequence[int] = (),
) -> AsyncIterator[list[tuple[Role, int]]]:
    """Run a worker for each role, as docs/operations.md recommends; yield the roles, each with its process id.

    `more`: further settings, as variables of the environment. `ports`: where the workers serve their metrics; without
    ports, they serve none.
    """
    settings = {
        "NPS_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "NPS_KAFKA__GROUP": name,
        "NPS_TOPIC_PREFIX": name,
        "NPS_SMTP__HOST": inbox.host,
        "NPS_SMTP__PORT": str(inbox.port),
        "NPS_SMTP__TLS": "none",
        "NPS_EMAIL__SENDER": "nps@example.com",
        "NPS_EMAIL__TO": '["support@example.com"]',
        **more,
    }
    async with AsyncExitStack() as stack:
        serving = [{"NPS_METRICS__BIND": f"127.0.0.1:{port}"} for port in ports] or [{} for _ in roles]
        yield [
            (role, await stack.enter_async_context(_role(role, {**settings, **metrics})))
            for role, metrics in zip(roles, serving, strict=True)
        ]


@asynccontextmanager
async def _role(role: str, settings: Mapping[str, str]) -> AsyncIterator[int]:
    run = (sys.executable, "-m", "worker", "run", "--role", role)
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(*run),
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while b'"started' not in (line := await process.stderr.readline()):
                if not line:
                    raise BenchError(f"the worker with role {role} ended at its start")
        draining = asyncio.create_task(process.stderr.read())
        yield process.pid
        process.terminate()
        await process.wait()
        await draining
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
