"""Bad input never stops the worker and never touches its neighbours: it becomes a dead letter with its own reason."""

import base64
import json
from typing import Any

from integration.conftest import StartBench

GOOD: dict[str, Any] = {
    "response_id": "r",
    "survey_id": "s",
    "customer_id": "c-1",
    "score": 3,
    "responded_at": "2025-06-01T10:00:00+02:00",
    "segment": ["fr", "lyon"],
}


def but(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def without(field: str) -> bytes:
    return json.dumps({key: value for key, value in GOOD.items() if key != field}).encode()


def raw_score(text: bytes) -> bytes:
    return but(score=99).replace(b"99", text)


DEEP = b"[" * 100_000 + b"]" * 100_000

REFUSED: list[tuple[str, bytes, str]] = [
    ("words instead of JSON", b"score: 3", "not_json"),
    ("JSON that stops in the middle", but()[:40], "not_json"),
    ("an empty value", b"", "not_json"),
    ("a JSON null, which is no Kafka null", b"null", "not_an_object"),
    ("a list", b"[]", "not_an_object"),
    ("a score as a word", but(score="nine"), "score_not_integer"),
    ("a score in quotes", but(score="9"), "score_not_integer"),
    ("a score with a fraction", but(score=7.5), "score_not_integer"),
    ("a score with a zero fraction", raw_score(b"7.0"), "score_not_integer"),
    ("NaN for a score", raw_score(b"NaN"), "score_not_integer"),
    ("true for a score", but(score=True), "score_not_integer"),
    ("a score of 11", but(score=11), "score_out_of_range"),
    ("a score of -1", but(score=-1), "score_out_of_range"),
    ("no score", without("score"), "missing_field"),
    ("no response id", without("response_id"), "missing_field"),
    ("no customer id", without("customer_id"), "missing_field"),
    ("an empty response id", but(response_id=""), "id_empty"),
    ("an empty customer id", but(customer_id=""), "id_empty"),
    ("a number as an id", but(response_id=7), "wrong_type"),
    ("NUL in an id", but(response_id="a\x00b"), "id_control_character"),
    ("an escape sequence in an id", but(customer_id="\x1b[2J"), "id_control_character"),
    ("an id of 201 characters", but(response_id="x" * 201), "id_too_long"),
    ("a comment that is a list", but(comment=["a"]), "wrong_type"),
    ("a customer that is a word", but(customer="me"), "wrong_type"),
    ("a slash in a segment's name", but(segment=["fr/lyon"]), "segment_invalid"),
    ("nine levels of segments", but(segment=list("abcdefghi")), "segment_invalid"),
    ("a time without an offset", but(responded_at="2025-06-01T10:00:00"), "time_naive"),
    ("a time in the year 2925", but(responded_at="2925-06-01T10:00:00Z"), "time_future"),
    ("a day instead of a time", but(responded_at="yesterday"), "time_invalid"),
    ("bytes that are not UTF-8", but(comment="é").replace(b"\\u00e9", b"\xe9"), "invalid_utf8"),
    ("ten megabytes", but(comment="x" * 10_000_000), "too_large"),
    ("100,000 levels of nesting", DEEP, "too_deep"),
    ("100,000 levels in a field nobody reads", but()[:-1] + b', "x": ' + DEEP + b"}", "too_deep"),
]


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
