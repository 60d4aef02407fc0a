"""The road of a foreign topic's records: what they become, where that goes, and that a replay makes no difference."""

import json
from base64 import b64decode
from typing import Any

import pytest
from flow.carrying import spread
from flow.records import NOW, Record, of
from receive.deliveries import UPSTREAM

from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.policy import IntakePolicy
from worker.flow.record import SOURCE_HEADER
from worker.receive.foreign import SLICE, Reading, decide
from worker.receive.settings import ReceiveSettings

TOPIC = "crm.public.answers"
MAPPING = {"response_id": "id", "survey_id": "survey", "score": "score", "responded_at": "at", "customer_id": "who"}


def reading(**changes: Any) -> Reading:
    usual = {"name": "crm", "topic": TOPIC, "tool": "template", "mapping": MAPPING}
    settings = ReceiveSettings.model_validate({"topics": [usual | changes]})
    (at,) = settings.topics
    return Reading(at.of_tool, settings.reading_of(at), at.unwrap, spread, IntakePolicy())


def row(number: int, **changes: Any) -> dict[str, Any]:
    usual = {"id": number, "survey": "autumn", "score": 3, "at": "2023-11-14T22:00:00Z", "who": f"c-{number}"}
    return usual | changes


def record(value: Any, offset: int = 0, **changes: Any) -> Record:
    text = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Record(text, b"any key", offset, **{"partition": 2, "topic": TOPIC, **changes})


def all_of(decided: Decided) -> list[Output]:
    outputs = []
    while True:
        assert decided.rows == {}
        outputs += decided.outputs
        if decided.rest is None:
            return outputs
        decided = decided.rest()


def test_a_delivery_becomes_a_response_in_the_partition_of_its_customer() -> None:
    (output,) = all_of(decide([record(row(7))], reading()))
    value = json.loads(output.value or b"")

    assert (output.topic, output.key, output.partition) == (events.RESPONSES, b"c-7", spread(b"c-7"))
    assert (value["response_id"], value["score"], value["origin"]) == ("crm:7", 3, {"system": "crm"})
    assert dict(output.headers)[SOURCE_HEADER] == b"crm"


@pytest.mark.parametrize("timestamp", [-1, 0, NOW, 2**60])
def test_the_time_of_a_record_which_another_program_has_set_decides_nothing(timestamp: int) -> None:
    accepted, refused = all_of(
        decide([record(row(7), timestamp=timestamp), record(b"{", 1, timestamp=timestamp)], reading())
    )

    assert accepted.topic == events.RESPONSES
    assert refused.topic == events.DEAD_LETTERS


def test_a_refused_record_becomes_one_dead_letter_that_names_its_place() -> None:
    outputs = all_of(decide([record(b"{", 41)], reading()))
    (letter,) = of(events.DEAD_LETTERS, outputs)

    assert (letter["reason"], letter["topic"], letter["partition"], letter["offset"]) == ("not_json", TOPIC, 2, 41)
    assert b64decode(letter["payload"]) == b"{"
    assert b64decode(letter["key"]) == b"any key"
    assert outputs == all_of(decide([record(b"{", 41)], reading()))


def test_answers_of_one_record_do_not_affect_each_other() -> None:
    given = [row(1), row(2, score=11), row(3), row(4, who="")]
    outputs = all_of(decide([record({"rows": given})], reading(mapping={**MAPPING, "each": "rows"})))
    (letter,) = of(events.DEAD_LETTERS, outputs)

    assert [each["response_id"] for each in of(events.RESPONSES, outputs)] == ["crm:1", "crm:3"]
    assert letter["detail"].startswith("answer 2 of 4: score: ")
    assert "; answer 4 of 4: customer_id: " in letter["detail"]


@pytest.mark.parametrize("value", [None, {"id": 1}], ids=["tombstone", "no score"])
def test_what_is_no_answer_is_ignored(value: Any) -> None:
    assert all_of(decide([record(value)], reading())) == []


def test_an_answer_that_the_intake_would_not_take_for_its_size_is_refused_here() -> None:
    mapping = {**MAPPING, "comment": "text"}
    large = record(row(7, text="x" * 1_100_000))

    assert [each["reason"] for each in of(events.DEAD_LETTERS, all_of(decide([large], reading(mapping=mapping))))] == [
        "too_large"
    ]


def test_a_row_of_debezium_is_read() -> None:
    change = {"payload": {"before": None, "after": row(7), "op": "c"}, "schema": {}}

    (output,) = all_of(decide([record(change)], reading(unwrap="debezium")))
    assert output.key == b"c-7"


def test_the_header_of_a_form_is_that_of_a_request() -> None:
    form = b"id=7&survey=autumn&score=3&at=2023-11-14T22%3A00%3A00Z&who=c-7"
    headers = [("Content-Type", b"application/x-www-form-urlencoded"), ("other", None)]

    (output,) = all_of(decide([record(form, headers=headers)], reading()))
    assert output.key == b"c-7"


def test_an_anonymous_answer_goes_to_the_same_partition_at_each_replay() -> None:
    given = [record(row(n, who=None), n) for n in range(20)]
    outputs = all_of(decide(given, reading(unknown_customers="anonymous")))

    assert {output.key for output in outputs} == {None}
    assert len({output.partition for output in outputs}) > 1
    assert outputs == all_of(decide(given, reading(unknown_customers="anonymous")))


def test_each_outcome_is_noted() -> None:
    noted: list[str] = []
    counting = reading()._replace(note=lambda outcome: noted.append(type(outcome).__name__))
    decide([record(row(1)), record(b"{", 1), record(None, 2)], counting)

    assert noted == ["Accepted", "Refused", "Ignored"]


def test_a_batch_is_decided_in_slices_that_together_have_everything_once() -> None:
    given = [record(row(n), n) for n in range(2 * SLICE + 1)]
    decided = decide(given, reading())

    assert len(decided.outputs) == SLICE
    assert [output.key for output in all_of(decided)] == [f"c-{n}".encode() for n in range(2 * SLICE + 1)]


def test_a_slice_ends_when_its_records_have_had_many_answers() -> None:
    given = [record({"rows": [row(n) for n in range(SLICE // 2)]}, offset) for offset in range(5)]
    decided = decide(given, reading(mapping={**MAPPING, "each": "rows"}))

    assert len(decided.outputs) == SLICE
    assert len(all_of(decided)) == 5 * SLICE // 2


def test_a_record_with_too_many_answers_becomes_one_dead_letter() -> None:
    outputs = all_of(decide([record({"rows": [0] * 20_000})], reading(mapping={**MAPPING, "each": "rows"})))
    (letter,) = of(events.DEAD_LETTERS, outputs)

    assert (len(outputs), letter["reason"]) == (1, "too_large")


def test_parts_of_an_answer_go_where_parts_are_put_together() -> None:
    fixture = json.loads((UPSTREAM / "survicate.json").read_text())
    body = fixture["deliveries"][0]["raw_body"].encode()
    at = {"tool": "survicate", "mapping": {}, "score_question": "12", "comment_question": "13"}

    (output,) = all_of(decide([record(body)], reading(**at, unknown_customers="anonymous")))
    assert output.topic == events.RESPONSE_PARTS
    assert output.partition == spread(output.key or b"")
