"""The cases again: their log gives the rows that the worker had, with their time limits and what has happened."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from flow.cases.following import COMMANDS, CUSTOMER, POLICY, Following, command, moved, record, step, tick, told
from flow.cases.test_escalation import LEVEL, MINUTE, MOVES, SERVICE, log_of, run
from flow.records import NOW, Record
from hypothesis import given
from hypothesis import strategies as st

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.cases import road
from worker.flow.cases.case import decode_cases
from worker.flow.cases.due_index import DueIndex
from worker.flow.cases.service import ServiceLevels
from worker.flow.messages.case_log import TICK_KEY, Erasure, read
from worker.flow.policy import IntakePolicy
from worker.rebuild.cases import CasesAgain


@given(MOVES, st.integers(1, 3))
def test_rows_are_as_the_worker_had_them_however_the_log_is_cut(moves: list[Any], most: int) -> None:
    """Also if ticks are decided in several slices."""
    records = log_of(moves)
    lived = run(records)
    rebuilt = CasesAgain(COMMANDS, POLICY, IntakePolicy(), SERVICE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(road, "CUSTOMERS_PER_SLICE", most)
        rebuilt.take(records[:7])
        rebuilt.take(records[7:])

    assert rebuilt.rows == lived.rows
    head = rebuilt.head(len(records))
    assert (head.mark, head.latest_time) == (len(records) - 1, lived.latest_time)


NO_LIMITS = ServiceLevels()
OTHERS = (NO_LIMITS, ServiceLevels({"fast": LEVEL.model_copy(update={"remind_before_minutes": None})}), SERVICE)


def published(outputs: Sequence[Output]) -> list[Record]:
    """Return what is on the topic of the alerts."""
    return [
        Record(output.value or b"", output.key, topic="nps.alerts", headers=output.headers)
        for output in outputs
        if output.topic == events.ALERTS
    ]


def again(
    records: Sequence[Record], rest: Sequence[Record], alerts: Sequence[Record], service: ServiceLevels
) -> CasesAgain:
    """Rebuild the cases by service levels. `rest`: what the worker has not written."""
    rebuilt = CasesAgain(COMMANDS, POLICY, IntakePolicy(), service)
    rebuilt.take(records)
    rebuilt.look_ahead(rest[:3])
    rebuilt.look_ahead(rest[3:])
    rebuilt.number_above(alerts)
    return rebuilt


def goes_on(rebuilt: CasesAgain, service: ServiceLevels) -> Following:
    """Return a worker that has the rebuilt rows."""
    following = Following(POLICY, service)
    following.rows, following.due = dict(rebuilt.rows), DueIndex(rebuilt.rows)
    head = rebuilt.head(0)
    following.arrived, following.latest_time = dict(head.rerouted), head.latest_time
    return following


def number_of(rebuilt: CasesAgain) -> int:
    (case,) = decode_cases(rebuilt.rows[CUSTOMER]).cases
    return case.step


def test_the_next_step_has_a_number_that_no_other_settings_have_given() -> None:
    """By today's settings there is no escalation, but four reminders and escalations are on the topic of the alerts."""
    records = [record(step(service_level="fast")), *(tick(NOW + minutes * MINUTE) for minutes in (7, 10, 15, 25))]
    lived = run(records)
    rebuilt = again(records, [], published(lived.sent), NO_LIMITS)
    following = goes_on(rebuilt, NO_LIMITS)
    outputs = following.take(record(moved(command(), 1, at=NOW + 30 * MINUTE), NOW + 30 * MINUTE))

    assert [body["step"] for body in told(lived.sent)] == [2, 3, 4, 5]
    assert number_of(rebuilt) == 5
    assert [(body["action"], body["step"]) for body in told(outputs)] == [("acknowledged", 6)]


def test_a_step_that_will_be_published_again_keeps_its_number() -> None:
    """The worker ended after it had published the acknowledgement, and before it had written the row."""
    records = [record(step(service_level="fast")), tick(NOW + 7 * MINUTE)]
    rest = [record(moved(command(), 1, at=NOW + 8 * MINUTE), NOW + 8 * MINUTE)]
    lived = run([*records, *rest])
    rebuilt = again(records, rest, published(lived.sent), SERVICE)

    assert number_of(rebuilt) == 2
    assert goes_on(rebuilt, SERVICE).take(*rest) == [
        one for one in lived.sent if json.loads(one.value or b"")["step"] > 2
    ]
    # By other settings, the same number would be that of another step.
    assert number_of(again(records, rest, published(lived.sent), NO_LIMITS)) == 3


def test_if_one_step_gets_another_number_so_do_all_that_come() -> None:
    """The reminder came at 7 minutes, and comes at 8 by other settings. The note comes after it, both times."""
    later = ServiceLevels({"fast": LEVEL.model_copy(update={"remind_before_minutes": 2.0})})
    records = [record(step(service_level="fast")), tick(NOW + 7 * MINUTE)]
    note = moved(command(action="note", note="by phone"), 1, at=NOW + 9 * MINUTE)
    rest = [tick(NOW + 8 * MINUTE), record(note, NOW + 9 * MINUTE)]
    lived = run([*records, *rest])
    rebuilt = again(records, rest, published(lived.sent), later)

    assert [(body["action"], body["step"]) for body in told(lived.sent)] == [("reminded", 2), ("noted", 3)]
    outputs = goes_on(rebuilt, later).take(*rest)
    assert [(body["action"], body["step"]) for body in told(outputs)] == [("reminded", 4), ("noted", 5)]


def test_what_other_programs_publish_and_other_cases_change_no_number() -> None:
    records = [record(step(service_level="fast"))]
    (known,) = published(run([*records, tick(NOW + 7 * MINUTE)]).sent)
    body = json.loads(known.value or b"")
    others = [
        Record(b"no event", CUSTOMER, topic="nps.alerts", headers=known.headers),
        Record(b"{}", CUSTOMER, topic="nps.alerts"),
        Record(json.dumps(body | {"step": 900}).encode(), CUSTOMER, topic="nps.alerts", headers=known.headers),
        Record(json.dumps(body | {"alert_id": "a-9"}).encode(), CUSTOMER, topic="nps.alerts", headers=known.headers),
        Record(known.value, b"c-9", topic="nps.alerts", headers=known.headers),
        Record(None, CUSTOMER, topic="nps.alerts"),
    ]

    assert number_of(again(records, [], others, NO_LIMITS)) == 1
    assert number_of(again(records, [], [*others, known], NO_LIMITS)) == 2


@given(MOVES, st.integers(0, 40), st.integers(0, 40), st.sampled_from(OTHERS))
def test_whatever_is_published_after_a_rebuild_has_an_id_of_its_own_or_is_the_same_as_before(
    moves: list[Any], cut: int, more: int, service: ServiceLevels
) -> None:
    """The worker has written the rows of `cut` records, and published what `more` further records have caused."""
    records = log_of(moves)
    before = published(run(records[: cut + more]).sent)
    rebuilt = again(records[:cut], records[cut:], before, service)
    following = goes_on(rebuilt, service)
    following.take(*records[cut:])
    end = following.latest_time
    following.take(*(tick(end + minutes * MINUTE) for minutes in (10, 30)))

    # A case that the rebuild does not have yet is opened by the settings of now, as without a rebuild.
    erased = {one.key for one in records[cut:] if one.key != TICK_KEY and isinstance(read(one), Erasure)}
    old = {
        road.step_id(case, number)
        for customer, row in rebuilt.rows.items()
        if customer not in erased
        for case in decode_cases(row).cases
        for number in range(1, 100)
    }
    known = {id_of(alert): said(alert) for alert in before}
    for alert in published(following.sent):
        assert id_of(alert) not in old or known.get(id_of(alert), said(alert)) == said(alert)
    if service is SERVICE:
        assert rebuilt.rows == run(records[:cut]).rows


def id_of(alert: Record) -> str:
    return (dict(alert.headers)["ce_id"] or b"").decode()


def said(alert: Record) -> tuple[Any, ...]:
    body = json.loads(alert.value or b"")
    return body["action"], body["escalation_step"], body["command_id"], body["occurred_at"]
