"""Answers whose publisher wants nobody to know who gave them."""

import json
from typing import Any

import pytest
from flow.carrying import Partition
from flow.records import Record, answer, of, value
from flow.responses.test_moved import outcomes, steps
from flow.responses.test_road import World, counted

from worker.flow import events
from worker.flow.ids import make_id

#: What docs/publishing.md says of the id.
ID = f"anonymous:{make_id('anonymous', 'autumn', 'a')}"
PERSON = {"name": "Marie", "email": "m@example.org", "phone": "+33 1"}


def anonymous(**changes: Any) -> bytes:
    given = answer(**({"response_id": "a", "score": 2, "anonymous": True} | changes))
    if "customer_id" not in changes:
        del given["customer_id"]
    return json.dumps(given).encode()


def world(*records: Record) -> World:
    """Publish records, each once the one before has had all its effects."""
    made = World([])
    for record in records:
        made.append(record, made.owner(record.key or b""))
        made.finish()
    return made


@pytest.mark.parametrize("key", [None, b"", b"session-7"])
@pytest.mark.parametrize(
    "customer_id", [{}, {"customer_id": None}, {"customer_id": ""}, {"customer_id": "c-7"}], ids=str
)
def test_an_anonymous_answer_counts_and_raises_an_alert_that_names_nobody(
    key: bytes | None, customer_id: dict[str, Any]
) -> None:
    found = world(Record(anonymous(customer=PERSON, **customer_id), key))
    (alert,) = of(events.ALERTS, found.sent)

    assert alert["customer_id"] == ID
    assert alert["customer"] == {"name": None, "email": None, "phone": None, "tier": None, "owner": None}
    assert outcomes(found.sent) == [(ID, "accepted")]
    assert sum(counted(found.sent)) == 1


def test_a_copy_is_a_duplicate_and_another_tools_is_none() -> None:
    found = world(*(Record(anonymous(**more), None) for more in ({}, {}, {"survey_id": "spring"})))

    assert [outcome for _, outcome in outcomes(found.sent)] == ["accepted", "duplicate", "accepted"]


def test_who_is_identified_later_takes_the_answer_over() -> None:
    named = Record(value(response_id="a", revision=1, score=9, customer_id="c-7"), b"c-7")
    found = world(Record(anonymous(), None), named)

    assert outcomes(found.sent) == [(ID, "accepted"), ("c-7", "accepted"), (ID, "moved")]
    assert [action for _, action, _ in steps(found.sent)] == ["opened", "withdrawn"]
    assert sum(counted(found.sent)) == 1


def test_nobody_is_invited() -> None:
    given = anonymous(score=10, customer=PERSON, consent={"public_review": True})

    assert of(events.INVITATIONS, world(Record(given, None)).sent) == []


@pytest.mark.parametrize("changes", [{"anonymous": False}, {"anonymous": None}], ids=str)
def test_without_a_customer_id_it_must_be_said(changes: dict[str, Any]) -> None:
    (letter,) = of(events.DEAD_LETTERS, Partition().carry([Record(anonymous(**changes), None)]))

    assert letter["reason"] == "missing_field"
    assert letter["detail"] == "customer_id: is missing, and anonymous is not true"


@pytest.mark.parametrize("changes", [{"anonymous": False}, {"anonymous": None}], ids=str)
def test_an_empty_customer_id_is_absent_in_an_anonymous_answer_only(changes: dict[str, Any]) -> None:
    (letter,) = of(events.DEAD_LETTERS, Partition().carry([Record(anonymous(customer_id="", **changes), None)]))

    assert letter["reason"] == "id_empty"
    assert letter["detail"] == "customer_id: must not be empty, unless anonymous is true"
