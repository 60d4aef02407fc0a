"""A desk whose answers turn bad, over a real Kafka and a real SMTP server: told once, and resolved once."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from integration.conftest import Bench, StartBench
from integration.topics import create

from worker.embedded.kafka import EmbeddedKafka
from worker.flow import events
from worker.flow.messages import tick
from worker.flow.policy import SegmentPolicy
from worker.kafka import topics
from worker.settings import KafkaSettings
from worker.streams.shell import Shell

DESKS = ("pay", "send", "help")
GOOD = [10, 8, 10, 3, 9, 8, 10, 10, 7, 5]
BAD = [3, 0, 8, 5, 6, 2, 10, 4, 1, 7]


async def answer(bench: Bench, since: datetime, count: int, every: timedelta, bad: str | None = None) -> datetime:
    """Publish answers to each desk; return when the next ones are due."""
    topic = f"{bench.settings.topic_prefix}.responses"
    for place in range(count):
        for desk in DESKS:
            when = since + place * every
            number = f"{desk}-{when.timestamp():.0f}"
            event = {
                "response_id": number,
                "survey_id": "autumn",
                "customer_id": number,
                "score": (BAD if desk == bad else GOOD)[place % 10],
                "responded_at": when.isoformat(),
                "segment": ["fr", desk],
            }
            await bench.producer.send(topic, json.dumps(event).encode(), key=number.encode())
    await bench.producer.flush()
    await bench.settle()
    return since + count * every


async def let_time_pass(bench: Bench, until: datetime | None = None) -> None:
    """Publish a tick to each partition of segments, as workers do: of now, or of another time."""
    stamp = None if until is None else int(until.timestamp() * 1_000)
    topic = f"{bench.settings.topic_prefix}.tallies"
    for partition in range(bench.worker.of(Shell)["process"].partitions):
        await bench.producer.send_and_wait(topic, b"", key=tick.KEY, partition=partition, timestamp_ms=stamp)
    await bench.settle()


async def ticked(bench: Bench) -> None:
    """Wait for the worker's own ticks, which come when it has started; the next ones come in an hour."""
    while len(await bench.read("tallies")) < bench.worker.of(Shell)["process"].partitions:  # noqa: ASYNC110 - Kafka raises no event
        await asyncio.sleep(0.05)


async def incidents(bench: Bench) -> list[dict[str, Any]]:
    records = [record for record in await bench.read("alerts") if (record.key or b"").startswith(b"incident:")]
    assert {dict(record.headers)["ce_type"] for record in records} <= {b"nps.incident.v1"}
    return [json.loads(record.value) for record in records]


async def test_a_desk_that_turns_bad_is_told_of_once_with_a_mail_and_resolved_with_another(
    bench: StartBench, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three weeks come at once: with one partition, in their order. Ticks of later are stamped by the test.
    monkeypatch.setattr(topics, "_NEEDS", {**topics._NEEDS, events.TALLIES: {}})
    in_order = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="incidents", partitions=1)
    await create(
        kafka.bootstrap_servers,
        "incidents.tallies",
        in_order.partitions,
        {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(48 * 3_600_000)},
    )
    now, hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0), timedelta(hours=1)
    async with bench(kafka=in_order, topic_prefix="incidents") as running:
        await ticked(running)
        fell = await answer(running, now - 500 * hour, 400, hour)
        risen = await answer(running, fell, 100, hour, bad="send")
        assert await incidents(running) == []  # nobody said what time it is
        await let_time_pass(running)
        await let_time_pass(running)
        (opened,) = await incidents(running)
        # A publisher's clock may be ahead by a day; so a test can be. A drop is not over before a day has passed.
        await answer(running, risen + hour / 12, 300, timedelta(seconds=280))
        await let_time_pass(running, risen + 25 * hour)
        _, resolved = await incidents(running)
        scores = {record.key: json.loads(record.value) for record in await running.read("scores")}
        mails = [mail for mail in running.inbox.mails if "NPS" in mail.message["Subject"]]

    assert ("fr/send", "opened", "critical") == (opened["segment"], opened["action"], opened["severity"])
    assert abs(datetime.fromisoformat(opened["since"]) - fell) <= timedelta(hours=24)
    assert abs(opened["before"]["nps"] - 30) <= 3
    assert abs(opened["after"]["nps"] + 60) <= 12
    assert ("fr/send", "resolved", "recovered") == (resolved["segment"], resolved["action"], resolved["reason"])
    assert opened["alert_id"] == resolved["alert_id"]
    assert [mail.message["X-NPS-Alert-Id"] for mail in mails] == [opened["alert_id"]] * 2
    assert ["[Critical]", "[Resolved]"] == [str(mail.message["Subject"]).split()[0] for mail in mails]
    assert scores[b""]["windows"]["all"]["n"] == scores[b"/survey/autumn"]["windows"]["all"]["n"] == 2_400


async def test_too_many_segments_are_an_incident_with_a_mail_until_there_is_room_for_a_day(
    bench: StartBench, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "_NEEDS", {**topics._NEEDS, events.TALLIES: {}})
    # Ticks of later are stamped by the test.
    await create(
        kafka.bootstrap_servers,
        "crowd.tallies",
        1,
        {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(48 * 3_600_000)},
    )
    sections: dict[str, Any] = {
        "kafka": KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="crowd", partitions=1),
        "topic_prefix": "crowd",
    }
    now, hour = datetime.now(UTC), timedelta(hours=1)
    # The root, "fr" and one more: "fr/pay", "fr/send", "fr/help" and a survey would be.
    async with bench(**sections, segments=SegmentPolicy.model_construct(most=3)) as running:
        await ticked(running)
        await answer(running, now - hour, 3, timedelta(minutes=1))
        await let_time_pass(running)
        await answer(running, now - hour, 3, timedelta(minutes=1))
        await let_time_pass(running)
        (opened,) = await incidents(running)
        counted = {record.key for record in await running.read("scores")}
        (begin,) = [mail for mail in running.inbox.mails if mail.message["X-NPS-Alert-Id"] == opened["alert_id"]]

    async with bench(**sections, segments=SegmentPolicy.model_construct(most=30)) as running:
        await answer(running, now - hour / 2, 1, hour)
        await let_time_pass(running, now + hour)
        await let_time_pass(running, now + 24 * hour)
        assert await incidents(running) == [opened]
        await let_time_pass(running, now + 26 * hour)
        _, resolved = await incidents(running)
        counted_later = {record.key for record in await running.read("scores")}
        (_, end) = [mail for mail in running.inbox.mails if mail.message["X-NPS-Alert-Id"] == opened["alert_id"]]

    assert len(counted) == 3
    assert counted_later == {b"", b"fr", b"fr/pay", b"fr/send", b"fr/help", b"/survey/autumn"}
    assert ("too_many_segments", "opened", "left_out") == (opened["kind"], opened["action"], opened["reason"])
    assert (opened["segments"], opened["most"], opened["severity"]) == (3, 3, "error")
    assert opened["example"].encode() in counted_later - counted
    assert ("resolved", "room_again", 6, 30) == tuple(
        resolved[name] for name in ("action", "reason", "segments", "most")
    )
    assert resolved["alert_id"] == opened["alert_id"]
    assert begin.message["Subject"] == "[Error] Too many segments and surveys"
    plain = begin.message.get_body(("plain",))
    assert plain is not None
    assert opened["example"] in plain.get_content()
    assert end.message["Subject"] == "[Resolved] New segments are counted again"


async def test_windows_move_on_when_nothing_arrives(bench: StartBench) -> None:
    async with bench() as running:
        await ticked(running)
        await answer(running, datetime.now(UTC) - timedelta(days=3), 24, timedelta(hours=1))
        before = {record.key: json.loads(record.value) for record in await running.read("scores")}
        await let_time_pass(running)
        after = {record.key: json.loads(record.value) for record in await running.read("scores")}

    assert before.keys() == after.keys()
    assert [before[b""]["windows"][name]["n"] for name in ("24h", "7d")] == [72, 72]
    assert [after[b""]["windows"][name]["n"] for name in ("24h", "7d")] == [0, 72]
    assert {event["windows"]["24h"]["n"] for event in after.values()} == {0}
    assert min(datetime.fromisoformat(event["as_of"]) for event in after.values()) > datetime.now(UTC) - timedelta(
        minutes=5
    )
