"""The road of a case: steps of alerts, commands, erasures and ticks; and that a crash anywhere makes no difference."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from flow.cases.following import (
    COMMANDS,
    CUSTOMER,
    FORGOTTEN,
    POLICY,
    Following,
    answers,
    command,
    letters,
    moved,
    opened,
    record,
    resolution,
    step,
    tick,
    told,
)
from flow.records import DAY, NOW, Record
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert_command_result import AlertCommandResult
from schemas.case import CaseStep
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.cases import case, forgetting
from worker.flow.messages.case_log import Erasure, MovedCommand

LATER = NOW + 60_000


def headers(output: Output) -> dict[str, bytes | None]:
    return dict(output.headers)


# Steps of alerts


def test_an_alert_that_is_opened_has_a_case_about_which_nothing_is_published() -> None:
    following = opened()
    found = following.case()

    assert found == case.opened(step())
    assert (found.state, found.step, found.opening, found.opened_at) == ("open", 1, 1, NOW)
    assert following.sent == []


def test_an_update_changes_what_is_known_of_the_answer_and_is_no_step_of_the_case() -> None:
    following = opened()
    following.say(command())
    following.take(record(step(1, action="updated", score=5, severity="warning", segment="fr", revision=2)))
    found = following.case()
    assert found is not None

    assert (found.score, found.severity, found.segment, found.revision) == (5, "warning", "fr", 2)
    assert (found.state, found.step) == ("acknowledged", 2)


@pytest.mark.parametrize("later", ["de", ""])
def test_each_step_has_the_language_of_the_newest_step_of_the_alert(later: str) -> None:
    following = Following()
    following.take(record(step(language="fr")))
    following.say(command())
    following.take(record(step(1, action="updated", language=later)))
    following.say(resolution())

    assert [event["language"] for event in told(following.sent)] == ["fr", later or None]


def test_a_row_and_a_message_of_an_older_version_name_no_language() -> None:
    following = Following()
    fields = msgspec.msgpack.decode(record(step(language="fr")).value or b"")
    following.take(Record(msgspec.msgpack.encode(fields[:-1]), CUSTOMER, timestamp=NOW, topic="nps.cases"))
    (cases,) = msgspec.msgpack.decode(following.rows[CUSTOMER])
    following.rows[CUSTOMER] = msgspec.msgpack.encode([[one[:-1] for one in cases]])
    following.say(command())

    assert (fields[-1], cases[0][-1]) == ("fr", "")
    assert [event["language"] for event in told(following.sent)] == [None]


def test_an_alert_that_is_opened_before_there_were_cases_gets_one_with_its_next_step() -> None:
    following = Following()
    following.take(record(step(action="updated")))

    assert following.say(command())["outcome"] == "applied"


def test_a_withdrawal_ends_the_case_and_is_no_step_that_is_published_here() -> None:
    following = opened()
    following.take(record(step(1, action="withdrawn", at=LATER)))
    found = following.case()
    assert found is not None

    assert (found.state, found.step, found.ended_at) == ("withdrawn", 2, LATER)
    assert told(following.sent) == []


def test_a_step_after_the_withdrawal_says_that_it_knows_the_withdrawal() -> None:
    following = opened()
    following.take(record(step(1, action="withdrawn", at=LATER)))
    following.say(command(action="note", note="by phone"), at=LATER + 5)

    assert [event["alert_occurred_at"] for event in told(following.sent)] == ["2023-11-14T22:14:20Z"]


def test_a_case_that_was_resolved_stays_so_if_the_alert_is_withdrawn_afterwards() -> None:
    following = opened()
    following.say(resolution())
    following.take(record(step(1, action="withdrawn", at=LATER)))
    found = following.case()
    assert found is not None

    assert (found.state, found.outcome) == ("resolved", "solved")


def test_the_withdrawal_of_an_alert_without_a_case_changes_nothing() -> None:
    following = Following()

    assert following.take(record(step(action="withdrawn"))) == []
    assert following.rows == {}


@pytest.mark.parametrize("action", ["opened", "updated"])
@pytest.mark.parametrize("end", ["resolved", "withdrawn"])
def test_an_answer_that_is_unhappy_again_reopens_the_case(action: str, end: str) -> None:
    following = opened()
    if end == "resolved":
        following.say(resolution())
    else:
        following.take(record(step(1, action="withdrawn")))
    again = step(2, action=action, score=4, at=LATER, revision=3, receivers=["care", "lead"])
    (output,) = following.take(record(again))
    event = json.loads(output.value or b"")

    assert (event["action"], event["reason"]) == ("reopened", "detractor_again")
    assert (event["revision"], event["routed_to"]) == (3, ["care", "lead"])
    assert (event["state"], event["step"], event["opening"]) == ("open", 3, 2)
    assert event["opened_at"] == event["occurred_at"] == event["alert_occurred_at"] == "2023-11-14T22:14:20Z"
    assert (event["actor"], event["command_id"], event["outcome"], event["cause"]) == (None, None, None, None)


# Commands


def test_an_event_says_all_about_a_step_and_so_does_the_answer() -> None:
    following = opened()
    following.say(command(action="assign", assignee="bob"), at=LATER)
    body = resolution(actor="eve", via="crm", at="2023-11-14T23:14:00+01:00", note="She gets her money back.")
    following.say(body, at=LATER + 1_000)
    output = [output for output in following.sent if output.topic == events.ALERTS][-1]

    assert output.key == CUSTOMER
    assert headers(output)["ce_type"] == b"nps.case.v1"
    assert CaseStep.model_validate_json(output.value or b"").model_dump(mode="json") == {
        "alert_id": "a-1",
        "kind": "case",
        "action": "resolved",
        "reason": "command",
        "severity": "critical",
        "score": 2,
        "summary": "Score 2 at fr/shop-3: resolved",
        "occurred_at": "2023-11-14T22:14:21Z",
        "alert_occurred_at": "2023-11-14T22:13:20Z",
        "segment": "fr/shop-3",
        "touchpoint": "shop-3",
        "customer_id": "c-1",
        "response_id": "r-1",
        "state": "resolved",
        "step": 3,
        "opening": 1,
        "opened_at": "2023-11-14T22:13:20Z",
        "acknowledged_at": None,
        "actor": "eve",
        "via": "crm",
        "acted_at": "2023-11-14T23:14:00+01:00",
        "command_id": "k-2",
        "assignee": "bob",
        "outcome": "solved",
        "service_level": None,
        "acknowledge_due_at": None,
        "resolve_due_at": None,
        "due_at": None,
        "escalation_step": None,
        "escalated_to": None,
        "routed_to": None,
        "revision": None,
        "cause": "price",
        "language": None,
    }
    assert b"money" not in b"".join(sent.value or b"" for sent in following.sent)
    result = following.sent[-1]
    assert (result.topic, result.key) == (events.ALERT_COMMAND_RESULTS, CUSTOMER)
    assert AlertCommandResult.model_validate_json(result.value or b"").model_dump(mode="json") == {
        "command_id": "k-2",
        "alert_id": "a-1",
        "customer_id": "c-1",
        "outcome": "applied",
        "reason": None,
        "detail": "",
        "state": "resolved",
        "step": 3,
        "opening": 1,
        "decided_at": "2023-11-14T22:14:21Z",
    }


def test_the_time_of_a_step_is_that_at_which_the_command_arrived_but_it_never_goes_back() -> None:
    following = opened()
    following.take(record(moved(command(), 1, at=NOW + 5_000), at=NOW + 90_000))
    following.take(record(moved(resolution(), 2, partition=2, at=NOW - 5_000), at=NOW + 90_000))
    found = following.case()
    assert found is not None

    assert (found.acknowledged_at, found.ended_at) == (NOW + 5_000, NOW + 5_000)
    assert [answer["decided_at"] for answer in answers(following.sent)] == 2 * ["2023-11-14T22:14:50Z"]


def test_a_refused_command_is_a_dead_letter_of_the_topic_of_the_commands_and_an_answer() -> None:
    following = Following()
    outputs = following.take(record(moved(command(), 41, partition=3, at=LATER), at=LATER + 7))
    (letter,), (answer,) = letters(outputs), answers(outputs)

    assert (letter["topic"], letter["partition"], letter["offset"]) == (COMMANDS, 3, 41)
    assert (letter["reason"], letter["timestamp"]) == ("alert_unknown", "2023-11-14T22:14:20Z")
    assert letter["payload_bytes"] == len(json.dumps(command()))
    assert letter["detail"] == answer["detail"]
    assert (answer["outcome"], answer["reason"], answer["state"]) == ("refused", "alert_unknown", None)
    assert following.rows == {}


def test_a_command_is_about_the_customer_whom_it_names_and_nobody_else() -> None:
    following = opened()
    outputs = following.take(record(moved(command(command_id="k-9"), 99), customer=b"c-2"))

    assert answers(outputs)[0]["reason"] == "alert_unknown"


def test_a_command_that_another_version_has_moved_and_this_one_does_not_know_is_refused() -> None:
    following = opened()
    outputs = following.take(record(moved(command(action="escalate"), 1)))

    assert [letter["reason"] for letter in letters(outputs)] == ["wrong_type"]
    assert [answer["outcome"] for answer in answers(outputs)] == ["refused"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (CUSTOMER, b"\xc1"),
        (CUSTOMER, None),
        (CUSTOMER, b"\x93\x09\x00\x00"),
        (None, record(step()).value),
        (b"", record(step()).value),
        (b"\xff", record(step()).value),
        (b"\x00head", record(step()).value),
        (b"c" * 201, record(step()).value),
        (CUSTOMER, record(moved(command(note="x" * 100_000))).value),
    ],
)
def test_what_another_program_has_written_becomes_a_dead_letter(key: bytes | None, value: bytes | None) -> None:
    following = Following()
    outputs = following.take(Record(value, key, topic="nps.cases"))

    assert [(letter["topic"], letter["reason"]) for letter in letters(outputs)] == [("nps.cases", "wrong_type")]
    assert following.rows == {}


# Erasure and forgetting


def test_an_erasure_erases_all_cases_of_the_customer_and_later_commands_are_refused() -> None:
    following = opened()
    following.take(record(step(1, alert_id="a-2")), record(step(2), customer=b"c-2"))
    following.take(record(Erasure(3, 0)))

    assert following.rows.keys() == {b"c-2"}
    assert following.say(command())["reason"] == "alert_unknown"


def test_a_customer_who_was_erased_may_have_new_cases() -> None:
    following = opened()
    following.take(record(Erasure(1, 0)), record(step(2, alert_id="a-2")))

    assert following.case() is None
    assert following.case("a-2") is not None


def test_a_case_is_forgotten_some_time_after_its_last_step_whether_it_was_swept_or_not() -> None:
    following = opened()
    following.take(tick(FORGOTTEN - 1))
    assert following.say(command(), at=FORGOTTEN - 1)["outcome"] == "applied"
    following = opened()
    following.take(tick(FORGOTTEN))

    assert following.rows.keys() == {CUSTOMER}
    assert following.say(command(), at=NOW)["reason"] == "alert_unknown"
    assert following.rows == {}


def test_one_that_has_ended_is_forgotten_earlier() -> None:
    following = opened()
    following.say(resolution(), at=LATER)
    following.take(tick(LATER + POLICY.ended_days * DAY))

    assert following.say(command(action="reopen"), at=LATER)["reason"] == "alert_unknown"


def test_ticks_sweep_the_rows_of_customers_of_whom_nothing_is_heard() -> None:
    following = Following()
    for number in range(forgetting.ROWS_PER_BATCH + 50):
        following.take(record(step(number, alert_id=f"a-{number}"), customer=b"c-%d" % number))
    following.take(record(step(999, alert_id="a-1 too", at=FORGOTTEN), FORGOTTEN, customer=b"c-1"))
    following.sweep = forgetting.Sweep(following.rows)
    following.take(tick(FORGOTTEN))
    assert 0 < len(following.rows) <= 51
    following.take(tick(FORGOTTEN + 1))

    assert following.rows.keys() == {b"c-1"}
    assert following.case("a-1", b"c-1") is None
    assert following.case("a-1 too", b"c-1") is not None


def test_a_round_of_the_sweep_begins_once_a_day() -> None:
    following = opened()
    sweep = forgetting.Sweep(following.rows)
    assert sweep.changes(FORGOTTEN - 1, POLICY) == {}
    assert sweep.changes(FORGOTTEN, POLICY) == {}

    assert sweep.changes(FORGOTTEN - 1 + DAY, POLICY) == {CUSTOMER: None}


# Replays


def test_a_step_that_comes_twice_changes_nothing_the_second_time() -> None:
    following = opened()
    following.take(record(step(4, 0, action="withdrawn")), record(step(4, 1, alert_id="a-2")))
    rows, sent = dict(following.rows), list(following.sent)
    following.take(record(step()), record(step(4, 0, action="withdrawn")), record(step(4, 1, alert_id="a-2")))

    assert (following.rows, following.sent) == (rows, sent)


def test_an_opening_that_a_zombie_repeats_after_the_erasure_brings_nothing_back() -> None:
    following = opened()
    following.take(record(Erasure(1, 0)), record(step()))

    assert following.rows == {}


def test_a_command_that_is_moved_twice_is_carried_out_and_answered_once() -> None:
    following = Following()
    following.take(record(moved(command(), 5)))
    following.take(record(step()))
    outputs = following.take(record(moved(command(), 5)))

    assert outputs == []
    assert [answer["reason"] for answer in answers(following.sent)] == ["alert_unknown"]


Log = list[Record]
_COMMANDS = st.fixed_dictionaries(
    {
        "command_id": st.integers(0, 30).map(str),
        "alert_id": st.sampled_from(["a-0", "a-1"]),
        "action": st.sampled_from(["acknowledge", "assign", "note", "resolve", "resolve", "reopen"]),
        "actor": st.sampled_from(["ann", "bob"]),
        "assignee": st.sampled_from(["ann", "bob"]),
        "outcome": st.sampled_from(["solved", "called_back"]),
        "cause": st.sampled_from([None, "price", "weather"]),
        "note": st.just("a note"),
        "opening": st.sampled_from([None, None, None, 1, 2]),
    }
)
_STEPS = st.tuples(st.sampled_from(["a-0", "a-1"]), st.sampled_from(["opened", "updated", "withdrawn"]))
_MESSAGES = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(_COMMANDS, _STEPS, _COMMANDS, st.just("erase"), st.just("tick"))),
    max_size=40,
)


def log_of(messages: Sequence[tuple[int, Any]]) -> Log:
    """Return the topic's records, a second apart. The commands come from two partitions of their topic."""
    log: Log = []
    for number, (who, what) in enumerate(messages):
        customer, at = b"c-%d" % who, NOW + 1_000 * number
        if what == "tick":
            log.append(tick(at))
        elif what == "erase":
            log.append(record(Erasure(number, 0), at, customer))
        elif isinstance(what, tuple):
            log.append(record(step(number, alert_id=what[0], action=what[1], at=at), at, customer))
        else:
            body = {**what, "customer_id": customer.decode()}
            log.append(record(moved(body, number, partition=number % 2, at=at), at, customer))
    return [one._replace(offset=offset) for offset, one in enumerate(log)]


def distinct(outputs: Sequence[Output]) -> dict[tuple[str, bytes | None], set[bytes | None]]:
    found: dict[tuple[str, bytes | None], set[bytes | None]] = defaultdict(set)
    for output in outputs:
        found[output.topic, headers(output).get("ce_id", output.key)].add(output.value)
    return found


@pytest.mark.unmeasured
@given(_MESSAGES, st.randoms(use_true_random=False))
def test_however_the_log_is_cut_and_repeated_the_rows_and_the_events_are_the_same(
    messages: Sequence[tuple[int, Any]], chance: Any
) -> None:
    log, expected, following = log_of(messages), Following(), Following()
    for one in log:
        expected.take(one)
    # A crash repeats a batch whose outputs were sent and whose rows were not written, and a writer repeats messages.
    place = 0
    while place < len(log):
        batch = log[place : place + chance.randint(1, 6)]
        if chance.random() < 0.3:
            following.sent += following.decide(batch).outputs
            continue
        following.take(*batch)
        place += len(batch)
        if chance.random() < 0.3:
            following.take(*log[chance.randint(0, place - 1) : place])

    assert following.rows == expected.rows
    assert distinct(following.sent) == distinct(expected.sent)
    assert all(len(copies) == 1 for copies in distinct(following.sent).values())


@given(_MESSAGES)
def test_steps_are_in_order_nothing_follows_an_end_but_a_reopening_and_each_command_is_answered_once(
    messages: Sequence[tuple[int, Any]],
) -> None:
    following, log = Following(), log_of(messages)
    following.take(*log)
    steps: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    erased = any(what == "erase" for _, what in messages)
    for event in told(following.sent):
        steps[event["customer_id"], event["alert_id"]].append(event)
    for of_case in steps.values():
        if not erased:  # the case of a customer who comes back begins at 1 again
            assert [event["step"] for event in of_case] == sorted({event["step"] for event in of_case})
        for earlier, later in pairwise(of_case):
            if earlier["state"] == "resolved" and not erased:
                assert later["action"] in {"reopened", "noted"}
    ids = Counter(headers(o)["ce_id"] for o in following.sent if o.topic == events.ALERT_COMMAND_RESULTS)
    commands = sum(isinstance(what, dict) for _, what in messages)
    assert (len(ids), ids.total()) == (commands, commands)
    refused = [answer for answer in answers(following.sent) if answer["outcome"] == "refused"]
    assert len(refused) == len(letters(following.sent))


def test_the_message_of_a_command_has_its_value_as_it_was_written() -> None:
    value = json.dumps(command(), indent=2).encode()
    following = opened()
    outputs = following.take(record(MovedCommand(0, 0, NOW, None, value)))

    assert answers(outputs)[0]["outcome"] == "applied"
