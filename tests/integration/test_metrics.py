"""Metrics and probes of a running worker: counters against a recount of the topics, and what Prometheus would read."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from aiohttp import ClientConnectorError, ClientSession
from embedded.script import Script
from integration.conftest import Bench, StartBench, make_settings
from integration.processes import environment, start_worker, worker_process
from integration.sampling import response, workload
from integration.test_cases import bodies, say
from integration.test_channels import crm, webhook  # noqa: F401 - crm is a fixture
from integration.test_process import free_port
from metrics.test_site import read
from notify.rigs import HttpServer, What

from worker.app import Worker, running
from worker.embedded.inbox import Inbox, Step
from worker.embedded.kafka import EmbeddedKafka
from worker.metrics import catalogue, words
from worker.metrics.catalogue import METRICS, Kind, Metric, Scope
from worker.metrics.settings import MetricsSettings
from worker.notify.retry import RetryPolicy
from worker.receive.settings import ReceiveSettings
from worker.settings import EmailSettings, KafkaSettings, Settings
from worker.streams.table import DurableTable

HERE = MetricsSettings(bind="127.0.0.1:0")
SOON = RetryPolicy(first_seconds=0.05, longest_seconds=0.1)

Samples = dict[str, dict[tuple[str, ...], float]]


async def ask(port: int, path: str) -> tuple[int, str]:
    async with ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


def port_of(worker: Worker) -> int:
    assert worker.probed_at is not None
    return worker.probed_at.port


async def scraped(worker: Worker) -> Samples:
    status, text = await ask(port_of(worker), "/metrics")
    assert status == 200
    return read(text)


async def probed(worker: Worker) -> list[int]:
    return [(await ask(port_of(worker), path))[0] for path in ("/livez", "/readyz", "/startupz")]


def counted(found: Samples, metric: Metric) -> Counter[tuple[str, ...]]:
    """Return the counts that are not 0, by the values of labels in the order of their names."""
    return Counter({labels: round(count) for labels, count in found[metric.name].items() if count})


def recounted(metric: Metric, events: list[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """Return how many events there are by the fields with the names of the labels."""
    return Counter(tuple(str(event[label]) for label in sorted(metric.labels)) for event in events)


async def events(running: Bench, topic: str) -> list[dict[str, Any]]:
    return [event for event in bodies(await running.read(topic)) if event is not None]


def rules_of(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rule for decision in decisions for rule in decision["rules"]]


def classed(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of the delivery log with the class of its reason."""
    reason = line["reason"]
    return {**line, "reason": f"{reason[:-2]}xx" if reason.startswith(("smtp_", "http_")) else reason}


async def test_counters_equal_a_recount_of_the_topics_and_gauges_what_there_is(  # noqa: PLR0915 - a list of equations
    bench: StartBench,
    crm: HttpServer,  # noqa: F811 - the fixture
) -> None:
    email = EmailSettings(sender="nps@example.com", to=["support@example.com"], retry=SOON)
    async with bench(metrics=HERE, email=email, webhook=webhook(crm)) as running:
        running.inbox.behaviour = Script(Step.DATA, "451 4.3.0 later", "451 4.3.0 later")
        topic = f"{running.settings.topic_prefix}.responses"
        for record in workload(600, seed=5):
            await running.producer.send(topic, record.value, key=record.key, headers=record.headers)
        await running.producer.send(topic, None, key=b"c-7")
        await running.producer.flush()
        await running.settle()
        alerts = await events(running, "alerts")
        opened = next(event for event in alerts if event["action"] == "opened")
        of = {"customer_id": opened["customer_id"], "alert_id": opened["alert_id"]}
        key = opened["customer_id"].encode()
        await say(running, key, command_id="k-1", action="acknowledge", **of)
        await say(running, key, command_id="k-2", action="acknowledge", **{**of, "actor": "bob"})
        await say(running, key, command_id="k-3", action="acknowledge", **{**of, "alert_id": "unknown"})
        await running.settle()
        alerts, decisions = await events(running, "alerts"), await events(running, "decisions")
        letters, deliveries = await events(running, "dead-letters"), await events(running, "deliveries")
        invitations = await events(running, "invitations")
        # A commit follows within a second, and so does the counter of a record whose last effect was awaited.
        found = await scraped(running.worker)
        contacts = running.rows("contacts")
        states = await probed(running.worker)

    detractors = [event for event in alerts if event["kind"] == "detractor"]
    accepted = [event for event in decisions if event["outcome"] == "accepted"]
    assert recounted(catalogue.RESPONSES, decisions) == counted(found, catalogue.RESPONSES)
    assert recounted(catalogue.ANSWERS, accepted) == counted(found, catalogue.ANSWERS)
    assert recounted(catalogue.RULE_DECISIONS, rules_of(decisions)) == counted(found, catalogue.RULE_DECISIONS)
    assert recounted(catalogue.ALERTS, detractors) == counted(found, catalogue.ALERTS)
    steps = [event for event in alerts if event["kind"] == "case"]
    assert recounted(catalogue.CASE_STEPS, steps) == counted(found, catalogue.CASE_STEPS)
    assert {"acknowledged"} <= {step["action"] for step in steps}
    refused = [{**letter, "topic": letter["topic"].rpartition(".")[2]} for letter in letters]
    assert recounted(catalogue.DEAD_LETTERS, refused) == counted(found, catalogue.DEAD_LETTERS)
    assert {letter["topic"] for letter in refused} == {"responses", "alert-commands"}
    assert recounted(catalogue.DELIVERIES, list(map(classed, deliveries))) == counted(found, catalogue.DELIVERIES)
    assert found["nps_deliveries_total"]["email", "smtp_4xx", "deferred"] == 2
    assert found["nps_invitations_total"] == {(): len(invitations)}
    first_steps = [event for event in detractors if event["action"] == "opened"]
    assert found["nps_response_to_alert_seconds_count"] == {(): len(first_steps)}
    times = found["nps_response_to_delivery_seconds_count"]
    assert len(first_steps) * 0.8 < times["email",] <= len(first_steps), "an alert may be withdrawn before its mail"
    assert times["webhook",] <= len(first_steps)

    assert (states, found["nps_ready"]) == ([200, 200, 200], {(): 1})
    assert {0} == {*found["nps_lag_records"].values()}
    assert found["nps_partitions"] == found["nps_partitions_owned"]
    assert found["nps_partitions"]["process", "responses"] == running.settings.kafka.partitions
    assert {(role, topic) for _, role, topic in found["nps_lag_records"]} == {*found["nps_partitions"]}
    assert found["nps_table_rows"]["process", "contacts"] == len(contacts)
    assert found["nps_table_bytes"]["process", "contacts"] == sum(len(key) + len(row) for key, row in contacts.items())
    for one in (catalogue.UNSENT, catalogue.HELD, catalogue.OLDEST_UNSENT):
        assert found[one.name] == {("email",): 0, ("webhook",): 0}
    assert found["nps_outage_open"] == {("email", "smtp"): 0, ("webhook", "e0"): 0}
    assert {1} == {*found["nps_recoveries_total"].values()}
    assert all(seconds > 0 for seconds in found["nps_recovery_seconds_total"].values())
    assert {0} == {*found["nps_fence_refusals_total"].values()}
    assert found["nps_rebalances_total"].keys() == {("process",), ("notify",), ("webhook",)}
    assert all(0 <= age < 10 for age in found["nps_heartbeat_age_seconds"].values())
    assert found["nps_batch_records_total"]["process", "alert-commands"] == 3
    spent = found["nps_batch_seconds_total"]
    assert all(spent[phase, "process", "responses"] > 0 for phase in catalogue.PHASES)


async def test_every_metric_that_is_documented_is_there_from_the_start(
    bench: StartBench,
    crm: HttpServer,  # noqa: F811 - the fixture
) -> None:
    """Before anything happens: what is known in advance is 0, and no value of a label is unknown."""
    async with bench(metrics=HERE, webhook=webhook(crm)) as running:
        found = await scraped(running.worker)

    for metric in (one for one in METRICS if one.scope is not Scope.RECEIVE):
        name = f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
        assert found[name], metric.name
        assert all(len(labels) == len(metric.labels) for labels in found[name])
    assert {0} == {*found["nps_responses_total"].values(), *found["nps_deliveries_total"].values()}
    for metric in (catalogue.RESPONSES, catalogue.ANSWERS):
        assert {*metric.known} == {*found[metric.name]}
    assert {(channel, reason, status) for channel in ("email", "webhook") for status, reason in words.DELIVERIES} == {
        *found["nps_deliveries_total"]
    }
    assert sum(map(len, found.values())) < 1_000


async def test_every_metric_of_the_role_receive_is_there_from_the_start(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    usual = {"secrets": ["s"], "score_question": "q"}
    sources = [
        {"name": "typeform", "tool": "typeform", **usual},
        {"name": "monkey", "tool": "surveymonkey", "api_token": "t", "api_url": "http://127.0.0.1:1", **usual},
    ]
    receive = ReceiveSettings.model_validate({"sources": sources, "port": 0})
    async with running(make_settings(kafka, inbox, metrics=HERE, receive=receive), "receive") as worker:
        found = await scraped(worker)

    for metric in (one for one in METRICS if one.scope in {Scope.RECEIVE, Scope.EVERY}):
        name = f"{metric.name}_count" if metric.kind is Kind.HISTOGRAM else metric.name
        assert found[name], metric.name
        assert all(len(labels) == len(metric.labels) for labels in found[name])
        if metric.scope is Scope.RECEIVE:
            assert {0} == {*found[name].values()}
    assert {("typeform",), ("monkey",)} == {*found["nps_received_last_timestamp_seconds"]}
    for name in ("nps_fetches_waiting", "nps_fetch_outage_open"):
        assert {("monkey",), ("(unknown)",)} == {*found[name]}


async def test_the_number_of_series_does_not_depend_on_that_of_segments(bench: StartBench) -> None:
    rng = random.Random(3)
    async with bench(metrics=HERE) as running:
        topic = f"{running.settings.topic_prefix}.responses"
        before = await scraped(running.worker)
        for number in range(10_000):
            event = response(number, rng, customers=5_000, segment=[f"s{number % 100}", f"t{number}"], score=9)
            await running.producer.send(topic, json.dumps(event).encode(), key=event["customer_id"].encode())
        await running.producer.flush()
        await running.settle()
        times = []
        for _ in range(20):
            began = perf_counter()
            _, text = await ask(port_of(running.worker), "/metrics")
            times.append((perf_counter() - began) * 1_000)
        after = read(text)
        rows = len(running.rows("segments"))

    took = f"{median(times):.0f} ms in the median, {max(times):.0f} ms at most"
    print(f"{len(times)} scrapes with {rows:,} rows of segments: {took}; {sum(map(len, after.values()))} series")
    assert rows >= 10_000
    assert found_labels(before) == found_labels(after)
    assert sum(map(len, after.values())) <= 2_000


def found_labels(found: Samples) -> dict[str, set[tuple[str, ...]]]:
    """Return the values of the labels of each metric; the lag is known only once something was fetched."""
    return {name: {*series} for name, series in found.items() if name.startswith("nps_") and name != "nps_lag_records"}


async def test_an_outage_shows_until_it_is_over_and_so_does_what_waits(
    bench: StartBench,
    crm: HttpServer,  # noqa: F811 - the fixture
) -> None:
    async with bench(metrics=HERE, webhook=webhook(crm)) as running:
        crm.does = What.BUSY
        event = {**response(1, random.Random(1)), "score": 1, "customer_id": "c-1"}
        await running.publish(json.dumps(event).encode(), b"c-1")
        while not (found := await scraped(running.worker))["nps_outage_open"]["webhook", "e0"]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert found["nps_outage_open"]["email", "smtp"] == 0
        assert found["nps_notices_unsent"]["webhook",] == 1
        assert found["nps_oldest_unsent_age_seconds"]["webhook",] > 0
        crm.does = What.ACCEPT
        await running.settle()
        found = await scraped(running.worker)

    assert found["nps_outage_open"] == {("email", "smtp"): 0, ("webhook", "e0"): 0}
    assert found["nps_notices_unsent"] == {("email",): 0, ("webhook",): 0}
    assert found["nps_response_to_delivery_seconds_count"] == {("email",): 1, ("webhook",): 1}


class Held:
    """A worker that is started in a task, since a start lasts until the state is there."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        metrics = MetricsSettings(bind=f"127.0.0.1:{self.port}")
        self._settings = settings.model_copy(update={"metrics": metrics})
        self._end = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with running(self._settings, "process"):
            await self._end.wait()

    async def stop(self) -> None:
        self._end.set()
        await self._task

    async def states(self) -> list[int]:
        return [(await ask(self.port, path))[0] for path in ("/livez", "/readyz", "/startupz")]

    async def until(self, *states: int) -> None:
        """Wait until it is alive, ready and started as these statuses say; fail with what has ended it."""
        while not self._task.done():
            with contextlib.suppress(ClientConnectorError):
                if await self.states() == [*states]:
                    return
            await asyncio.sleep(0.02)
        self._task.result()

    async def reached(self, event: asyncio.Event) -> None:
        """Wait for an event that its start causes; fail with what has ended it."""
        waiting = asyncio.create_task(event.wait())
        await asyncio.wait([waiting, self._task], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()
            raise AssertionError("the worker has ended")

    async def metrics(self) -> Samples:
        return read((await ask(self.port, "/metrics"))[1])


async def test_a_worker_is_ready_once_it_has_its_state_and_not_while_its_group_is_rebalancing(
    kafka: EmbeddedKafka, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    recover, recovering, may_go_on = DurableTable.recover, asyncio.Event(), asyncio.Event()

    async def later(self: DurableTable, *args: Any) -> bool:
        recovering.set()
        await may_go_on.wait()
        return await recover(self, *args)

    monkeypatch.setattr(DurableTable, "recover", later)
    group = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="probed", partitions=1)
    settings = make_settings(kafka, inbox, topic_prefix="probed", kafka=group)
    one = Held(settings)
    await recovering.wait()
    assert await one.states() == [200, 503, 503]
    assert await ask(one.port, "/readyz") == (503, "starting, or its group is rebalancing\n")
    assert (await one.metrics())["nps_ready"] == {(): 0}
    may_go_on.set()
    await one.until(200, 200, 200)

    may_go_on.clear()
    other = Held(settings)
    await one.until(200, 503, 200)
    may_go_on.set()
    for worker in (one, other):
        await worker.until(200, 200, 200)
    while sorted([await owned(one), await owned(other)]) != [0, 1]:  # noqa: ASYNC110 - one of them stands by
        await asyncio.sleep(0.02)
    found = await one.metrics()
    assert found["nps_rebalances_total"]["process",] >= 2
    assert {*found["nps_partitions"].values()} == {1}
    for worker in (one, other):
        await worker.stop()


async def owned(worker: Held) -> float:
    return (await worker.metrics())["nps_partitions_owned"]["process", "responses"]


async def test_a_worker_that_has_failed_is_not_alive_and_one_that_stops_is_not_ready(bench: StartBench) -> None:
    async with bench(metrics=HERE) as works:
        assert await probed(works.worker) == [200, 200, 200]
        works.worker.is_stopping = True
        assert await probed(works.worker) == [200, 503, 200]
        works.worker.is_failing = True
        assert await probed(works.worker) == [503, 503, 200]
        port = port_of(works.worker)
    with pytest.raises(ClientConnectorError):
        await ask(port, "/livez")


async def test_processes_on_one_machine_have_ports_of_their_own_and_health_asks_them(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    env = environment(kafka.bootstrap_servers, inbox, "two-ports", tmp_path)
    ports = {role: free_port() for role in ("process", "notify")}
    envs = {role: {**env, "NPS_METRICS__BIND": f"127.0.0.1:{port}"} for role, port in ports.items()}
    async with (
        worker_process("run", "--role", "process", env=envs["process"]) as deciding,
        worker_process("run", "--role", "notify", env=envs["notify"]) as mailing,
    ):
        await deciding.said("started")
        await mailing.said("started")
        for port in ports.values():
            while (await ask(port, "/readyz"))[0] != 200:  # noqa: ASYNC110 - a probe raises no event here
                await asyncio.sleep(0.05)
        healthy = await start_worker("health", env=env)
        assert await healthy.exited() == 0, healthy.lines
        found = {role: read((await ask(port, "/metrics"))[1]) for role, port in ports.items()}
        taken = await start_worker("run", env=envs["process"])
        assert await taken.exited() == 1
        assert taken.count(f"127.0.0.1, port {ports['process']} (metrics.bind)") == 1
        assert await deciding.end() == 0
        assert await mailing.end() == 0
    assert "nps_responses_total" in found["process"].keys() - found["notify"].keys()
    assert "nps_deliveries_total" in found["notify"].keys() - found["process"].keys()


async def test_a_worker_that_waits_for_kafka_is_alive_and_health_says_that_it_waits(
    inbox: Inbox, tmp_path: Path
) -> None:
    port = free_port()
    env = environment(f"127.0.0.1:{free_port()}", inbox, "no-kafka", tmp_path)
    env |= {"NPS_METRICS__BIND": f"0.0.0.0:{port}"}
    async with worker_process("run", env=env) as process:
        await process.said("trying again")
        assert [(await ask(port, path))[0] for path in ("/livez", "/readyz", "/startupz", "/metrics")] == [
            *(200, 503, 503, 200)
        ]
        unwell = await start_worker("health", env=env)
        assert await unwell.exited() == 1
        assert unwell.lines == ["the worker is not ready: waiting for Kafka"]
        assert await process.end() == 0
