"""The recovery of a customer: the times of each interval of a case, what follows, and that a recount agrees."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from flow.cases.following import CUSTOMER, Following, command, moved, opened, record, resolution, step
from flow.cases.test_escalation import SERVICE
from flow.records import HOUR, NOW, Record
from hypothesis import given
from hypothesis import strategies as st

from schemas.recovery import Recovery
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.cases.case import decode_cases
from worker.flow.messages.case_log import AnsweredAgain, Erasure
from worker.flow.timestamps import to_ms
from worker.loop.latest import newest

MINUTE = 60_000


def again(offset: int, score: int = 9, **changes: Any) -> AnsweredAgain:
    """Return a further answer of the customer."""
    usual: dict[str, Any] = {
        "response_id": "r-2",
        "revision": 0,
        "is_first": True,
        "score": score,
        "segment": "fr",
        "given": NOW + HOUR,
        "at": NOW + 2 * HOUR,
    }
    return AnsweredAgain(offset, 0, **(usual | changes))


def recoveries(outputs: Sequence[Output]) -> list[Recovery]:
    found = [output for output in outputs if output.topic == events.RECOVERIES and output.value is not None]
    assert {output.key for output in found} <= {CUSTOMER}
    return [Recovery.model_validate_json(output.value or b"", strict=True) for output in found]


def test_a_resolution_says_how_long_it_took() -> None:
    following = opened()
    following.say(command(), at=NOW + 5 * MINUTE)
    assert recoveries(following.sent) == []
    following.say(resolution(), at=NOW + 90 * MINUTE + 500)
    (output,) = [output for output in following.sent if output.topic == events.RECOVERIES]
    body = json.loads(output.value or b"")

    assert body.pop("recovery_id")
    assert body == {
        "alert_id": "a-1",
        "customer_id": "c-1",
        "response_id": "r-1",
        "survey_id": "autumn",
        "segment": "fr/shop-3",
        "severity": "critical",
        "score": 2,
        "reason": "resolved",
        "occurred_at": "2023-11-14T23:43:20.500000Z",
        "state": "resolved",
        "opening": 1,
        "opened_at": "2023-11-14T22:13:20Z",
        "acknowledged_at": "2023-11-14T22:18:20Z",
        "ended_at": "2023-11-14T23:43:20.500000Z",
        "seconds_to_acknowledge": 300.0,
        "seconds_to_resolve": 5400.5,
        "working_seconds_to_acknowledge": None,
        "working_seconds_to_resolve": None,
        "service_level": None,
        "acknowledge_due_at": None,
        "resolve_due_at": None,
        "outcome": "solved",
        "cause": "price",
        "follow_up": None,
        "receivers": [],
    }
    assert dict(output.headers)["ce_type"] == b"nps.recovery.v1"


def test_a_recovery_has_the_receivers_of_its_opening_whatever_later_steps_say() -> None:
    """Only a new answer of the customer that reopens the case names them again; a command that does so keeps them."""
    following = Following()
    following.take(record(step(receivers=["care", "lead"])))
    following.take(record(step(1, action="updated", receivers=["boss"])))
    following.say(resolution())
    following.say(command(command_id="k-3", action="reopen"))
    following.say(resolution(command_id="k-4"))
    following.take(record(step(2, receivers=["boss"])))
    following.say(resolution(command_id="k-5"))

    assert [one.receivers for one in recoveries(following.sent)] == [["care", "lead"], ["care", "lead"], ["boss"]]


def test_a_row_and_a_message_of_an_older_version_have_no_receivers() -> None:
    following = Following()
    message = msgspec.msgpack.encode([1, *msgspec.msgpack.decode(record(step(receivers=["care"])).value or b"")[1:15]])
    following.take(Record(message, CUSTOMER, timestamp=NOW, topic="nps.cases"))
    (case,) = decode_cases(following.rows[CUSTOMER]).cases
    fields = msgspec.msgpack.decode(following.rows[CUSTOMER])
    following.rows[CUSTOMER] = msgspec.msgpack.encode([[one[:-3] for one in fields[0]]])
    following.say(resolution())

    assert case.receivers == []
    assert fields[0][0][-3:] == [[], {}, ""]
    assert [one.receivers for one in recoveries(following.sent)] == [[]]


def test_a_withdrawal_is_no_resolution() -> None:
    following = opened()
    (found,) = recoveries(following.take(record(step(1, action="withdrawn", at=NOW + HOUR))))

    assert (found.reason, found.state) == ("withdrawn", "withdrawn")
    assert (found.seconds_to_acknowledge, found.seconds_to_resolve) == (None, None)


@pytest.mark.parametrize(("score", "recovered"), [(6, False), (7, True), (10, True), (0, False)])
@pytest.mark.parametrize("resolved", [False, True])
def test_the_customers_next_answer_says_whether_they_have_recovered(
    score: int, recovered: bool, resolved: bool
) -> None:
    following = opened()
    if resolved:
        following.say(resolution())
    (found,) = recoveries(following.take(record(again(1, score))))

    assert (found.reason, found.state) == ("answered_again", "resolved" if resolved else "open")
    assert found.follow_up is not None
    assert (found.follow_up.response_id, found.follow_up.score, found.follow_up.recovered) == ("r-2", score, recovered)


def test_only_the_first_answer_counts_and_its_corrections() -> None:
    following = opened()
    following.take(record(again(1, 9)))
    other = following.take(record(again(2, 3, response_id="r-3")))
    corrected = recoveries(following.take(record(again(3, 4, revision=1, is_first=False))))

    assert other == []
    assert [one.follow_up.score for one in corrected if one.follow_up is not None] == [4]
    assert recoveries(following.sent)[0].recovery_id == corrected[0].recovery_id


@pytest.mark.parametrize(
    "changes",
    [
        {"response_id": "r-1"},
        {"given": NOW - HOUR},
        {"given": NOW - 2 * HOUR},
        {"is_first": False, "revision": 3},
    ],
)
def test_an_answer_that_is_not_a_later_one_says_nothing(changes: dict[str, Any]) -> None:
    assert opened().take(record(again(1, **changes))) == []


def test_a_withdrawn_case_has_nobody_who_could_recover() -> None:
    following = opened()
    following.take(record(step(1, action="withdrawn")))

    assert following.take(record(again(2))) == []


def test_a_reopening_ends_an_interval_and_begins_another() -> None:
    following = opened()
    following.say(resolution(), at=NOW + HOUR)
    following.take(record(again(1)))
    following.say(command(command_id="k-3", action="reopen"), at=NOW + 10 * HOUR)
    following.say(resolution(command_id="k-4"), at=NOW + 11 * HOUR)
    first, _, second = recoveries(following.sent)

    assert (first.opening, first.seconds_to_resolve) == (1, 3_600)
    assert (second.opening, second.seconds_to_resolve, second.follow_up) == (2, 3_600, None)
    assert first.recovery_id != second.recovery_id
    (third,) = recoveries(following.take(record(again(2, response_id="r-9"))))
    assert (third.opening, third.follow_up is not None) == (2, True)


def test_an_erasure_erases_recoveries_too() -> None:
    following = opened()
    following.say(resolution())
    outputs = following.take(record(Erasure(1, 0)))

    assert [(o.key, o.value) for o in outputs if o.topic == events.RECOVERIES] == [(CUSTOMER, None)]
    sent = [Record(o.value, o.key) for o in following.sent if o.topic == events.RECOVERIES]
    assert newest(sent) == {}
    assert len(newest(sent[:-1])) == 1


_STEPS = st.sampled_from(["ack", "resolve", "reopen", "withdrawn", "opened", "updated", "again"])


@given(st.lists(st.tuples(_STEPS, st.integers(1, 50), st.integers(0, 10)), max_size=30))
def test_a_recount_from_the_published_events_agrees(steps: Sequence[tuple[str, int, int]]) -> None:
    """It follows the alert's own steps and those of the case by their words alone."""
    following, now = opened(), NOW
    since, acknowledged, is_open, expected = NOW, None, True, dict[int, tuple[float | None, float | None]]()
    opening = 1
    for number, (what, minutes, score) in enumerate(steps, start=1):
        now += minutes * MINUTE
        if what == "again":
            following.take(record(again(number, score, response_id=f"r-{number + 1}", given=now, at=now), now))
            continue
        if what in {"withdrawn", "opened", "updated"}:
            following.take(record(step(number, action=what, at=now), now))
            applied = (what == "withdrawn") is is_open
        else:
            body = {"ack": command(), "resolve": resolution(), "reopen": command(action="reopen")}[what]
            sent = following.take(record(moved(body | {"command_id": f"k-{number}"}, number, at=now), now))
            applied = any(json.loads(o.value or b"").get("outcome") == "applied" for o in sent)
        if not applied:
            continue
        if what == "ack":
            acknowledged = now
        elif what in {"resolve", "withdrawn"}:
            took = None if acknowledged is None else (acknowledged - since) / 1_000
            expected[opening] = took, (now - since) / 1_000 if what == "resolve" else None
            is_open = False
        elif not is_open:
            since, acknowledged, is_open, opening = now, None, True, opening + 1
    published = [Record(o.value, o.key) for o in following.sent if o.topic == events.RECOVERIES]
    found = {one.opening: one for one in newest(published).values()}
    ended = {n: (one.seconds_to_acknowledge, one.seconds_to_resolve) for n, one in found.items() if one.ended_at}

    assert ended == expected
    assert all(to_ms(one.opened_at) <= to_ms(one.occurred_at) for one in found.values())


def worked(begin: int, end: int) -> int:
    """Return how many seconds between two moments lie between 08:00 and 12:00 UTC of a Monday to Friday.

    It looks at each minute of UTC by itself, with the parts of the first and the last one.
    """
    seconds = 0
    for minute in range(begin // MINUTE, end // MINUTE + 1):
        clock = datetime.fromtimestamp(minute * 60, UTC)
        if clock.weekday() < 5 and 8 <= clock.hour < 12:
            seconds += (min(end, (minute + 1) * MINUTE) - max(begin, minute * MINUTE)) // 1_000
    return seconds


@given(st.lists(st.integers(1, 3_000), min_size=5, max_size=5))
def test_working_time_agrees_with_a_recount_by_the_minute_and_begins_again_with_a_reopening(
    waits: Sequence[int],
) -> None:
    following = Following(service=SERVICE)
    following.take(record(step(calendar="mornings")))
    times = [NOW]
    bodies = [command(), resolution(), command(action="reopen"), command(), resolution()]
    for number, (body, minutes) in enumerate(zip(bodies, waits, strict=True)):
        times.append(times[-1] + minutes * MINUTE)
        following.say(body | {"command_id": f"k-{number}"}, at=times[-1])
    first, second = recoveries(following.sent)

    for found, (begin, acknowledged, resolved) in ((first, times[:3]), (second, times[3:])):
        assert found.working_seconds_to_acknowledge == worked(begin, acknowledged)
        assert found.working_seconds_to_resolve == worked(begin, resolved)
        assert found.seconds_to_resolve == (resolved - begin) / 1_000


def test_an_answer_that_changes_no_case_writes_no_row() -> None:
    following = opened()
    first = following.decide([record(again(1))])
    following.write(first)
    second = following.decide([record(again(2, response_id="r-3", at=NOW + 3 * HOUR))])

    assert list(first.rows) == [CUSTOMER]
    assert second.rows == {}
    assert second.rerouted != first.rerouted  # what has arrived is noted in the head row
