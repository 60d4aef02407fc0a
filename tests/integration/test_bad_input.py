"""Bad input never stops the worker and never touches its neighbours: it becomes a dead letter with its own reason."""

import base64
import json
from itertools import islice
from typing import Any

import pytest
from integration.conftest import Bench, StartBench
from integration.poison import REFUSED, STRAYS, UNTELLABLE, but
from streams.batches import GZIP, NONE, ZSTD, Raw, send

from worker.flow.record import ORIGIN_HEADER, PROOF_HEADER


async def test_each_becomes_a_dead_letter_and_its_neighbours_are_processed(bench: StartBench) -> None:
    async with bench() as running:
        for number, (_, value, _) in enumerate(REFUSED):
            await running.publish(value, b"c-1", partition=0)
            await running.publish(but(response_id=f"n-{number}"), b"c-1", partition=0)
        await running.settle()
        letters = [json.loads(r.value) for r in await running.read("dead-letters")]
        decisions = [json.loads(r.value) for r in await running.read("decisions")]

    assert [(letter["offset"], letter["reason"]) for letter in letters] == [
        (2 * number, reason) for number, (_, _, reason) in enumerate(REFUSED)
    ]
    for letter, (sentence, value, _) in zip(letters, REFUSED, strict=True):
        kept = base64.b64decode(letter["payload"])
        assert value.startswith(kept), sentence
        assert letter["payload_bytes"] == len(value), sentence
        assert letter["truncated"] == (len(kept) < len(value)), sentence
        assert (letter["topic"].endswith(".responses"), letter["partition"]) == (True, 0), sentence
    assert [d["response_id"] for d in decisions if d["outcome"] == "accepted"] == [
        f"n-{number}" for number in range(len(REFUSED))
    ]


async def test_unknown_fields_are_kept_out_and_the_response_accepted(bench: StartBench) -> None:
    async with bench() as running:
        await running.publish(but(secret_field="canary-7781"), b"c-1")
        await running.settle()
        everything = [r for topic in ("alerts", "decisions", "dead-letters") for r in await running.read(topic)]
    assert len(everything) == 2
    assert not any(b"canary-7781" in record.value for record in everything)


async def test_a_null_value_erases_the_customer_and_keeps_the_counts(bench: StartBench) -> None:
    async with bench() as running:
        await running.publish(but(customer={"email": "a@example.com", "name": "A"}), b"c-1")
        await running.publish(but(response_id="r-2", customer_id="c-2"), b"c-2")
        await running.settle()
        await running.publish(None, b"c-1")
        await running.settle()
        keys = running.rows("contacts").keys() | running.rows("outbox").keys()
        alerts = await running.read("alerts")
        invitations = await running.read("invitations")
        scores = {r.key: json.loads(r.value) for r in await running.read("scores")}
        decisions = [json.loads(r.value) for r in await running.read("decisions")]
    assert b"c-1" not in keys
    assert b"c-2" in keys
    assert [r.value is None for r in alerts if r.key == b"c-1"] == [False, True]
    assert [r.value is None for r in invitations if r.key == b"c-1"] == [True]
    assert [d["outcome"] for d in decisions if d["customer_id"] == "c-1"] == ["accepted", "erased"]
    assert scores[b""]["windows"]["all"]["n"] == 2


async def test_a_null_value_without_a_key_is_a_dead_letter(bench: StartBench) -> None:
    async with bench() as running:
        await running.publish(None, b"")
        await running.settle()
        letters = [json.loads(r.value) for r in await running.read("dead-letters")]
    assert [letter["reason"] for letter in letters] == ["no_key"]


async def test_garbage_on_the_alerts_topic_does_not_stop_the_mails(bench: StartBench) -> None:
    async with bench() as running:
        topic = f"{running.settings.topic_prefix}.alerts"
        await running.producer.send_and_wait(topic, b"{}", key=b"c-1", partition=0)
        await running.publish(but(), b"c-1")
        await running.settle()
        letters = [json.loads(r.value) for r in await running.read("dead-letters")]
        assert [letter["topic"] for letter in letters] == [topic]
        assert running.inbox.accepted == 1


async def letters_of(running: Bench) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in await running.read("dead-letters")]


@pytest.mark.parametrize("codec", [NONE, ZSTD])
async def test_a_header_whose_name_is_no_text_costs_nobody_an_answer(bench: StartBench, codec: int) -> None:
    odd: list[tuple[bytes, bytes | None]] = [(b"n\xff\xfe", b"1")]
    async with bench() as running:
        topic = f"{running.settings.topic_prefix}.responses"
        days = iter(f"2025-06-0{day}T10:00:00+02:00" for day in range(1, 7))
        for key in (b"c-1", b"somebody else"):
            answers = [but(response_id=day, responded_at=day) for day in islice(days, 3)]
            batch: list[Raw] = [(key, answer, odd if n == 1 else []) for n, answer in enumerate(answers)]
            await send(running.producer, topic, 0, batch, codec)
        await running.settle()
        decisions = [json.loads(record.value or b"") for record in await running.read("decisions")]
        letters = await letters_of(running)

    assert ["accepted"] * 6 == [decision["outcome"] for decision in decisions]
    assert letters == []


@pytest.mark.parametrize("topic", ["tallies", "hours", "cases"])
async def test_a_stray_record_among_the_workers_own_messages_disturbs_none(
    bench: StartBench, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench() as running:
        name = f"{running.settings.topic_prefix}.{topic}"
        for n, stray in enumerate(STRAYS):
            await running.producer.send_and_wait(name, stray, key=b"x" if stray is None or n % 2 else None, partition=0)
        await running.publish(but(), b"c-1")
        await running.settle()
        letters = await letters_of(running)
        scores = {record.key: json.loads(record.value or b"") for record in await running.read("scores")}

    assert [("wrong_type", name, 0)] * len(STRAYS) == [
        (one["reason"], one["topic"], one["partition"]) for one in letters
    ]
    assert scores[b""]["windows"]["all"]["n"] == 1
    assert f"{name}, partition 0, offset " in caplog.text


@pytest.mark.parametrize("time", UNTELLABLE)
async def test_an_alert_whose_time_no_mail_can_say_does_not_stop_the_mails(bench: StartBench, time: str) -> None:
    async with bench() as running:
        await running.publish(but(), b"c-1")
        await running.settle()
        (alert,) = await running.read("alerts")
        changed = json.loads(alert.value or b"") | {"occurred_at": time, "alert_id": "another"}
        topic = f"{running.settings.topic_prefix}.alerts"
        await running.producer.send_and_wait(topic, json.dumps(changed).encode(), key=b"c-1", partition=0)
        await running.publish(but(response_id="r-2", responded_at="2025-06-02T10:00:00+02:00"), b"c-1")
        await running.settle()
        letters = await letters_of(running)
        assert [(letter["reason"], letter["topic"]) for letter in letters] == [("wrong_type", topic)]
        assert running.inbox.accepted == 2


async def test_headers_that_are_too_large_to_be_sent_on_are_a_dead_letter(bench: StartBench) -> None:
    async with bench() as running:
        topic = f"{running.settings.topic_prefix}.responses"
        batch: list[Raw] = [
            (b"somebody else", but(), [(b"x", bytes(25_000_000))]),
            (b"c-1", but(response_id="r-2"), []),
        ]
        await send(running.producer, topic, 0, batch, GZIP)
        await running.settle()
        letters = await letters_of(running)
        decisions = [json.loads(record.value or b"") for record in await running.read("decisions")]

    assert [(letter["reason"], letter["offset"]) for letter in letters] == [("too_large", 0)]
    assert ["accepted"] == [decision["outcome"] for decision in decisions]


async def test_a_forged_origin_silences_nobody(bench: StartBench) -> None:
    async with bench() as running:
        topic = f"{running.settings.topic_prefix}.responses"
        await running.publish(but(response_id="first", score=9), None, partition=1)
        await running.settle()
        mark = next(record for record in await running.read("responses") if record.key == b"c-1")
        cluster = dict(mark.headers)[ORIGIN_HEADER].partition(b"/")[0].decode()
        forged = [(ORIGIN_HEADER, f"{cluster}/{topic}@1:{2**63 - 1}".encode()), (PROOF_HEADER, bytes(16))]
        await running.publish(but(response_id="forged", score=9), b"c-1", forged)
        for n in range(5):
            when = f"2025-06-0{n + 1}T10:00:00+02:00"
            await running.publish(but(response_id=f"g-{n}", score=1, responded_at=when), None, partition=1)
        await running.settle()
        alerts = [json.loads(record.value or b"") for record in await running.read("alerts")]

    assert {f"g-{n}" for n in range(5)} == {alert["response_id"] for alert in alerts}
