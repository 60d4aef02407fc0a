"""The meters of a worker with all channels, before and while its services have something to show; without Kafka."""

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP
from flow.records import Record

from schemas.dead_letter import Reason
from worker.clock import SystemClock
from worker.errors import CannotListen
from worker.flow.batch import Record as AnyRecord
from worker.flow.responses.formats.outcome import Ignored, Refused, Why
from worker.kafka import topics
from worker.metrics import catalogue, words
from worker.metrics.catalogue import METRICS, Kind, Metric, Scope
from worker.metrics.settings import MetricsSettings
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.notify.schedule import Standing
from worker.roles.build import build
from worker.roles.courier import Courier
from worker.roles.meters import Meters
from worker.roles.monitoring import monitored
from worker.roles.surroundings import Surroundings
from worker.service import Service
from worker.settings import Settings
from worker.streams.observer import ShellObserver, Spent
from worker.streams.sending import Sendable
from worker.streams.shell import Shell

NOW = 1_700_000_000_000


class Clock(SystemClock):
    def now(self) -> int:
        return NOW


class Metered:
    """The services of a worker, and its meters."""

    def __init__(self, meters: Meters, built: dict[str, Sequence[Service]]) -> None:
        self.meters = meters
        services = [service for services in built.values() for service in services]
        self.shells = {service.role: service for service in services if isinstance(service, Shell)}
        self.couriers = [service for service in services if isinstance(service, Courier)]
        meters.watch(services)

    def of(self, metric: Metric) -> Any:
        return self.meters.sample().get(metric.name)


@pytest.fixture
async def metered(monkeypatch: pytest.MonkeyPatch) -> Metered:
    async def ensure(_: Settings) -> topics.KafkaInfo:
        return topics.KafkaInfo("cluster", 3)

    async def begin_at_end(*_: object) -> bool:
        return False

    monkeypatch.setattr(topics, "ensure", ensure)
    monkeypatch.setattr("worker.kafka.changelogs.begin_at_end", begin_at_end)
    endpoint = {"url": "https://example.org/", "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
    settings = Settings.model_construct(webhook=WebhookSettings(endpoints={"crm": endpoint, "bi": endpoint}))
    meters = Meters(settings, Clock())
    return Metered(meters, await build("all", Surroundings(settings, Clock(), meters)))


async def test_before_the_start_everything_is_0_and_nothing_is_owned(metered: Metered) -> None:
    values = metered.meters.sample()
    tables = {("process", name) for name in topics.TABLES["process"]} | {("notify", "outbox"), ("notify", "plans")}

    assert {*tables, ("webhook", "webhooks"), ("webhook", "webhook-plans")} == {*values[catalogue.TABLE_ROWS.name]}
    assert {3} == {*values[catalogue.PARTITIONS.name].values()}
    assert {("process", "responses"), ("notify", "notices"), ("webhook", "alerts")} < {*values[catalogue.OWNED.name]}
    assert values[catalogue.OUTAGE.name] == {("email", "smtp"): 0, ("webhook", "crm"): 0, ("webhook", "bi"): 0}
    assert catalogue.LAG.name not in values
    assert {0} == {value for name in values.keys() - {catalogue.PARTITIONS.name} for value in values[name].values()}


async def test_every_counter_and_histogram_has_begun(metered: Metered) -> None:
    metered.meters.of_receiver(["care"])
    metered.meters.of_fetcher(["care"])
    sampled, figures = metered.meters.sample(), metered.meters.figures
    for metric in METRICS:
        if metric.kind is Kind.HISTOGRAM:
            assert figures.histograms[metric.name], metric.name
        elif metric.kind is Kind.COUNTER:
            assert figures.counters[metric.name] or sampled[metric.name], metric.name
    assert {("email",), ("webhook",)} == {*figures.histograms[catalogue.TO_DELIVERY.name]}
    assert ("process", "hours", "deciding") in figures.counters[catalogue.BATCH_SECONDS.name]


async def test_a_process_has_only_the_metrics_of_its_roles() -> None:
    meters = Meters(Settings.model_construct(), Clock())
    meters.of_shell("notify")
    begun = {name for name, series in meters.figures.counters.items() if series}
    assert begun == {catalogue.DEAD_LETTERS.name}
    meters.of_shell("process")
    begun = {name for name, series in meters.figures.counters.items() if series}
    assert begun == {
        metric.name
        for metric in METRICS
        if metric.kind is Kind.COUNTER and metric.scope in {Scope.PROCESS, Scope.GROUPS} and not metric.place
    }


async def test_deliveries_on_a_topic_are_counted_by_their_outcomes() -> None:
    meters = Meters(Settings.model_construct(), SystemClock())
    note = meters.of_topic("crm")
    for outcome in (Ignored(Why.EMPTY), Ignored(Why.DISMISSED), Refused(Reason.NOT_JSON, "")):
        note(outcome)
    found = meters.figures.counters["nps_received_total"]

    assert {labels: count for labels, count in found.items() if count} == {
        ("crm", "ignored"): 2,
        ("crm", "refused"): 1,
    }
    assert ("crm", "accepted") in found


async def test_the_meter_of_the_receiver_counts_under_each_source() -> None:
    meters = Meters(Settings.model_construct(), Clock())
    meter = meters.of_receiver(["care", "lyon"])
    counters = meters.figures.counters[catalogue.RECEIVED.name]
    begun = {source: {labels[1] for labels in counters if labels[0] == source} for source, _ in counters}
    assert begun == {source: {*words.RECEIVED} for source in ("care", "lyon", "(unknown)")}
    assert {0} == {*counters.values(), *meters.sample()[catalogue.LAST_RECEIVED.name].values()}

    meter.on_outcome("care", "accepted", 2)
    meter.on_outcome("(unknown)", "unauthentic")
    meter.on_acknowledged("care", 0.02)
    assert {("care", "accepted"): 2, ("(unknown)", "unauthentic"): 1} == {
        labels: count for labels, count in counters.items() if count
    }
    taken = meters.figures.histograms[catalogue.TO_ACKNOWLEDGEMENT.name]
    assert {("care",): [0, 1], ("lyon",): [0, 0]} == {labels: one.cumulated()[:2] for labels, one in taken.items()}
    assert {("care",): Clock().now() / 1_000, ("lyon",): 0} == meters.sample()[catalogue.LAST_RECEIVED.name]


async def test_the_meter_of_a_shell_counts_under_its_role(metered: Metered) -> None:
    spent = Spent()
    spent.deciding, spent.sending = 0.25, 0.5
    meter = metered.shells["webhook"]._observer
    assert meter is not None
    meter.on_batch("nps.alerts", [Record()] * 7, spent)
    meter.on_checkpoint("nps.alerts", 0.125)
    meter.on_sent("nps.decisions", [(b"c-1", b'{"outcome":"accepted","category":"passive"}', [], None)])
    metered.meters.sample()
    counters = metered.meters.figures.counters

    assert counters[catalogue.BATCHES.name]["webhook", "alerts"] == 1
    assert counters[catalogue.BATCH_RECORDS.name]["webhook", "alerts"] == 7
    seconds = counters[catalogue.BATCH_SECONDS.name]
    assert (seconds["webhook", "alerts", "deciding"], seconds["webhook", "alerts", "sending"]) == (0.25, 0.625)
    assert counters[catalogue.BATCHES.name]["notify", "alerts"] == 0
    assert counters[catalogue.ANSWERS.name]["passive",] == 1


async def test_a_shell_has_no_observer_or_one_or_one_that_stands_for_all() -> None:
    class Observer:
        def __init__(self) -> None:
            self.seen: list[object] = []

        def of_shell(self, role: str) -> "Observer":
            self.seen.append(role)
            return self

        def on_sent(self, topic: str, records: Iterable[Sendable]) -> None:
            self.seen.append((topic, records))

        def on_batch(self, topic: str, records: Sequence[AnyRecord], spent: Spent) -> None:
            self.seen.append((topic, records, spent))

        def on_checkpoint(self, topic: str, seconds: float) -> None:
            self.seen.append((topic, seconds))

    first, second = Observer(), Observer()
    settings, spent = Settings.model_construct(), Spent()

    def found(*given: Observer | None) -> ShellObserver | None:
        meters, spans = cast(list[Any], given)
        return Surroundings(settings, Clock(), meters, spans).observer_of("process")

    assert [found(None, None), found(first, None), found(None, second)] == [None, first, second]
    both = found(first, second)
    assert both is not None
    first.seen.clear()
    second.seen.clear()
    both.on_sent("nps.alerts", [])
    both.on_batch("nps.responses", [], spent)
    both.on_checkpoint("nps.responses", 0.5)
    expected: list[object] = [("nps.alerts", []), ("nps.responses", [], spent), ("nps.responses", 0.5)]
    assert first.seen == expected == second.seen


async def test_what_a_worker_owns_is_read_from_its_consumer_once_it_has_joined(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = metered.shells["process"]
    place, other = TP("nps.responses", 2), TP("nps.tallies", 0)
    consumer = SimpleNamespace(
        due=lambda topic: {tp: 5 for tp in (place, other) if tp.topic == topic},
        lag=lambda: {place: 9, other: 0},
        heartbeat_age=lambda: 1.5,
    )
    monkeypatch.setattr(shell.app, "_consumer", consumer)
    shell.has_joined = True

    assert metered.of(catalogue.LAG) == {("process", "responses", "2"): 9, ("process", "tallies", "0"): 0}
    assert metered.of(catalogue.OWNED)["process", "responses"] == 1
    assert metered.of(catalogue.OWNED)["process", "hours"] == 0
    assert metered.of(catalogue.HEARTBEAT_AGE) == {("process",): 1.5}


async def test_both_couriers_of_a_channel_count_together(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [courier.channel for courier in metered.couriers] == ["email", "email", "webhook", "webhook"]
    for courier, standing, outages in zip(
        metered.couriers,
        (
            Standing(2, 1, NOW - 5_000),
            Standing(1, 0, NOW - 9_000),
            Standing(3, 3, NOW + 1_000),
            Standing(1, 0, None),
        ),
        ([], [""], ["crm"], []),
        strict=True,
    ):
        monkeypatch.setattr(courier, "standing", lambda standing=standing: standing)
        monkeypatch.setattr(courier, "in_outage", lambda outages=outages: outages)

    assert metered.of(catalogue.UNSENT) == {("email",): 3, ("webhook",): 4}
    assert metered.of(catalogue.HELD) == {("email",): 1, ("webhook",): 3}
    assert metered.of(catalogue.OLDEST_UNSENT) == {("email",): 9.0, ("webhook",): 0.0}, "a clock may be late"
    assert metered.of(catalogue.OUTAGE) == {("email", "smtp"): 1, ("webhook", "crm"): 1, ("webhook", "bi"): 0}


async def test_without_an_address_nothing_is_served_or_counted() -> None:
    async with monitored(Settings.model_construct(), "all", Clock()) as monitoring:
        assert (monitoring.meters, monitoring.address) == (None, None)


async def test_an_address_that_is_taken_ends_the_start_with_the_name_of_the_setting() -> None:
    async with monitored(served_at(0), "all", Clock()) as monitoring:
        assert monitoring.address is not None
        port = monitoring.address.port
        with pytest.raises(
            CannotListen, match=rf"^no metrics and probes can be served at .*{port} \(metrics\.bind\): "
        ):
            async with monitored(served_at(port), "all", Clock()):
                pass


def served_at(port: int) -> Settings:
    return Settings.model_construct(metrics=MetricsSettings(bind=f"127.0.0.1:{port}"))
