"""Reminders and escalations: each happens once, at the first tick after its time, and none after what stops it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from flow.cases.following import (
    CUSTOMER,
    POLICY,
    Following,
    command,
    moved,
    record,
    resolution,
    step,
    tick,
    told,
)
from flow.records import DAY, HOUR, NOW, Record
from hypothesis import given
from hypothesis import strategies as st

from schemas.case import CaseStep
from schemas.recovery import Recovery
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.cases import case, road
from worker.flow.cases.case import Cases, decode_cases, encode_cases, next_timer_in
from worker.flow.cases.service import ServiceLevels
from worker.flow.messages import case_log
from worker.flow.messages.case_log import AlertStep, Erasure
from worker.flow.policy import CasePolicy
from worker.routing.calendar import calendar_of
from worker.routing.hours import CalendarSettings
from worker.routing.service_level import ServiceLevel

MINUTE = 60_000
#: Due after 10 minutes, with a reminder at 7; steps at 10, 15 and 25; the resolution after 60, with a reminder at 57.
LEVEL = ServiceLevel(
    acknowledge_within_minutes=10,
    remind_before_minutes=3,
    resolve_within_hours=1,
    escalation=[
        {"receivers": ["lead"]},
        {"receivers": ["manager", "deputy"], "after_minutes": 5},
        {"receivers": ["director"], "after_minutes": 10},
    ],
)
STEPS = {1: 10, 2: 15, 3: 25}
#: NOW is a Tuesday at 22:13 UTC.
MORNINGS = calendar_of(CalendarSettings(time_zone="UTC", hours=["mon-fri 08:00-12:00"]))
SERVICE = ServiceLevels({"fast": LEVEL}, {"mornings": MORNINGS})


def started(calendar: str = "", service: ServiceLevels = SERVICE, policy: CasePolicy = POLICY) -> Following:
    """Return cases with one that was opened NOW and has the service level."""
    following = Following(policy, service)
    following.take(record(step(service_level="fast", calendar=calendar)))
    return following


def timed(following: Following, minutes: float) -> list[tuple[str, str, int | None]]:
    """Let a tick come so many minutes after NOW; return the action, the reason and the step of what it causes."""
    outputs = following.take(tick(NOW + round(minutes * MINUTE)))
    return [(body["action"], body["reason"], body["escalation_step"]) for body in told(outputs)]


REMINDED = ("reminded", "due_soon", None)
OVERDUE = ("reminded", "not_resolved", None)


def escalated(number: int) -> tuple[str, str, int]:
    return "escalated", "not_acknowledged", number


def test_nobody_acts_so_there_is_a_reminder_and_then_each_step_once() -> None:
    following = started()

    assert [timed(following, minutes) for minutes in (6.9, 7, 8, 9.9, 10, 12, 15, 24, 25, 57, 60, 10_000)] == [
        [],
        [REMINDED],
        [],
        [],
        [escalated(1)],
        [],
        [escalated(2)],
        [],
        [escalated(3)],
        [REMINDED],
        [OVERDUE],
        [],
    ]
    found = following.case()
    assert found is not None
    assert (found.state, found.escalated, found.timers, found.step) == ("open", 3, [], 7)


def test_the_event_of_an_escalation_says_whom_it_asks_and_what_was_due() -> None:
    following = started()
    output = following.take(tick(NOW + 16 * MINUTE))[-1]
    body = CaseStep.model_validate_json(output.value or b"")

    assert (output.topic, output.key) == (events.ALERTS, CUSTOMER)
    assert (body.action, body.reason, body.state, body.step) == ("escalated", "not_acknowledged", "open", 3)
    assert (body.escalation_step, body.escalated_to) == (2, ["manager", "deputy"])
    assert (body.service_level, body.due_at, body.acknowledge_due_at) == (
        "fast",
        body.acknowledge_due_at,
        body.opened_at.fromtimestamp(NOW / 1_000 + 600, body.opened_at.tzinfo),
    )
    assert body.occurred_at.timestamp() == NOW / 1_000 + 16 * 60
    assert (body.actor, body.command_id) == (None, None)


def test_with_a_limit_for_the_resolution_alone_there_are_reminders_although_nobody_has_acknowledged() -> None:
    following = started(service=ServiceLevels({"fast": ServiceLevel(resolve_within_hours=1, remind_before_minutes=3)}))

    assert [timed(following, minutes) for minutes in (56, 57, 59, 60, 10_000)] == [[], [REMINDED], [], [OVERDUE], []]
    body = CaseStep.model_validate_json(following.sent[-1].value or b"")
    assert (body.state, body.due_at, body.acknowledge_due_at) == ("open", body.resolve_due_at, None)


def test_an_acknowledgement_between_the_reminders_of_the_resolution_stops_neither() -> None:
    following = started(service=ServiceLevels({"fast": ServiceLevel(resolve_within_hours=1, remind_before_minutes=3)}))
    before = timed(following, 57)
    following.say(command(), at=NOW + 58 * MINUTE)

    assert (before, timed(following, 60)) == ([REMINDED], [OVERDUE])


def test_without_a_service_level_time_changes_nothing() -> None:
    following = Following(service=SERVICE)
    following.take(record(step(service_level="removed")))

    assert timed(following, 1_000_000) == []


def test_a_tick_that_comes_late_asks_all_at_once_and_reminds_nobody_any_more() -> None:
    assert timed(started(), 20) == [escalated(1), escalated(2)]


def test_an_acknowledgement_stops_the_escalation_wherever_it_is() -> None:
    following = started()
    timed(following, 10)
    following.say(command(), at=NOW + 11 * MINUTE)

    assert [timed(following, minutes) for minutes in (15, 25, 56)] == [[], [], []]
    assert timed(following, 57) == [REMINDED]
    assert timed(following, 60) == [OVERDUE]
    assert timed(following, 120 * 24 * 60) == []


def test_an_acknowledgement_that_lies_before_the_tick_counts_whatever_its_time_is() -> None:
    following = started()
    acknowledged = record(moved(command(), 1, at=NOW + 9 * MINUTE), NOW + 9 * MINUTE)

    assert [body["action"] for body in told(following.take(acknowledged, tick(NOW + 30 * MINUTE)))] == ["acknowledged"]


def test_a_shorter_limit_of_the_resolution_does_not_stop_what_belongs_to_the_acknowledgement() -> None:
    level = ServiceLevel(
        acknowledge_within_minutes=120,
        resolve_within_hours=1,
        remind_before_minutes=5,
        escalation=[{"receivers": ["lead"]}],
    )
    following = started(service=ServiceLevels({"fast": level}))

    assert [timed(following, minutes) for minutes in (55, 60, 115, 119.9, 120)] == [
        [REMINDED],
        [OVERDUE],
        [REMINDED],
        [],
        [escalated(1)],
    ]


@pytest.mark.parametrize("ended", ["resolved", "withdrawn"])
def test_the_end_of_a_case_stops_everything(ended: str) -> None:
    following = started()
    if ended == "resolved":
        following.say(resolution())
    else:
        following.take(record(step(1, action="withdrawn")))

    assert timed(following, 10_000) == []
    assert following.due.next_at() is None


def test_a_note_and_an_assignment_stop_nothing() -> None:
    following = started()
    following.say(command(action="note", note="Not at home."))
    following.say(command(command_id="k-2", action="assign", assignee="bob"))

    assert timed(following, 10) == [escalated(1)]


@pytest.mark.parametrize("by", ["a command", "an answer"])
def test_a_reopening_begins_all_over(by: str) -> None:
    following = started()
    timed(following, 15)
    following.say(resolution(), at=NOW + HOUR)
    if by == "a command":
        following.say(command(command_id="k-9", action="reopen"), at=NOW + 2 * HOUR)
    else:
        following.take(record(step(1, action="updated", at=NOW + 2 * HOUR, service_level="fast"), NOW + 2 * HOUR))

    assert timed(following, 129.9) == [REMINDED]
    assert timed(following, 135) == [escalated(1), escalated(2)]


def test_new_rules_leave_open_cases_alone_and_hold_for_what_is_opened_later() -> None:
    following = started()
    following.service = ServiceLevels({"fast": ServiceLevel(acknowledge_within_minutes=1)})
    following.take(record(step(1, alert_id="a-2", service_level="fast")))

    assert timed(following, 9) == [REMINDED]
    assert timed(following, 10) == [escalated(1)]
    assert following.case("a-2").acknowledge_due == NOW + MINUTE  # type: ignore[union-attr]


def test_times_are_fixed_at_the_opening_and_an_update_does_not_move_them() -> None:
    following = started()
    following.take(record(step(1, action="updated", severity="warning", at=NOW + 9 * MINUTE, service_level="slow")))

    assert timed(following, 10) == [escalated(1)]


def test_times_are_counted_in_the_working_time_of_the_calendar() -> None:
    following = started("mornings")  # the next working time begins at 08:00, 9 hours and 46 minutes and 40 s later
    opening = 9 * 60 + 46 + 40 / 60

    assert timed(following, opening + 9.9) == [REMINDED]
    assert timed(following, opening + 10) == [escalated(1)]


def test_a_recovery_has_the_working_time_beside_the_wall_time() -> None:
    following = started("mornings")
    following.say(command(), at=NOW + 10 * HOUR)
    following.say(resolution(), at=NOW + 11 * HOUR)
    (output,) = [output for output in following.sent if output.topic == events.RECOVERIES]
    found = Recovery.model_validate_json(output.value or b"")

    assert (found.seconds_to_acknowledge, found.seconds_to_resolve) == (36_000, 39_600)
    assert (found.working_seconds_to_acknowledge, found.working_seconds_to_resolve) == (800, 4_400)
    assert found.service_level == "fast"
    assert found.acknowledge_due_at is not None
    assert found.resolve_due_at is not None


def test_a_case_that_an_older_version_has_written_has_no_limits_and_stays_as_it_is() -> None:
    following = started()
    fields = msgspec.msgpack.decode(following.rows[CUSTOMER])
    of_0_2_0 = msgspec.msgpack.encode([[one[:25] for one in fields[0]]])
    found = decode_cases(of_0_2_0).cases[0]

    assert (found.service_level, found.calendar, found.acknowledge_due, found.timers) == ("", "", None, [])
    following.rows[CUSTOMER] = of_0_2_0
    following.due.update({CUSTOMER: of_0_2_0})
    assert timed(following, 1_000) == []
    assert following.say(command(), at=NOW + 2 * DAY)["outcome"] == "applied"
    assert encode_cases(Cases([found])) != of_0_2_0


def test_a_message_of_an_older_version_opens_a_case_without_limits() -> None:
    whole = msgspec.msgpack.decode(case_log.output(CUSTOMER, step(service_level="fast")).value or b"")
    following = Following(service=SERVICE)
    following.take(Record(msgspec.msgpack.encode(whole[:-4]), CUSTOMER, timestamp=NOW, topic="nps.cases"))

    assert following.case() == case.opened(step())


def test_a_tick_of_many_customers_is_decided_in_slices_in_the_order_of_the_timers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(road, "CUSTOMERS_PER_SLICE", 2)
    following = Following(service=SERVICE)
    for number in range(5):
        opened = step(number, alert_id=f"a-{number}", at=NOW - number, service_level="fast")
        following.take(record(opened, customer=b"c-%d" % number))

    slices = []
    for decided in following.slices([tick(NOW + 10 * MINUTE)]):
        following.write(decided)
        slices.append([body["customer_id"] for body in told(decided.outputs)])
        assert sorted(decided.rows) == sorted(customer.encode() for customer in slices[-1]), "no row is written twice"
    # Those that are due first come first.
    assert slices == [["c-4", "c-3"], ["c-2", "c-1"], ["c-0"]]
    assert following.due.next_at() == NOW - 4 + 15 * MINUTE


def test_timers_that_are_removed_without_an_event_count_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(road, "CUSTOMERS_PER_SLICE", 2)
    service = ServiceLevels({"fast": ServiceLevel(acknowledge_within_minutes=10, remind_before_minutes=3)})
    following = Following(service=service)
    for number in range(5):
        opened = step(number, alert_id=f"a-{number}", at=NOW - number, service_level="fast")
        following.take(record(opened, customer=b"c-%d" % number))
    waiting = []
    for decided in following.slices([tick(NOW + 20 * MINUTE)]):  # reminders after their time
        following.write(decided)
        assert not told(decided.outputs)
        waiting.append(sum(next_timer_in(row) is not None for row in following.rows.values()))
    assert waiting == [3, 1, 0]


def test_what_comes_after_a_tick_waits_for_all_slices_of_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An acknowledgement that lies behind the tick does not stop an escalation, and one that lies before it does."""
    monkeypatch.setattr(road, "CUSTOMERS_PER_SLICE", 1)
    following = Following(service=SERVICE)
    for number in range(4):
        opened = step(number, alert_id=f"a-{number}", at=NOW + number, service_level="fast")
        following.take(record(opened, customer=b"c-%d" % number))

    def acknowledged(number: int) -> Record:
        body = command(command_id=f"k-{number}", alert_id=f"a-{number}", customer_id=f"c-{number}")
        return record(moved(body, number, at=NOW + 11 * MINUTE), NOW + 11 * MINUTE, b"c-%d" % number)

    at = NOW + 11 * MINUTE
    outputs = following.take(acknowledged(2), tick(at), acknowledged(3))
    assert [(body["customer_id"], body["action"]) for body in told(outputs)] == [
        ("c-2", "acknowledged"),
        ("c-0", "escalated"),
        ("c-1", "escalated"),
        ("c-3", "escalated"),
        ("c-3", "acknowledged"),
    ]


# Any order of events, and any crash


def log_of(moves: Sequence[tuple[str, int, int]]) -> list[Record]:
    """Return the log of some moves: what happens, to which of three customers, and how many minutes later."""
    records: list[Record] = []
    now = NOW
    for offset, (what, who, minutes) in enumerate(moves):
        now += minutes * MINUTE
        customer, alert = b"c-%d" % who, f"a-{who}"
        match what:
            case "tick":
                records.append(tick(now))
            case "opened" | "updated" | "withdrawn":
                message: AlertStep | Erasure = step(
                    offset, alert_id=alert, action=what, at=now, service_level="fast", response_id=f"r-{who}"
                )
                records.append(record(message, now, customer))
            case "erased":
                records.append(record(Erasure(offset, 0), now, customer))
            case _:
                body = command(command_id=f"k-{offset}", alert_id=alert, customer_id=customer.decode(), action=what)
                body |= {"outcome": "solved"} if what == "resolve" else {}
                records.append(record(moved(body, offset, at=now), now, customer))
    return records


MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            ["tick"] * 6
            + ["opened"] * 4
            + ["updated", "withdrawn", "acknowledge", "acknowledge", "resolve", "reopen", "assign", "erased"]
        ),
        st.integers(0, 2),
        st.sampled_from([0, 0, 1, 2, 5, 7, 30]),
    ),
    max_size=40,
)


def run(records: Sequence[Record], sizes: Sequence[int] = (1,), following: Following | None = None) -> Following:
    """Decide a log in batches of these sizes, in turn."""
    following = following or Following(service=SERVICE)
    at = number = 0
    while at < len(records):
        size = sizes[number % len(sizes)]
        following.take(*records[at : at + size])
        at, number = at + size, number + 1
    return following


@given(MOVES, st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_what_happens_does_not_depend_on_where_batches_begin(moves: list[Any], sizes: list[int]) -> None:
    records = log_of(moves)
    one_by_one, in_batches = run(records), run(records, sizes)

    assert one_by_one.sent == in_batches.sent
    assert one_by_one.rows == in_batches.rows


@given(MOVES, st.integers(0, 40), st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_a_batch_that_is_decided_again_after_a_crash_says_the_same(
    moves: list[Any], crash: int, sizes: list[int]
) -> None:
    records = log_of(moves)
    following = run(records[:crash])
    sent = len(following.sent)
    lost = following.decide(records[crash : crash + 5]).outputs  # published, but its rows were not written
    again = run(records[crash:], sizes, following)

    assert again.sent == run(records).sent
    assert again.sent[sent : sent + len(lost)] == lost


@given(MOVES, st.integers(1, 3), st.lists(st.tuples(st.integers(1, 9), st.integers(0, 6), st.booleans()), max_size=25))
def test_a_crash_between_or_within_slices_changes_nothing(
    moves: list[Any], most: int, attempts: list[tuple[int, int, bool]]
) -> None:
    """Each attempt reads some records and crashes after some of their slices, perhaps while one more is published."""
    records = log_of(moves)
    expected = run(records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(road, "CUSTOMERS_PER_SLICE", most)
        following, at = Following(service=SERVICE), 0
        published: list[Output] = []
        for size, durable, is_published in attempts:
            batch = records[at : at + size]
            for number, decided in enumerate(following.slices(batch)):
                published += decided.outputs if number < durable or is_published else []
                if number == durable:
                    break
                following.write(decided)
            else:
                at += len(batch)
        published += following.take(*records[at:])

    assert following.sent == expected.sent
    assert following.rows == expected.rows
    # What was published again is equal to what was published first, and has the same id.
    assert distinct(published) == distinct(expected.sent)


def distinct(outputs: Sequence[Output]) -> list[Output]:
    """Return outputs without repeats. Two erasures of the same customer are equal as well."""
    return [output for number, output in enumerate(outputs) if output not in outputs[:number]]


class Recount:
    """Follows a log by itself, and says which steps happen: at the first tick after their times."""

    def __init__(self) -> None:
        #: By customer: whether the case is open, acknowledged or ended; when it was opened; which steps are left.
        self.known: dict[str, tuple[str, int, dict[int, int]]] = {}

    def take(self, what: str, customer: str, now: int) -> "Counter[tuple[str, int]]":
        """Take in a record; return the customers and the steps that happen."""
        if what == "tick":
            return self._due(now)
        state, _, _ = self.known.get(customer, ("none", 0, {}))
        is_unknown_or_ended = state in {"none", "ended"} if what in {"opened", "updated"} else state == "ended"
        match what:
            case "opened" | "updated" | "reopen" if is_unknown_or_ended:
                self.known[customer] = "open", now, dict(STEPS)
            case "acknowledge" if state == "open":
                self.known[customer] = "acknowledged", now, {}
            case "resolve" | "withdrawn" if state in {"open", "acknowledged"}:
                self.known[customer] = "ended", now, {}
            case "erased":
                self.known.pop(customer, None)
        return Counter()

    def _due(self, now: int) -> "Counter[tuple[str, int]]":
        found: Counter[tuple[str, int]] = Counter()
        for customer, (_, opened_at, left) in self.known.items():
            for number in [number for number, minutes in left.items() if opened_at + minutes * MINUTE <= now]:
                found[customer, number] += 1
                del left[number]
        return found


@given(MOVES)
def test_nothing_escalates_after_an_acknowledgement_and_each_step_that_is_due_happens_once(moves: list[Any]) -> None:
    following, recount = Following(service=SERVICE), Recount()
    for (what, who, _), each in zip(moves, log_of(moves), strict=True):
        steps = [(body["customer_id"], body["escalation_step"]) for body in told(following.take(each))]
        happened = Counter((customer, number) for customer, number in steps if number is not None)

        assert happened == recount.take(what, f"c-{who}", each.timestamp)
    ids = [dict(output.headers)["ce_id"] for output in following.sent if output.topic == events.ALERTS]
    assert len(ids) == len(set(ids))
