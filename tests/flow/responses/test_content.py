"""What a later copy or correction of a response changes: the reasons of updates, and copies that differ."""

from typing import Any

import msgspec
import pytest
from flow.carrying import Partition, identities, numbered
from flow.records import NOW, Record, of, value

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.responses.customer import Answer, Contact

UNHAPPY: dict[str, Any] = {"score": 2, "customer": {"name": "Marie"}}


def carried(*changes: dict[str, Any]) -> list[Output]:
    """Carry copies or corrections of one unhappy answer."""
    return Partition().carry(numbered([Record(value(**(UNHAPPY | change))) for change in changes]))


def steps(outputs: list[Output]) -> list[tuple[str, str]]:
    return [(alert["action"], alert["reason"]) for alert in of(events.ALERTS, outputs)]


def outcomes(outputs: list[Output]) -> list[str]:
    return [decision["outcome"] for decision in of(events.DECISIONS, outputs)]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({}, {"comment": "Late"}, "comment_added"),
        ({"comment": ""}, {"comment": "Late"}, "comment_added"),
        ({"comment": " \u200b\n"}, {"comment": "Late"}, "comment_added"),
        ({"comment": "Late"}, {"comment": "Late, and rude"}, "comment_changed"),
        ({"comment": "Late"}, {}, "comment_changed"),
        ({}, {"consent": {"callback": True}}, "consent_changed"),
        ({"consent": {"callback": True}}, {}, "consent_changed"),
        ({}, {"consent": {"marketing": True}}, "consent_changed"),
        ({}, {"score": 3}, "corrected"),
        ({}, {"segment": ["de"]}, "corrected"),
        ({}, {}, "corrected"),
        ({}, {"score": 3, "comment": "Late", "consent": {"callback": True}}, "comment_added"),
        ({"comment": "Late"}, {"comment": "Lost", "consent": {"callback": True}}, "comment_changed"),
        ({}, {"score": 0, "consent": {"callback": True}}, "consent_changed"),
    ],
    ids=str,
)
def test_an_update_says_what_a_caller_most_needs_to_know(
    first: dict[str, Any], second: dict[str, Any], reason: str
) -> None:
    outputs = carried(first, second | {"revision": 1})

    assert steps(outputs) == [("opened", "detractor"), ("updated", reason)]


def test_of_an_answer_that_version_0_1_0_decided_nobody_knows_what_it_said() -> None:
    partition = Partition()
    old = ["r-1", 0, 2, "fr/shop-3", NOW, True, NOW, "autumn"]
    partition.rows[b"c-1"] = msgspec.msgpack.encode([0, [old], None])
    same, corrected = value(**UNHAPPY), value(**UNHAPPY, revision=1, comment="Late")
    outputs = partition.carry([Record(same, offset=1), Record(corrected, offset=2)])

    assert outcomes(outputs) == ["duplicate", "revised"]
    assert steps(outputs) == [("updated", "corrected")]


def test_a_row_of_this_version_is_read_by_the_one_before() -> None:
    """It knows eight fields of an answer and three of a customer, and leaves what follows."""

    class OldAnswer(msgspec.Struct, array_like=True):
        response_id: str
        revision: int
        score: int
        segment: str
        at: int
        counted: bool
        arrived_at: int
        survey_id: str = ""

    class OldContact(msgspec.Struct, array_like=True):
        mark: int = -1
        answers: list[OldAnswer] = []
        invited_at: int | None = None

    partition = Partition()
    partition.carry([Record(value(**UNHAPPY))])
    row = partition.rows[b"c-1"]

    answer = msgspec.msgpack.decode(row, type=OldContact).answers[0]
    now: Answer = msgspec.msgpack.decode(row, type=Contact).answers[0]
    assert (answer.response_id, answer.score, answer.survey_id) == (now.response_id, now.score, now.survey_id)


@pytest.mark.parametrize(
    "more",
    [
        {"comment": "Late"},
        {"consent": {"callback": True}},
        {"follow_up_requested": True},
        {"customer": {"name": "Marie", "email": "m@example.org"}},
        {"customer": {"name": "Marie", "phone": "+33 1"}, "comment": "Late", "score": 3},
    ],
    ids=str,
)
def test_a_copy_that_says_more_is_taken_and_both_are_known_from_then_on(more: dict[str, Any]) -> None:
    outputs = carried({}, more, more, {})

    assert outcomes(outputs) == ["accepted", "revised", "duplicate", "differs"]
    assert [action for action, _ in steps(outputs)] == ["opened", "updated"]
    assert len(identities([output for output in outputs if output.topic == events.ALERTS])) == 2
    assert len({alert["alert_id"] for alert in of(events.ALERTS, outputs)}) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"score": 3}),
        ({}, {"responded_at": "2023-11-14T21:00:00Z"}),
        ({}, {"customer": {}}),
        ({"comment": "Late"}, {"comment": "Lost"}),
        ({"consent": {"callback": True}}, {"comment": "Late"}),
    ],
    ids=str,
)
def test_a_copy_that_differs_without_saying_more_is_decided_as_such(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    outputs = carried(first, second, first)

    assert outcomes(outputs) == ["accepted", "differs", "duplicate"]
    assert steps(outputs) == [("opened", "detractor")]


def test_the_same_in_another_form_is_a_duplicate() -> None:
    one = {"responded_at": "2023-11-14T22:00:00Z", "comment": None}
    other = {"responded_at": "2023-11-14T23:00:00+01:00", "origin": {"system": "another"}}

    assert outcomes(carried(one, other)) == ["accepted", "duplicate"]
