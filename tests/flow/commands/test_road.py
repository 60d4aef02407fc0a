"""The road of a command: it reaches its customer's cases whatever its key is, or it is refused with a reason."""

import json
from typing import Any

import pytest
from flow.carrying import spread
from flow.cases.following import COMMANDS, Following, answers, command, letters, record, resolution, step
from flow.records import NOW, Record

from schemas.alert_command import LONGEST_NOTE
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.commands import road
from worker.flow.messages import alert_command, case_log, command_text
from worker.flow.messages.case_log import MovedCommand
from worker.flow.policy import IntakePolicy


def sent(value: bytes | None, key: bytes | None = b"c-1", offset: int = 7, **more: Any) -> list[Output]:
    given = Record(value, key, offset, 2, NOW, topic=COMMANDS, **more)
    decided = road.move([given], spread, IntakePolicy())
    assert decided.rows == {}
    return decided.outputs


def written(**changes: Any) -> bytes:
    return json.dumps(command(**changes)).encode()


@pytest.mark.parametrize("key", [b"c-1", b"another", b"", None, b"\xff\x00", b"k" * 5_000])
def test_a_command_is_moved_to_the_partition_of_its_customer_whatever_its_key_is(key: bytes | None) -> None:
    (output,) = sent(written(), key)
    moved = MovedCommand(2, 7, NOW, None if key is None else key[:1_000], written())

    assert (output.topic, output.key, output.partition) == (events.CASES, b"c-1", spread(b"c-1"))
    assert case_log.read(Record(output.value, output.key)) == moved


def test_what_it_moves_is_what_the_cases_carry_out() -> None:
    following = Following()
    following.take(record(step()))
    (output,) = sent(b"\xef\xbb\xbf" + written(actor=42, at="no time", customer_id="c-1"))
    outputs = following.take(Record(output.value, output.key, topic="nps.cases"))

    assert [answer["outcome"] for answer in answers(outputs)] == ["applied"]
    found = following.case()
    assert found is not None
    assert found.acknowledged_by == "42"


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"action": "dance"}, "wrong_type", "action: must be 'acknowledge', 'assign', 'note', 'resolve'"),
        ({"actor": ""}, "id_empty", "actor: must not be empty"),
        ({"actor": None}, "wrong_type", "actor: expected a text"),
        ({"actor": "a" * 201}, "id_too_long", "actor: must have at most 200 characters"),
        ({"actor": "a\x1b"}, "id_control_character", "actor: must have no control characters"),
        ({"alert_id": ["a-1"]}, "wrong_type", "alert_id: expected a text"),
        ({"opening": 0}, "out_of_range", "opening: "),
        ({"opening": 2**31}, "out_of_range", "opening: "),
        ({"action": "assign"}, "missing_field", "assignee: is missing, and the action 'assign' needs it"),
        ({"action": "note"}, "missing_field", "note: is missing, and the action 'note' needs it"),
        ({"action": "resolve"}, "missing_field", "outcome: is missing, and the action 'resolve' needs it"),
        ({"action": "resolve", "outcome": "sold"}, "wrong_type", "outcome: "),
        ({"note": "n" * (LONGEST_NOTE + 1)}, "too_large", f"note: must have at most {LONGEST_NOTE} characters"),
        ({"action": "note", "note": ""}, "id_empty", "note: must not be empty"),
        ({"action": "note", "note": " \n\u202e"}, "missing_field", "note: is missing, and the action 'note' needs it"),
        ({"action": "assign", "assignee": "  "}, "missing_field", "assignee: is missing"),
    ],
)
def test_a_wrong_command_is_a_dead_letter_and_an_answer(changes: dict[str, Any], reason: str, detail: str) -> None:
    outputs = sent(written(**changes), b"any")
    (letter,), (answer,) = letters(outputs), answers(outputs)

    assert (letter["topic"], letter["partition"], letter["offset"], letter["reason"]) == (COMMANDS, 2, 7, reason)
    assert letter["detail"].startswith(detail)
    assert (answer["outcome"], answer["reason"], answer["detail"]) == ("refused", reason, letter["detail"])
    assert (answer["command_id"], answer["customer_id"]) == ("k-1", "c-1")
    assert {(output.key, output.partition) for output in outputs[1:]} == {(b"c-1", spread(b"c-1"))}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "not_an_object"),
        (b"", "not_json"),
        (b"acknowledge", "not_json"),
        (b'{"command_id": "\xff"}', "invalid_utf8"),
        (b"[]", "not_an_object"),
        (b"[" * 5_000, "too_deep"),
        (b"{}", "missing_field"),
        (written(command_id=""), "id_empty"),
        (written(customer_id=None), "wrong_type"),
        (b'{"command_id": "k-\\ud83d", "customer_id": "c-1"}', "missing_field"),
        (b'{"command_id": "k-1", "customer_id": "c-\\ud83d"}', "missing_field"),
        (b'{"command_id": "k-1", "customer_id": "c-1", "note": \\ud83d', "not_json"),
    ],
)
def test_what_does_not_say_whose_command_it_is_is_only_a_dead_letter(value: bytes | None, reason: str) -> None:
    outputs = sent(value)

    assert [letter["reason"] for letter in letters(outputs)] == [reason]
    assert len(outputs) == 1


def test_a_command_without_a_correct_alert_is_answered_all_the_same() -> None:
    body = command()
    del body["alert_id"]
    (answer,) = answers(sent(json.dumps(body).encode()))

    assert (answer["alert_id"], answer["reason"], answer["detail"]) == (None, "missing_field", "alert_id: is missing")


@pytest.mark.parametrize("characters", [command_text.LARGEST, 900_000])
def test_a_command_that_is_too_large_is_answered(characters: int) -> None:
    outputs = sent(written(action="note", note="n" * characters))

    assert [letter["reason"] for letter in letters(outputs)] == ["too_large"]
    (answer,) = answers(outputs)
    assert (answer["command_id"], answer["alert_id"], answer["customer_id"]) == ("k-1", "a-1", "c-1")
    assert (answer["outcome"], answer["reason"]) == ("refused", "too_large")


def test_a_note_that_was_cut_within_an_emoji_is_taken_and_an_id_is_not() -> None:
    (moved,) = sent(written(action="note", note="too late <half>").replace(b"<half>", rb"\ud83d"))
    assert moved.topic == events.CASES
    found = case_log.read(Record(moved.value, moved.key))
    assert isinstance(found, MovedCommand)
    assert alert_command.read(found.value).note == "too late \ufffd"

    outputs = sent(written(assignee="anna<half>", action="assign").replace(b"<half>", rb"\ud83d"))
    (letter,), (answer,) = letters(outputs), answers(outputs)

    assert (letter["reason"], letter["detail"]) == ("invalid_utf8", "assignee: has half of a character")
    assert (answer["command_id"], answer["reason"]) == ("k-1", "invalid_utf8")


def test_many_wrong_fields_are_named_and_none_is_quoted() -> None:
    body = {name: [] for name in command()} | {
        "note": 7,
        "via": [],
        "opening": "x",
        "assignee": [],
        "cause": [],
        "outcome": 1,
    }
    (letter,) = letters(sent(json.dumps(body).encode()))

    assert letter["detail"].count(": ") == 10
    assert letter["detail"].endswith("and 1 more")


def test_the_longest_note_fits_however_its_characters_are_written() -> None:
    (output,) = sent(written(action="note", note="😀" * LONGEST_NOTE))

    assert output.topic == events.CASES


def test_a_cloudevent_in_binary_mode_must_have_the_version_that_is_known() -> None:
    assert [o.topic for o in sent(written(), headers=[("ce_specversion", b"1.0")])] == [events.CASES]
    (letter,) = letters(sent(written(), headers=[("CE_SpecVersion", b"2.0")]))
    assert letter["reason"] == "envelope_invalid"


def test_each_record_of_a_batch_is_moved_or_refused_in_its_order() -> None:
    values = [written(), b"x", json.dumps(resolution()).encode()]
    batch = [Record(value, b"c-1", offset, topic=COMMANDS) for offset, value in enumerate(values)]
    outputs = road.move(batch, spread, IntakePolicy()).outputs

    assert [output.topic for output in outputs] == [events.CASES, events.DEAD_LETTERS, events.CASES]


def test_the_same_record_has_the_same_answer_again() -> None:
    first, again, other = sent(written(actor="")), sent(written(actor="")), sent(written(actor=""), offset=8)

    assert first == again
    assert dict(first[1].headers)["ce_id"] != dict(other[1].headers)["ce_id"]
