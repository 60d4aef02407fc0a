"""Bad input never stops the worker and never touches its neighbours: it becomes a dead letter with its own reason."""

import base64
import json

from integration.conftest import StartBench
from integration.poison import REFUSED, but


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
