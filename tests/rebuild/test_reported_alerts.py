"""Histories that are made again go on from the alerts that there are, whatever rules raised them."""

import json

import msgspec
import pytest
from flow.carrying import Partition, numbered
from flow.records import Record, arrived, value

from worker.flow import events
from worker.flow.ids import make_id
from worker.flow.responses.customer import CUSTOMER_AND_RESPONSE, RESPONSE_ALONE, Answer, Contact
from worker.rebuild.reported_alerts import ReportedAlerts

KEY = b"c-1"
#: The id of an alert as version 0.1.0 made it.
OLD_ID = make_id("detractor_alert", "r-1")


def decided(*values: bytes) -> tuple[dict[bytes, bytes], list[Record]]:
    """Return a worker's rows after a customer's responses, and what it put on the alerts topic."""
    worker = Partition()
    outputs = worker.carry(numbered([Record(given, KEY) for given in values]))
    return worker.rows, arrived(outputs, events.ALERTS)


def answer(rows: dict[bytes, bytes]) -> Answer:
    [found] = msgspec.msgpack.decode(rows[KEY], type=Contact).answers
    return found


def corrected(rows: dict[bytes, bytes], records: list[Record]) -> Answer:
    alerts = ReportedAlerts()
    alerts.take(records)
    alerts.correct(rows)
    return answer(rows)


def renamed(record: Record) -> Record:
    """Return an alert as version 0.1.0 reported it."""
    return record._replace(value=json.dumps({**json.loads(record.value or b""), "alert_id": OLD_ID}).encode())


@pytest.mark.parametrize("values", [[value(score=2)], [value(score=2), value(score=9, revision=1)], [value(score=9)]])
def test_a_history_that_says_what_was_reported_stays_as_it_is(values: list[bytes]) -> None:
    rows, records = decided(*values)
    before = dict(rows)
    corrected(rows, records)

    assert rows == before


def test_an_alert_of_version_0_1_0_keeps_its_id() -> None:
    rows, [opened] = decided(value(score=2))
    assert answer(rows).scheme == CUSTOMER_AND_RESPONSE

    assert corrected(rows, [renamed(opened)]).scheme == RESPONSE_ALONE


def test_an_alert_that_todays_rules_would_not_raise_is_open_until_it_is_withdrawn() -> None:
    silent, _ = decided(value(score=9))
    _, [opened] = decided(value(score=2))
    assert answer(silent).has_alert is False
    assert corrected(silent, [opened]).has_alert

    _, steps = decided(value(score=2), value(score=9, revision=1))
    assert [json.loads(step.value or b"")["action"] for step in steps] == ["opened", "withdrawn"]
    assert corrected(silent, steps).has_alert  # the second step is of a revision that is not decided yet
    revised, _ = decided(value(score=2), value(score=8, revision=1))
    assert not corrected(revised, steps).has_alert


def test_erased_customers_and_what_is_no_alert_change_nothing() -> None:
    rows, [opened] = decided(value(score=2))
    before = dict(rows)
    others = [opened._replace(key=b"c-9"), opened._replace(value=b"{}"), opened._replace(value=b"\xff")]
    corrected(rows, [renamed(opened), opened._replace(value=None), *others])

    assert rows == before
