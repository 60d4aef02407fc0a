"""Each alarm of deploy/prometheus/rules.yml fires while real workers have its cause, and ends with it.

One test may raise several alarms.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectorError
from faust.types import Message
from ingest.fake_api import fake_api, status
from ingest.sites import RESPONSE, SECRET, post, settings_of
from integration.conftest import Bench, StartBench, make_settings
from integration.processes import Process, environment, worker_process
from integration.recording import Recording
from integration.test_fetching import Seen, order, source
from integration.test_metrics import HERE, Held, ask, port_of
from integration.test_process import free_port
from integration.test_receive import receiving
from metrics.test_site import read

from worker.clock import SystemClock
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.notify.channels.email.route import EmailRoute
from worker.receive.settings import ReceiveSettings
from worker.settings import EmailSettings, KafkaSettings
from worker.streams.lane import Lane
from worker.streams.table import DurableTable


def response(number: int, **changes: Any) -> bytes:
    event = {
        "response_id": f"r-{number}",
        "survey_id": "s",
        "customer_id": f"c-{number}",
        "score": 1,
        "responded_at": "2025-06-01T10:00:00Z",
    }
    return json.dumps({**event, **changes}).encode()


async def publish(running: Bench, number: int, **changes: Any) -> None:
    await running.publish(response(number, **changes), f"c-{number}".encode())


async def metrics(port: int) -> str:
    status, text = await ask(port, "/metrics")
    assert status == 200
    return text


async def of(running: Bench) -> str:
    return await metrics(port_of(running.worker))


async def outage(running: Bench) -> None:
    """Wait until the mail server counts as one that cannot be used."""
    while read(await of(running))["nps_outage_open"]["email", "smtp"] == 0:  # noqa: ASYNC110 - a metric is no event
        await asyncio.sleep(0.02)


async def test_a_mail_server_that_is_away_is_an_outage_and_its_mails_are_overdue_after_a_while(
    bench: StartBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recording, now = Recording(), SystemClock.now
    async with bench(metrics=HERE) as running:
        recording.keep(5, a=await of(running))
        await running.inbox.stop()
        await publish(running, 1)
        await running.until(outage(running))
        text = await of(running)
        recording.keep(1, a=text)
        recording.keep(3, "NpsOutage", a=text)
        with monkeypatch.context() as later:
            later.setattr(SystemClock, "now", lambda clock: now(clock) + 301_000)
            text = await of(running)
        recording.keep(1, "NpsOutage", a=text)
        recording.keep(2, "NpsOutage", "NpsNoticesOverdue", a=text)
        await running.inbox.start()
        await running.settle()
        recording.keep(1, a=await of(running))
        assert running.inbox.accepted == 1
    recording.verify(tmp_path)


async def test_a_mail_that_is_given_up_raises_an_alarm_for_an_hour(bench: StartBench, tmp_path: Path) -> None:
    gone = EmailRoute(name="gone", segment="gone", to=["gone@example.com"])
    settings = EmailSettings(sender="nps@example.com", to=["support@example.com"], routes=[gone])
    recording = Recording()

    async def behaviour(_: object, mail: Any) -> str | None:
        return "550 5.1.1 no such user" if mail.recipients[-1:] == ("gone@example.com",) else None

    async with bench(metrics=HERE, email=settings) as running:
        recording.keep(5, a=await of(running))
        running.inbox.behaviour = behaviour
        await publish(running, 1, segment=["gone"])
        await running.settle()
        recording.keep(5, a=await of(running))
        await publish(running, 2)
        await running.settle()
        text = await of(running)
        recording.keep(2, "NpsNoticesFailed", a=text)
        recording.keep(60, a=text)
    recording.verify(tmp_path)


async def test_alerts_that_open_late_raise_an_alarm(
    bench: StartBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The clock of the worker is put forward by 30 seconds, as if the responses had waited for so long."""
    recording, now = Recording(), SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda clock: now(clock) + 30_000)
    async with bench(metrics=HERE) as running:
        recording.keep(5, a=await of(running))
        for step, firing in enumerate(((), (), ("NpsAlertsSlow",))):
            for number in range(step * 10, step * 10 + 10):
                await publish(running, number)
            await running.settle()
            text = await of(running)
            recording.keep(5, *firing, a=text)
        recording.keep(10, a=text)
    recording.verify(tmp_path)


async def test_a_publisher_whose_records_are_refused_raises_an_alarm_and_a_single_bad_record_does_not(
    bench: StartBench, tmp_path: Path
) -> None:
    recording = Recording()
    async with bench(metrics=HERE) as running:
        recording.keep(5, a=await of(running))
        await running.publish(b"{", b"c-1")
        await running.settle()
        recording.keep(20, a=await of(running))
        for number in range(20):
            await publish(running, number, score=9)
            await publish(running, number + 20, score=11 if number % 2 else 9)
        await running.settle()
        text = await of(running)
        recording.keep(9, a=text)
        recording.keep(4, "NpsDeadLetters", a=text)
        recording.keep(10, a=text)
    recording.verify(tmp_path)


async def test_deliveries_that_are_not_authentic_raise_an_alarm_until_one_is(bench: StartBench, tmp_path: Path) -> None:
    recording = Recording()
    async with (
        bench(metrics=HERE, receive=settings_of(port=0)) as running,
        receiving(running.settings) as (client, base, receiver),
    ):
        worker = await of(running)

        async def deliver(secret: str) -> str:
            await post(client, f"{base}/by_header", json.dumps(RESPONSE).encode(), {"Authorization": secret})
            return await metrics(port_of(receiver))

        recording.keep(5, a=worker, b=await metrics(port_of(receiver)))
        recording.keep(50, a=worker, b=await deliver("wrong"))  # a stranger
        for _ in range(3):
            await deliver("wrong")
            recording.keep(10, a=worker, b=await deliver("wrong"))
        await deliver("wrong")
        recording.keep(2, "NpsDeliveriesNotTaken", a=worker, b=await deliver("wrong"))
        recording.keep(2, a=worker, b=await deliver(SECRET))
    recording.verify(tmp_path)


async def test_an_api_that_cannot_be_used_raises_an_alarm_until_it_can(bench: StartBench, tmp_path: Path) -> None:
    recording = Recording()
    async with fake_api() as api:
        receive = ReceiveSettings.model_validate({"port": 0, "sources": [source(api)]})
        async with bench(metrics=HERE, receive=receive) as running, receiving(running.settings) as (_, _, receiver):
            worker, answer = await of(running), api.answer

            async def until(is_open: float) -> str:
                while is_open != read(text := await metrics(port_of(receiver)))["nps_fetch_outage_open"]["monkey",]:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                return text

            recording.keep(5, a=worker, b=await until(0))
            api.answer = status(503)
            await Seen(running.settings).order(order("7"))
            text = await until(1)
            recording.keep(15, a=worker, b=text)
            recording.keep(2, "NpsFetchOutage", a=worker, b=text)
            api.answer = answer
            recording.keep(2, a=worker, b=await until(0))
    recording.verify(tmp_path)


async def test_a_worker_that_cannot_keep_up_raises_an_alarm_until_it_has_caught_up(
    bench: StartBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No batch goes on, and more responses come all the time, which no fetch asks for while others wait."""
    recording, run, may_go_on = Recording(), Lane.run, asyncio.Event()

    async def later(self: Lane, message: Message) -> None:
        batch: Any = message.value
        if batch.tp.topic.endswith(".responses"):
            await may_go_on.wait()
        await run(self, message)

    monkeypatch.setattr(Lane, "run", later)
    async with bench(metrics=HERE) as running:
        recording.keep(5, a=await of(running))
        topic, published = f"{running.settings.topic_prefix}.responses", 0
        for more, firing in ((1_001, ()), (300, ()), (300, ()), (300, ()), (300, ("NpsLagGrowing",))):
            for number in range(published, published + more):
                await running.producer.send(topic, response(number, score=9), key=f"c-{number}".encode())
            await running.producer.flush()
            published += more
            while lag_of(text := await of(running), "responses") != published:  # noqa: ASYNC110 - this is no event
                await asyncio.sleep(0.05)
            recording.keep(5, *firing, a=text)
        may_go_on.set()
        await running.settle()
        recording.keep(1, a=await of(running))
    recording.verify(tmp_path)


def lag_of(text: str, topic: str) -> float:
    return sum(lag for (_, _, of_topic), lag in read(text)["nps_lag_records"].items() if of_topic == topic)


async def test_a_worker_without_its_state_is_not_ready_and_nobody_owns_its_partitions(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The worker has the role process only, so the role notify cannot be seen all the time."""
    recover, recovering, may_go_on = DurableTable.recover, asyncio.Event(), asyncio.Event()

    async def later(self: DurableTable, *args: Any) -> bool:
        recovering.set()
        await may_go_on.wait()
        return await recover(self, *args)

    monkeypatch.setattr(DurableTable, "recover", later)
    recording, unseen = Recording(), "NpsNoWorker"
    group = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="alarmed")
    worker = Held(make_settings(kafka, inbox, topic_prefix="alarmed", kafka=group))
    await worker.reached(recovering)
    text = await metrics(worker.port)
    recording.keep(5, unseen, "NpsPartitionUnowned", a=text)
    recording.keep(6, unseen, "NpsPartitionUnowned", "NpsNotReady", a=text)
    may_go_on.set()
    await worker.until(200, 200, 200)
    recording.keep(1, unseen, a=await metrics(worker.port))
    await worker.stop()
    recording.verify(tmp_path)


class Fleet:
    """Processes with both roles, each at a port of its own, and what they say of themselves."""

    def __init__(self, env: dict[str, str]) -> None:
        self.ports = {name: free_port() for name in "ab"}
        self.envs = {name: {**env, "NPS_METRICS__BIND": f"127.0.0.1:{port}"} for name, port in self.ports.items()}

    async def scraped(self, *names: str) -> dict[str, str]:
        return {name: await metrics(self.ports[name]) for name in names}

    async def complete(self, **workers: Process) -> dict[str, str]:
        """Return what is scraped once these workers are ready and have all partitions between them."""
        while True:
            found = await self._scraped_if_possible(**workers)
            each = [read(text) for text in found.values()]
            if each and all(one["nps_ready"] == {(): 1} for one in each):
                total = each[0]["nps_partitions"]
                if all(sum(one["nps_partitions_owned"][at] for one in each) == total[at] for at in total):
                    return found
            await asyncio.sleep(0.05)

    async def begun(self, **workers: Process) -> dict[str, str]:
        """Return what is scraped of workers as soon as all of them answer."""
        while not (found := await self._scraped_if_possible(**workers)):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
        return found

    async def _scraped_if_possible(self, **workers: Process) -> dict[str, str]:
        """Return nothing if one of the workers does not answer yet. Fail with what one that has ended has said."""
        for worker in workers.values():
            assert not worker.ended, worker.lines[-20:]
        try:
            return await self.scraped(*workers)
        except ClientConnectorError:
            return {}


async def test_partitions_of_a_killed_worker_are_unowned_then_no_worker_is_left_and_one_starts_again_and_again(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    recording = Recording()
    fleet = Fleet(environment(kafka.bootstrap_servers, inbox, "fleet", tmp_path))
    async with worker_process("run", env=fleet.envs["a"]) as one:
        await fleet.complete(a=one)
        async with worker_process("run", env=fleet.envs["b"]) as other:
            recording.keep(5, **await fleet.complete(a=one, b=other))
        # It was killed. For as long as its session lasts, nobody else gets its partitions.
        text = await fleet.scraped("a")
        recording.keep(2, **text)
        recording.keep(2, "NpsPartitionUnowned", **text)
        recording.keep(1, **await fleet.complete(a=one))
        assert not one.ended
    recording.keep(2)
    recording.keep(2, "NpsNoWorker")
    lost = {**fleet.envs["a"], "NPS_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    for _ in range(2):
        async with worker_process("run", env=lost) as waiting:  # it waits for Kafka, and so it has no role yet
            recording.keep(1, "NpsNoWorker", **await fleet.begun(a=waiting))
    async with worker_process("run", env=fleet.envs["a"]) as last:
        text = await fleet.complete(a=last)
        recording.keep(2, "NpsRestarts", **text)
        recording.keep(30, **text)
        await last.end()
    recording.verify(tmp_path)
