"""The road, end to end: what each kind of record causes, and that a crash anywhere makes no difference."""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import msgspec
import pytest
from flow.carrying import Partition, entries_of, header_of, identities, numbered, spread
from flow.records import DAY, HERE, HOUR, NOW, Record, arrived, happy, of, value
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Severity
from schemas.catalog import CONTRACTS
from schemas.decision import Outcome
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.ids import make_id
from worker.flow.messages import case_log
from worker.flow.messages.case_log import AlertStep, AnsweredAgain, Erasure, Message, MovedCommand
from worker.flow.policy import HistoryPolicy, IntakePolicy, Policy
from worker.flow.record import ORIGIN_HEADER, PROOF_HEADER
from worker.flow.responses.customer import Contact, decode_contact
from worker.flow.responses.moved import CLAIMS_HEADER, Claim
from worker.flow.segments import road as segments
from worker.flow.timestamps import from_ms, rfc3339
from worker.nps.histogram import Histogram
from worker.nps.segment import Move
from worker.routing.service_level import Terms, Work

#: When the usual answer was given.
GIVEN = 1_699_999_200_000
#: What the worker writes itself, by its type; what it sends on is as it came.
WRITTEN = {contract.event_type.encode(): contract for contract in CONTRACTS if not contract.consumed}


def carried(*records: Record) -> list[Output]:
    return Partition().carry(numbered(records))


def outcomes(outputs: Sequence[Output]) -> list[str]:
    return [decision["outcome"] for decision in of(events.DECISIONS, outputs)]


def topics(outputs: Sequence[Output]) -> list[str]:
    return [output.topic for output in outputs]


def entries(outputs: Sequence[Output]) -> dict[tuple[str, int], list[tuple[int, ...] | Move]]:
    """Return the entries for each segment and source, in order, whatever messages they came in."""
    found: dict[tuple[str, int], list[tuple[int, ...] | Move]] = {}
    for output in outputs:
        if output.topic == events.TALLIES:
            for place, more in entries_of(output).items():
                found.setdefault(place, []).extend(more)
    return found


def others(outputs: Sequence[Output]) -> list[Output]:
    """Return the outputs that do not depend on how the log is cut into batches."""
    return [output for output in outputs if output.topic != events.TALLIES and not is_claim(output)]


def is_claim(output: Output) -> bool:
    return header_of(output, CLAIMS_HEADER) is not None


def claims(outputs: Sequence[Output]) -> dict[str, list[Claim]]:
    """Return what is claimed of each response, in order, whatever records it came in."""
    found: dict[str, list[Claim]] = {}
    for output in filter(is_claim, outputs):
        for response_id, found_claims in msgspec.msgpack.decode(
            output.value or b"", type=dict[str, list[Claim]]
        ).items():
            found.setdefault(response_id, []).extend(found_claims)
    return found


def messages(outputs: Sequence[Output]) -> list[Message]:
    """Return the messages to the cases, in their order."""
    return [case_log.read(record) for record in arrived(outputs, events.CASES)]


def counted(outputs: Sequence[Output], path: bytes = b"") -> Histogram:
    """Return a segment's all-time histogram after the second stage has read these tallies, repeats and all."""
    rows: dict[bytes, bytes] = {}
    found: Histogram = [0] * 11
    for record in arrived(outputs, events.TALLIES):
        decided = segments.count([record], rows, 0)
        rows |= {key: row for key, row in decided.rows.items() if row is not None}
        for output in decided.outputs:
            if output.key == path:
                found = json.loads(output.value or b"")["histogram"]
    return found


def read(rows: dict[bytes, bytes]) -> dict[bytes, Contact]:
    """Return the customers' rows, decoded."""
    return {key: msgspec.msgpack.decode(row, type=Contact) for key, row in rows.items()}


# What each kind of record causes


def test_a_detractor_causes_an_alert_a_decision_and_a_tally_of_each_segment() -> None:
    outputs = carried(Record(value(score=2)))

    assert [events.ALERTS, events.CASES, events.DECISIONS, events.TALLIES] == topics(outputs)
    assert [b"c-1", b"c-1", b"c-1", None] == [output.key for output in outputs]
    assert {("fr/shop-3", 0), ("fr", 0), ("", 0), ("/survey/autumn", 0)} == entries(outputs).keys()
    decision = of(events.DECISIONS, outputs)[0]
    assert decision.pop("decision_id")
    assert decision == {
        "outcome": "accepted",
        "customer_id": "c-1",
        "response_id": "r-1",
        "revision": 0,
        "score": 2,
        "category": "detractor",
        "segment": "fr/shop-3",
        "decided_at": "2023-11-14T22:13:20Z",
        "source_partition": 0,
        "source_offset": 0,
        "rules": [
            {"rule": "detractor_alert", "verdict": "alert_opened", "reason": "detractor", "figures": None},
            {"rule": "review_invitation", "verdict": "none", "reason": "not_promoter", "figures": None},
            {"rule": "suspect_gaming", "verdict": "none", "reason": "nobody_asked", "figures": None},
        ],
    }


def test_a_passive_causes_a_decision_and_is_counted() -> None:
    outputs = carried(Record(value(score=7, segment=[])))

    assert topics(outputs) == [events.DECISIONS, events.TALLIES]


def test_a_promoter_who_agreed_is_invited_once_in_a_quarantine() -> None:
    times = [NOW + age for age in (0, 1, 180 * DAY - 1, 180 * DAY, 180 * DAY + 1)]
    later = [
        Record(happy(response_id=f"r-{n}", responded_at=from_ms(at).isoformat(), segment=[f"{n}"]), timestamp=at)
        for n, at in enumerate(times)
    ]
    outputs = carried(*later)

    assert ["r-0", "r-3"] == [invitation["response_id"] for invitation in of(events.INVITATIONS, outputs)]


def test_a_trial_is_decided_about_and_causes_nothing_else() -> None:
    outputs = carried(Record(happy(test=True)), Record(value(response_id="r-2", score=0, test=True)))

    assert [events.DECISIONS] * 2 == topics(outputs)
    assert [Outcome.TEST] * 2 == outcomes(outputs)


def test_a_refused_record_is_a_dead_letter_and_the_next_one_is_not_held_back() -> None:
    outputs = carried(Record(b"{"), Record(value(score=7)))

    assert [events.DEAD_LETTERS, events.DECISIONS] == topics(outputs)[:2]
    assert of(events.DEAD_LETTERS, outputs)[0]["reason"] == "not_json"


def test_outputs_stand_in_the_order_of_their_records_and_tallies_come_last() -> None:
    outputs = carried(*(Record(value(response_id=f"r-{n}", score=n, segment=[f"{n}"])) for n in range(11)))
    responses = [event["response_id"] for event in of(events.DECISIONS, outputs)]

    assert [f"r-{n}" for n in range(11)] == responses
    assert topics(outputs)[-1] == events.TALLIES
    assert [event["score"] for event in of(events.ALERTS, outputs)] == [0, 1, 2, 3, 4, 5, 6]


# Duplicates and revisions


@pytest.mark.parametrize(
    ("why", "revisions", "expected"),
    [
        ("the same again is a duplicate", [0, 0, 0], ["accepted", "duplicate", "duplicate"]),
        ("a higher revision replaces", [0, 1, 7], ["accepted", "revised", "revised"]),
        ("a lower one comes too late", [3, 1, 2], ["accepted", "superseded", "superseded"]),
        (
            "each is judged by the highest so far",
            [0, 2, 1, 2, 3],
            ["accepted", "revised", "superseded", "duplicate", "revised"],
        ),
    ],
)
def test_a_response_is_recognised_by_its_id_and_its_revision(
    why: str, revisions: list[int], expected: list[str]
) -> None:
    outputs = carried(*(Record(value(revision=revision)) for revision in revisions))

    assert expected == outcomes(outputs), why
    assert sum(counted(outputs)) == 1


def test_a_duplicate_causes_a_decision_and_nothing_else() -> None:
    partition = Partition()
    partition.carry([Record(value(score=2))])

    assert [events.DECISIONS] == topics(partition.carry([Record(value(score=2), offset=1)]))


def test_one_id_may_belong_to_each_of_two_customers() -> None:
    outputs = carried(Record(value()), Record(value(customer_id="c-2"), b"c-2"))

    assert outcomes(outputs) == ["accepted", "accepted"]


def test_a_correction_takes_the_old_score_out_and_puts_the_new_one_in() -> None:
    outputs = carried(
        Record(value(score=2)), Record(value(score=9, revision=1)), Record(value(response_id="x", score=7))
    )

    assert counted(outputs) == [0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("first", "second", "left", "right"),
    [
        ({}, {"segment": ["fr", "shop-4"]}, 0, 1),
        ({}, {"test": True}, 0, 0),
        ({"test": True}, {}, 1, 0),
        ({"test": True}, {"test": True}, 0, 0),
        ({}, {"segment": []}, 0, 0),
    ],
    ids=["a move", "it was a trial", "it was no trial", "still a trial", "a move up to the root"],
)
def test_a_correction_moves_the_count(first: dict[str, Any], second: dict[str, Any], left: int, right: int) -> None:
    outputs = carried(Record(value(**first)), Record(value(revision=1, **second)))

    assert [left, right] == [sum(counted(outputs, path)) for path in (b"fr/shop-3", b"fr/shop-4")]
    assert int(not second.get("test", False)) == sum(counted(outputs))


def test_each_step_of_an_alert_is_reported_to_its_case_in_the_same_order() -> None:
    outputs = carried(
        Record(value(score=2)),
        Record(value(score=4, revision=1)),
        Record(value(response_id="r-2", score=9)),
        Record(value(score=9, revision=2)),
    )
    alert_id = of(events.ALERTS, outputs)[0]["alert_id"]

    def step(offset: int, action: str, severity: Severity, score: int, revision: int) -> AlertStep:
        given = (alert_id, action, severity, score, "fr/shop-3", "autumn", "r-1", revision, GIVEN, NOW)
        return AlertStep(offset, 0, *given)

    assert messages(outputs) == [
        step(0, "opened", Severity.CRITICAL, 2, 0),
        step(1, "updated", Severity.ERROR, 4, 1),
        step(3, "withdrawn", Severity.WARNING, 9, 2),
    ]


def test_each_step_of_an_alert_has_what_the_routes_say_of_it() -> None:
    partition = Partition()
    partition.work = lambda event: Work(Terms("fast", "office"), [event.severity, "care"])
    outputs = partition.carry([Record(value(score=2, language="fr")), Record(value(score=4, revision=1), offset=1)])

    steps = [one for one in messages(outputs) if isinstance(one, AlertStep)]
    assert [(one.service_level, one.calendar, one.receivers) for one in steps] == [
        ("fast", "office", ["critical", "care"]),
        ("fast", "office", ["error", "care"]),
    ]
    assert [one.language for one in steps] == ["fr", ""]


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        ({}, [AnsweredAgain(1, 0, "r-2", 0, True, 9, "fr/shop-3", GIVEN + HOUR, NOW)]),
        ({"score": 1}, [AnsweredAgain(1, 1, "r-2", 0, True, 1, "fr/shop-3", GIVEN + HOUR, NOW)]),
        ({"responded_at": "2023-11-14T22:00:00Z"}, []),
        ({"test": True}, []),
        ({"response_id": "r-1", "revision": 1}, []),
        ({"customer_id": "c-2"}, []),
    ],
)
@pytest.mark.parametrize("withdrawn", [False, True])
def test_an_answer_after_an_alert_is_reported_to_the_cases(
    later: dict[str, Any], expected: list[Message], withdrawn: bool
) -> None:
    partition = Partition()
    partition.carry([Record(value(score=8 if withdrawn else 2))])
    body = {"response_id": "r-2", "responded_at": "2023-11-14T23:00:00Z"} | later
    outputs = partition.carry([Record(value(**body), str(body.get("customer_id", "c-1")).encode(), offset=1)])
    reported = [message for message in messages(outputs) if isinstance(message, AnsweredAgain)]

    assert reported == ([] if withdrawn else expected)


def test_a_correction_of_such_an_answer_is_reported_as_no_first_one() -> None:
    second = {"response_id": "r-2", "responded_at": "2023-11-14T23:00:00Z"}
    outputs = carried(
        Record(value(score=2)), Record(value(**second)), Record(value(**second, revision=1, score=4, comment="Bad."))
    )
    reported = [message for message in messages(outputs) if isinstance(message, AnsweredAgain)]

    assert [(found.revision, found.is_first, found.score) for found in reported] == [(0, True, 9), (1, False, 4)]


def test_an_alerts_life_is_opened_updated_withdrawn_and_opened_again() -> None:
    scores = [2, 3, 9, 10, 5]
    outputs = carried(*(Record(value(score=score, revision=n)) for n, score in enumerate(scores)))
    alerts = of(events.ALERTS, outputs)

    assert ["opened", "updated", "withdrawn", "opened"] == [alert["action"] for alert in alerts]
    assert len({alert["alert_id"] for alert in alerts}) == 1
    assert len(identities([output for output in outputs if output.topic == events.ALERTS])) == 4


def test_beyond_the_history_a_duplicate_is_not_known_any_more() -> None:
    policy = Policy(history=HistoryPolicy(answers=2, known_ids=0))
    records = numbered([Record(value(response_id=name, segment=[name])) for name in ("a", "b", "a", "c", "a")])

    expected = ["accepted", "accepted", "duplicate", "accepted", "accepted"]
    assert expected == outcomes(Partition(policy=policy).carry(records))


def test_earlier_answers_of_the_same_batch_are_in_the_alert() -> None:
    outputs = carried(Record(value(response_id="a", score=9)), Record(value(response_id="b", score=1)))

    assert [9] == [answer["score"] for answer in of(events.ALERTS, outputs)[0]["last_answers"]]


def test_now_is_the_records_own_time() -> None:
    outputs = carried(Record(value(score=2), timestamp=NOW + HOUR))

    assert {"2023-11-14T23:13:20Z"} == {
        of(events.ALERTS, outputs)[0]["occurred_at"],
        of(events.DECISIONS, outputs)[0]["decided_at"],
    }


# Erasure


def test_an_erasure_is_passed_on_and_the_row_is_gone_while_the_counts_stay() -> None:
    partition = Partition()
    before = partition.carry([Record(value(score=2))])
    outputs = partition.carry([Record(None, offset=1)])

    assert [events.ALERTS, events.INVITATIONS, events.CASES, events.DECISIONS] == topics(outputs)
    assert [b"c-1"] * 4 == [output.key for output in outputs]
    assert messages(outputs) == [Erasure(1, 0)]
    assert [None, None] == [output.value for output in outputs[:2]]
    assert outcomes(outputs) == ["erased"]
    assert partition.rows == {}
    assert sum(counted([*before, *outputs])) == 1


def test_after_an_erasure_the_customer_is_a_new_one() -> None:
    outputs = carried(Record(happy()), Record(None), Record(happy(response_id="r-2")), Record(value()))

    assert ["accepted", "erased", "accepted", "accepted"] == outcomes(outputs)
    assert len([event for event in of(events.INVITATIONS, outputs) if event]) == 2


def test_an_erasure_of_somebody_unknown_is_passed_on_too() -> None:
    assert outcomes(carried(Record(None, b"never seen"))) == ["erased"]


@pytest.mark.parametrize("key", [None, b""])
def test_an_erasure_without_a_key_is_a_dead_letter(key: bytes | None) -> None:
    outputs = carried(Record(None, key))

    assert ["no_key"] == [letter["reason"] for letter in of(events.DEAD_LETTERS, outputs)]
    assert len(outputs) == 1


@pytest.mark.parametrize("key", [b"k" * 201, b"a\x00b", b"\x00head", b"\xff", b"a\nb"])
def test_a_key_that_can_be_no_customers_is_a_dead_letter_as_well(key: bytes) -> None:
    assert topics(carried(Record(None, key))) == [events.DEAD_LETTERS]


@pytest.mark.parametrize("timestamp", [-1, NOW * 1_000, NOW * 1_000_000, 2**63 - 1])
@pytest.mark.parametrize(
    ("given", "outcome"),
    [(value(score=2), events.DEAD_LETTERS), (b"{", events.DEAD_LETTERS), (None, events.DECISIONS)],
    ids=["a response", "garbage", "an erasure"],
)
def test_a_record_time_that_is_none_stops_nobody(given: bytes | None, outcome: str, timestamp: int) -> None:
    assert topics(carried(Record(given, timestamp=timestamp)))[-1] == outcome


# Sending on

HOME = spread(b"c-1")
AWAY = (HOME + 1) % 4


@pytest.mark.parametrize(
    ("why", "key", "number"),
    [
        ("no key", None, HOME),
        ("an empty key", b"", HOME),
        ("another's key", b"c-2", HOME),
        ("a key in quotes", b'"c-1"', HOME),
        ("the right key, put into another partition", b"c-1", AWAY),
        ("no key in another partition", None, AWAY),
    ],
)
def test_a_record_that_is_not_at_home_is_sent_on_as_it_stands(why: str, key: bytes | None, number: int) -> None:
    record = Record(value(), key, 5, number, NOW + 7, headers=[("traceparent", b"x")])
    (output,) = Partition(number, spread).carry([record])

    assert (events.RESPONSES, b"c-1", value(), NOW + 7) == (output.topic, output.key, output.value, output.timestamp), (
        why
    )
    assert output.headers[:2] == [("traceparent", b"x"), (ORIGIN_HEADER, f"{HERE}@{number}:5".encode())]
    assert [name for name, _ in output.headers[2:]] == [PROOF_HEADER]


def test_a_record_at_home_is_not_sent_on() -> None:
    assert events.RESPONSES not in topics(Partition(HOME, spread).carry([Record(value(), partition=HOME)]))


def test_an_erasure_in_another_partition_is_sent_on() -> None:
    (output,) = Partition(AWAY, spread).carry([Record(None, partition=AWAY)])

    assert (events.RESPONSES, b"c-1", None) == (output.topic, output.key, output.value)


def test_what_a_foreign_partition_passes_on_leaves_no_row_there() -> None:
    partition = Partition(AWAY, spread)
    partition.carry([Record(value(), partition=AWAY), Record(value(), None, 1, AWAY)])

    assert (partition.rows, partition.rerouted) == ({}, {})


def test_where_a_customer_with_a_row_belongs_is_not_asked_again() -> None:
    asked = []

    def owner(key: bytes) -> int:
        asked.append(key)
        return 0

    partition = Partition(owner=owner)
    partition.carry([Record(value()), Record(value(revision=1), offset=1)])
    partition.carry([Record(value(revision=2), offset=2)])

    assert [key for key in asked if key.startswith(b"c-")] == [b"c-1"]


def rerouted(*records: Record, first: int = 0) -> list[Record]:
    """Return the records as they arrive in their customer's partition after a foreign one sent them on."""
    outputs = Partition(AWAY, spread).carry([record._replace(partition=AWAY) for record in records])
    return arrived(outputs, events.RESPONSES, first, HOME)


def again(records: Sequence[Record]) -> list[Record]:
    """Return the records with all of them once more behind, as a crash after the sending makes it."""
    first = records[0].offset
    return [record._replace(offset=first + n) for n, record in enumerate([*records, *records])]


def test_a_response_that_was_sent_on_is_treated_like_any_other_and_keeps_its_place() -> None:
    partition = Partition(HOME, spread)
    outputs = partition.carry(rerouted(Record(value(score=2), None, 7, timestamp=NOW + 9)))
    decision = of(events.DECISIONS, outputs)[0]

    assert ("accepted", AWAY, 7) == (decision["outcome"], decision["source_partition"], decision["source_offset"])
    assert decision["decided_at"] == "2023-11-14T22:13:20.009000Z"
    assert {HOME} == {source for _, source in entries(outputs)}
    assert partition.rerouted == {AWAY: 7}


def test_an_erasure_that_was_sent_on_keeps_its_place_too() -> None:
    decision = of(events.DECISIONS, Partition(HOME, spread).carry(rerouted(Record(None, offset=7))))[0]

    assert ("erased", AWAY, 7) == (decision["outcome"], decision["source_partition"], decision["source_offset"])


@pytest.mark.parametrize(("key", "number"), [(None, HOME), (b"c-2", HOME), (None, AWAY), (b"c-1", AWAY)])
def test_what_was_sent_on_is_not_sent_on_again(key: bytes | None, number: int) -> None:
    record = Record(value(), key, 7, number)
    onward = arrived(Partition(number, spread).carry([record]), events.RESPONSES, 8, HOME)

    assert events.RESPONSES not in topics(Partition(HOME, spread).carry(onward))


def test_what_somebody_copied_elsewhere_with_its_header_is_sent_on_with_one_of_its_own() -> None:
    (record,) = rerouted(Record(value(), offset=7))
    for copy in (record._replace(partition=AWAY, offset=9), record._replace(key=None, partition=AWAY, offset=9)):
        (output,) = Partition(AWAY, spread).carry([copy])

        assert output.headers[0] == (ORIGIN_HEADER, f"{HERE}@{AWAY}:9".encode())
        assert [name for name, _ in output.headers[1:]] == [PROOF_HEADER]


def test_a_refused_record_is_a_dead_letter_where_it_is_found_and_never_sent_on() -> None:
    assert topics(Partition(AWAY, spread).carry([Record(b"{", None, partition=AWAY)])) == [events.DEAD_LETTERS]


@pytest.mark.parametrize("batches", [1, 4])
def test_what_was_sent_on_twice_is_skipped_without_a_word(batches: int) -> None:
    log = again(
        rerouted(*numbered([Record(value(response_id="a"), None), Record(value(response_id="b", score=7), None)]))
    )
    partition, outputs = Partition(HOME, spread), list[Output]()
    for n in range(batches):
        outputs += partition.carry(log[n * len(log) // batches : (n + 1) * len(log) // batches])

    assert outcomes(outputs) == ["accepted", "accepted"]
    assert sum(counted(outputs)) == 2


def test_every_partition_that_sends_on_is_followed_by_itself() -> None:
    third = (HOME + 2) % 4
    records = [Record(value(response_id=f"r-{n}"), None, n, (AWAY, third)[n % 2]) for n in (5, 8, 7, 2, 6, 7, 10)]
    log = [
        record._replace(offset=n)
        for n, given in enumerate(records)
        for record in arrived(Partition(given.partition, spread).carry([given]), events.RESPONSES, 0, HOME)
    ]
    partition = Partition(HOME, spread)
    decisions = of(events.DECISIONS, partition.carry(log))

    assert [(third, 5), (AWAY, 8), (third, 7), (AWAY, 10)] == [
        (decision["source_partition"], decision["source_offset"]) for decision in decisions
    ]
    assert partition.rerouted == {AWAY: 10, third: 7}


def test_a_duplicate_that_was_sent_on_is_one() -> None:
    outputs = Partition(HOME, spread).carry(rerouted(*numbered([Record(value()), Record(value())])))

    assert outcomes(outputs) == ["accepted", "duplicate"]


def test_responses_know_each_other_however_they_came() -> None:
    partition = Partition(HOME, spread)
    log = [
        Record(value(score=2), partition=HOME, offset=40),
        *rerouted(Record(value(score=9, revision=1), None, 3), first=41),
        Record(value(score=9, revision=1), partition=HOME, offset=42),
    ]
    outputs = partition.carry(log)

    assert outcomes(outputs) == ["accepted", "revised", "duplicate"]
    assert ["opened", "withdrawn"] == [alert["action"] for alert in of(events.ALERTS, outputs)]


def test_a_correction_that_came_the_long_way_is_not_lost() -> None:
    """A correction without a key stood before the answer itself, in the customer's own partition."""
    partition = Partition(HOME, spread)
    first = partition.carry(numbered([Record(value(score=9, revision=1), None), Record(value(score=2))], HOME))
    outputs = partition.carry(arrived(first, events.RESPONSES, 2, HOME))

    assert outcomes([*first, *outputs]) == ["accepted", "revised"]


def test_an_erasure_and_an_answer_that_were_sent_on_twice_are_counted_once() -> None:
    log = again(rerouted(*numbered([Record(None), Record(value())])))

    assert sum(counted(Partition(HOME, spread).carry(log))) == 1


def test_an_erasure_that_was_sent_on_twice_leaves_what_came_in_between() -> None:
    (erasure,) = rerouted(Record(None))
    log = [erasure, Record(value(), partition=HOME, offset=1), erasure._replace(offset=2)]
    partition = Partition(HOME, spread)

    assert outcomes(partition.carry(log)) == ["erased", "accepted"]
    assert set(partition.rows) == {b"c-1"}


# Headers that others wrote


@pytest.mark.parametrize("number", [HOME, AWAY])
def test_a_mirrored_record_is_one_like_any_other(number: int) -> None:
    """Its header tells of another cluster's partitions: its place is the one it has here."""
    header = ORIGIN_HEADER, f"cluster-2/nps.responses@{AWAY}:9999999".encode()
    mirrored = Record(value(), b"c-1" if number == HOME else None, 7, number, headers=[header])
    partition = Partition(HOME, spread)
    log = [mirrored] if number == HOME else rerouted(mirrored)
    log += rerouted(Record(value(response_id="r-2", score=7), None, 8), first=9)
    decisions = of(events.DECISIONS, partition.carry(log))

    assert [("accepted", number, 7), ("accepted", AWAY, 8)] == [
        (decision["outcome"], decision["source_partition"], decision["source_offset"]) for decision in decisions
    ]
    assert partition.rerouted == {AWAY: 8}


FORGED = [
    None,
    b"",
    b"garbage",
    b"0:9999999",
    b"\xff",
    f"{HERE}@".encode(),
    f"{HERE}@{AWAY}:{10**19}".encode(),
    f"{HERE}@{AWAY}:{2**63 - 1}".encode(),
]


def test_a_forged_place_at_the_end_of_time_silences_nobody() -> None:
    partition, text = Partition(HOME, spread), f"{HERE}@{AWAY}:{2**63 - 1}".encode()
    log: list[Record] = []
    for proof in (None, b"x", bytes(16)):
        headers: Any = [(ORIGIN_HEADER, text), *([] if proof is None else [(PROOF_HEADER, proof)])]
        log.append(Record(value(score=9), partition=HOME, headers=headers))
    log += rerouted(*(Record(value(response_id=f"g-{n}", score=1, segment=[f"{n}"]), None, n) for n in range(5)))
    outputs = partition.carry(numbered(log, HOME))

    assert ["opened"] * 5 == [alert["action"] for alert in of(events.ALERTS, outputs)]
    assert [0, 1, 2] == [decision["source_offset"] for decision in of(events.DECISIONS, outputs)[:3]]
    assert partition.rerouted == {AWAY: 4}


def test_what_version_0_1_0_rerouted_counts_once_though_nothing_proves_its_place() -> None:
    """It wrote no proof. What its crash sent on twice is a duplicate by its response_id."""
    before = [record._replace(headers=list(record.headers)[:1]) for record in rerouted(Record(value(score=2), None, 7))]
    outputs = Partition(HOME, spread).carry(again(before))

    assert outcomes(outputs) == ["accepted", "duplicate"]
    assert sum(counted(outputs)) == 1
    assert [HOME, HOME] == [decision["source_partition"] for decision in of(events.DECISIONS, outputs)]


def test_the_header_that_version_0_1_0_reads_is_as_it_was() -> None:
    (record,) = rerouted(Record(value(), None, 7))

    assert dict(record.headers)[ORIGIN_HEADER] == f"{HERE}@{AWAY}:7".encode()


@pytest.mark.parametrize("given", [value(), None])
def test_what_is_too_large_to_be_sent_on_with_its_headers_is_a_dead_letter(given: bytes | None) -> None:
    """A publisher's batch can hold far more than the topic takes of one that is not compressed."""
    headers = [("x", bytes(25_000_000)), ("y", b"")]
    outputs = Partition(AWAY, spread).carry([Record(given, b"c-1", 5, AWAY, headers=headers)])
    (letter,) = of(events.DEAD_LETTERS, outputs)

    assert topics(outputs) == [events.DEAD_LETTERS]
    assert (letter["reason"], letter["partition"], letter["offset"]) == ("too_large", AWAY, 5)
    assert "can be sent on" in letter["detail"]


def test_headers_that_can_be_sent_on_are_and_at_home_their_size_does_not_matter() -> None:
    large = [("x", bytes(1_000_000))]

    assert topics(Partition(AWAY, spread).carry([Record(value(), None, 5, AWAY, headers=large)])) == [events.RESPONSES]
    home = Partition(HOME, spread).carry([Record(value(), b"c-1", 5, HOME, headers=[*large, *large])])
    assert outcomes(home) == ["accepted"]


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("key", [b"c-1", None])
def test_a_header_that_is_not_the_workers_does_no_harm(key: bytes | None, forged: bytes | None) -> None:
    headers: Any = [(ORIGIN_HEADER, forged), ("traceparent", b"x")]
    partition = Partition(HOME, spread)
    given = Record(value(), key, 7, AWAY if key is None else HOME, headers=headers)
    log = rerouted(given) if key is None else [given]
    decision = of(events.DECISIONS, partition.carry(log))[0]

    assert ("accepted", given.partition, 7) == (
        decision["outcome"],
        decision["source_partition"],
        decision["source_offset"],
    )
    assert partition.rerouted == ({AWAY: 7} if key is None else {})


@pytest.mark.parametrize("forged", FORGED)
def test_nor_does_it_at_a_dead_letter(forged: bytes | None) -> None:
    headers: Any = [(ORIGIN_HEADER, forged)]
    (letter,) = of(events.DEAD_LETTERS, carried(Record(b"{", headers=headers)))

    assert (0, 0) == (letter["partition"], letter["offset"])


# A crash after the outputs and before the rows, with a correction that another partition sent on


def test_a_crash_before_the_rows_counts_a_response_and_its_correction_once() -> None:
    partition = Partition(HOME, spread)
    log = [
        Record(value(score=2), partition=HOME),
        *rerouted(Record(value(score=9, revision=1), None, 3), first=1),
    ]
    sent = partition.decide(log[:1]).outputs
    sent += partition.decide(log).outputs
    sent += partition.carry(log)

    assert counted(sent) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    assert len({alert["alert_id"] for alert in of(events.ALERTS, sent)}) == 1


def test_a_crash_before_the_rows_invites_a_customer_once() -> None:
    partition = Partition(HOME, spread)
    log = [
        Record(happy(response_id="a"), partition=HOME),
        *rerouted(Record(happy(response_id="b"), None, 3), first=1),
    ]
    sent = partition.decide(log[:1]).outputs
    sent += partition.decide(log).outputs
    sent += partition.carry(log)

    assert {"a"} == {invitation["response_id"] for invitation in of(events.INVITATIONS, sent)}


def test_what_was_sent_on_twice_is_known_as_such_on_partly_written_rows_too() -> None:
    """The erasure and the answer came, and came again; the customer's row is there, the head row is not."""
    log = again(rerouted(*numbered([Record(None), Record(value())])))
    partition = Partition(HOME, spread)
    crashed = partition.decide(log)
    partition.write(crashed.rows)
    replayed = partition.carry(log)

    assert outcomes(replayed) == []
    assert sum(counted([*crashed.outputs, *replayed])) == 1


# A crash anywhere makes no difference. What records there may be:

CUSTOMERS = ("c-1", "c-2", "c-3")
Values = st.builds(
    # The names of one digit are each customer's own; "x" and "y" move from one customer to another.
    lambda customer, name, **changes: happy(
        customer_id=customer, response_id=name if name in "xy" else f"{customer}-{name}", **changes
    ),
    st.sampled_from(CUSTOMERS),
    st.sampled_from("012345xxy"),
    revision=st.integers(0, 2),
    score=st.integers(0, 10),
    segment=st.sampled_from([[], ["fr"], ["fr", "shop-3"], ["de"]]),
    test=st.sampled_from([False, False, True]),
    comment=st.sampled_from([None, None, "Late", "Lost"]),
    responded_at=st.tuples(st.integers(0, 100), st.integers(0, 40)).map(
        lambda when: from_ms(NOW - when[0] // 30 * 10 * DAY - when[1] * 100).isoformat()
    ),
)
Keyed = Values.map(lambda given: Record(given, json.loads(given)["customer_id"].encode()))
Logs = st.lists(
    st.one_of(
        Keyed,
        Keyed,
        Keyed,
        Values.map(lambda given: Record(given, None)),
        Values.map(lambda given: Record(given, b"c-2")),
        st.sampled_from(CUSTOMERS).map(lambda name: Record(None, name.encode())),
        st.sampled_from([b"{", b"null", value(score=11)]).map(lambda given: Record(given, b"c-1")),
    ),
    max_size=14,
).map(lambda log: [record._replace(timestamp=NOW + n * HOUR) for n, record in enumerate(numbered(log))])


#: What another partition, 7, was given and sent on; some of it twice, because it crashed and began again there.
Foreign = st.tuples(Logs, st.lists(st.integers(0, 14), max_size=2))


def sent_by_another(foreign: tuple[list[Record], list[int]], *, repeats: bool = True) -> list[Record]:
    """Return what arrives in partition 0, in its order."""
    log, crashes = foreign
    onward = arrived(Partition(7).decide([r._replace(partition=7) for r in log]).outputs, events.RESPONSES)
    found = list[Record]()
    for crash in crashes if repeats else []:
        found += onward[:crash]
    return [*found, *onward]


def mixed(log: list[Record], others: list[Record], seed: int) -> list[Record]:
    """Return both in one log, each in its order."""
    chance, found = Random(seed), list[Record]()
    rest, more = list(log), list(others)
    while rest or more:
        found.append((rest if rest and (not more or chance.random() < 0.5) else more).pop(0))
    return numbered(found)


Mixed = st.builds(lambda log, foreign, seed: mixed(log, sent_by_another(foreign), seed), Logs, Foreign, st.integers(0))


def partition_with(history: list[Record]) -> Partition:
    """Return a partition that has carried some records already; what follows has higher offsets."""
    partition = Partition()
    partition.carry(history)
    return partition


def after(history: list[Record], log: list[Record]) -> list[Record]:
    return [record._replace(offset=record.offset + len(history)) for record in log]


@pytest.mark.unmeasured
@given(Mixed, Mixed)
def test_a_batch_decided_twice_gives_the_same_outputs_and_rows(history: list[Record], log: list[Record]) -> None:
    one, other = partition_with(history), partition_with(history)

    assert one.decide(after(history, log)) == other.decide(after(history, log))


@pytest.mark.unmeasured
@given(Mixed, Mixed)
def test_deciding_changes_nothing_before_it_is_written(history: list[Record], log: list[Record]) -> None:
    partition = partition_with(history)
    before = dict(partition.rows), dict(partition.rerouted)
    partition.decide(after(history, log))

    assert before == (partition.rows, partition.rerouted)


@pytest.mark.unmeasured
@given(Mixed)
def test_a_batch_on_the_rows_and_head_it_wrote_gives_nothing(log: list[Record]) -> None:
    partition = partition_with(log)

    assert partition.carry(log) == []


@given(Logs)
def test_on_rows_without_a_head_only_what_leaves_no_row_is_repeated_and_under_the_same_ids(log: list[Record]) -> None:
    """That is why the head row has a mark: dead letters, erasures and what is sent on have no row of their own."""
    partition = Partition()
    first = partition.carry(log)
    answers = {output.key for output in first if output.topic == events.TALLIES}
    partition.mark = -1
    erased = {record.key for record in log if record.value is None}
    repeated = partition.decide([record for record in log if record.key not in erased]).outputs

    assert {events.DEAD_LETTERS, events.RESPONSES} >= set(topics(repeated))
    assert identities(first) >= identities(repeated)
    assert answers or events.TALLIES not in topics(repeated)


@given(Mixed)
def test_the_cases_get_one_message_for_each_step_of_an_alert_and_each_erasure_and_can_tell_repeats(
    log: list[Record],
) -> None:
    outputs = Partition().carry(log)
    found = messages(outputs)
    places = [(message.offset, message.index) for message in found if not isinstance(message, MovedCommand)]
    by_record: dict[int, list[int]] = {}
    for offset, index in places:
        by_record.setdefault(offset, []).append(index)

    reported = [message for message in found if not isinstance(message, AnsweredAgain)]
    assert len(reported) == len([output for output in outputs if output.topic == events.ALERTS])
    assert places == sorted(places)
    assert all(indices == list(range(len(indices))) for indices in by_record.values())


@pytest.mark.unmeasured
@given(Mixed, Mixed, st.data())
def test_a_replay_on_partly_written_rows_adds_nothing_to_one_clean_run(
    history: list[Record], log: list[Record], data: st.DataObject
) -> None:
    """Any rows may be there already, but for erased ones: streams/table.py writes those with the head row."""
    log = after(history, log)
    clean = partition_with(history)
    expected = clean.carry(log)

    partition = partition_with(history)
    crashed = partition.decide(log)
    partition.write(
        {key: row for key, row in crashed.rows.items() if row is not None and data.draw(st.booleans(), label=str(key))}
    )
    replayed = partition.carry(log)

    assert identities(expected) == identities([*crashed.outputs, *replayed])
    assert {(o.topic, o.key, o.value) for o in others(expected)} >= {
        (o.topic, o.key, o.value) for o in others(replayed)
    }
    sent = Partition().carry(history)
    assert counted([*sent, *expected]) == counted([*sent, *crashed.outputs, *replayed])
    assert read(clean.rows) == read(partition.rows)
    assert clean.rerouted == partition.rerouted


@given(Mixed, st.data())
def test_cutting_the_log_into_other_batches_makes_no_difference(log: list[Record], data: st.DataObject) -> None:
    whole = Partition()
    expected = whole.carry(log)
    partition, outputs, start = Partition(), list[Output](), 0
    while start < len(log):
        end = data.draw(st.integers(start + 1, len(log)), label="cut")
        outputs += partition.carry(log[start:end])
        start = end

    assert others(expected) == others(outputs)
    assert claims(expected) == claims(outputs)
    assert entries(expected) == entries(outputs)
    assert read(whole.rows) == read(partition.rows)
    assert whole.rerouted == partition.rerouted


@pytest.mark.unmeasured
@given(Mixed, st.integers(0, 14), st.integers(0, 14))
def test_a_crash_between_two_batches_repeats_nothing(log: list[Record], cut: int, back: int) -> None:
    """The committed offset may lag behind the rows: what was read before is read again."""
    partition = Partition()
    outputs = partition.carry(log[:cut])
    outputs += partition.carry(log[max(0, cut - back) :])

    assert others(Partition().carry(log)) == others(outputs)
    assert entries(Partition().carry(log)) == entries(outputs)


@given(Logs, Foreign, st.integers(0, 14))
def test_sending_on_that_was_repeated_after_a_crash_makes_no_difference(
    log: list[Record], foreign: tuple[list[Record], list[int]], behind: int
) -> None:
    """Another partition sent some records on, crashed, and sent all of them on again: what came first counts."""
    once = sent_by_another(foreign, repeats=False)
    first = numbered([*log[:behind], *once, *log[behind:]])
    more = sent_by_another((foreign[0], [len(once)]))[len(once) :]
    clean, other = Partition(), Partition()
    expected, outputs = clean.carry(first), other.carry(numbered([*first, *more]))

    assert expected == outputs
    assert clean.rerouted == other.rerouted


# The whole topic: several partitions, each sending on into others, with crashes in between

Steps = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5), st.none() | st.integers(0)), max_size=12)


class World:
    """The responses topic and its worker: what is sent on lies in the same logs that are read."""

    def __init__(self, given: list[Record]) -> None:
        self.partitions = [Partition(number, self.owner) for number in range(3)]
        for partition in self.partitions:
            partition.partitions = 3
        self.logs: list[list[Record]] = [[], [], []]
        self.sent: list[Output] = []
        for record in given:
            self.append(record, record.partition)

    @staticmethod
    def owner(key: bytes) -> int:
        return spread(key) % 3

    def append(self, record: Record, number: int) -> None:
        log = self.logs[number]
        log.append(record._replace(offset=len(log), partition=number))

    def send(self, outputs: Sequence[Output]) -> None:
        self.sent += outputs
        for output in outputs:
            for record in arrived([output], events.RESPONSES):
                self.append(record, output.partition or 0)

    def step(self, number: int, size: int, crash: int | None = None) -> None:
        """Carry a batch. A crash lets some outputs out for each place they go to, or all of them and some rows."""
        partition = self.partitions[number]
        batch = self.logs[number][partition.mark + 1 :][:size]
        if crash is None:
            self.send(partition.carry(batch))
            return
        chance, decided = Random(crash), partition.decide(batch)
        if chance.random() < 0.5:
            lost: set[tuple[str, int]] = set()
            for output in decided.outputs:
                place = output.topic, number if output.partition is None else output.partition
                if chance.random() < 0.3:
                    lost.add(place)
                if place not in lost:
                    self.send([output])
            return
        self.send(decided.outputs)
        partition.write({k: row for k, row in decided.rows.items() if row is not None and chance.random() < 0.5})

    def finish(self) -> None:
        """Carry everything there is, and what comes of it."""
        while any(len(log) > p.mark + 1 for log, p in zip(self.logs, self.partitions, strict=True)):
            for number in range(3):
                self.step(number, 100)

    def decisions(self) -> Iterator[dict[str, Any]]:
        """Return each decision, once; all that share an id must be the same."""
        found: dict[str, Any] = {}
        for decision in of(events.DECISIONS, self.sent):
            if found.setdefault(decision["decision_id"], decision) is decision:
                yield decision
            assert found[decision["decision_id"]] == decision


def recount(decisions: Iterator[dict[str, Any]]) -> Histogram:
    """Return what is counted at the root, if each decision holds and holds once."""
    total = [0] * 11
    counted_as: dict[str, dict[str, int]] = {}
    for decision in decisions:
        known = counted_as.setdefault(decision["customer_id"], {})
        if decision["outcome"] == Outcome.ERASED:
            known.clear()
        elif decision["outcome"] not in {Outcome.DUPLICATE, Outcome.SUPERSEDED, Outcome.DIFFERS}:
            before = known.pop(decision["response_id"], None)
            if before is not None:
                total[before] -= 1
            if decision["outcome"] in {Outcome.ACCEPTED, Outcome.REVISED}:
                total[decision["score"]] += 1
                known[decision["response_id"]] = decision["score"]
    return total


Topics = st.tuples(Logs, st.lists(st.integers(0, 2), min_size=14, max_size=14)).map(
    lambda found: [record._replace(partition=number) for record, number in zip(found[0], found[1], strict=False)]
)


@pytest.mark.unmeasured
@given(Topics, Steps)
def test_whatever_crashes_every_record_is_decided_about_once_and_counted_once(
    given: list[Record], steps: list[tuple[int, int, int | None]]
) -> None:
    world = World(given)
    places = {(record.partition, record.offset) for log in world.logs for record in log}
    for step in steps:
        world.step(*step)
    world.finish()
    decisions = list(world.decisions())
    own = [decision for decision in decisions if decision["outcome"] != Outcome.MOVED]
    places_of = [(decision["source_partition"], decision["source_offset"]) for decision in own]
    ids = [decision["decision_id"] for decision in own]
    # A record may change other answers, which have decisions of their own then.
    decided = [place for place, found in zip(places_of, ids, strict=True) if found == make_id("decision", *place)]
    letters = {(letter["partition"], letter["offset"]) for letter in of(events.DEAD_LETTERS, world.sent)}

    assert len(decided) == len(set(decided))
    assert places == {*decided, *letters}
    assert not letters & set(places_of)
    assert set(places_of) == set(decided)
    assert recount(iter(decisions)) == counted(world.sent)


@given(Logs)
def test_every_event_holds_by_its_contract(log: list[Record]) -> None:
    for output in Partition().carry(log):
        if output.value is None or output.topic in {events.TALLIES, events.RESPONSES, events.CASES}:
            assert output.value is not None or output.topic in {events.RESPONSES, events.ALERTS, events.INVITATIONS}
            continue
        headers = dict(output.headers)
        contract = WRITTEN[headers["ce_type"] or b""]
        event = contract.model.model_validate_json(output.value, strict=True)
        assert json.loads(output.value) == json.loads(event.model_dump_json())
        assert contract.topic == output.topic
        assert {"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"} == headers.keys()


@given(Logs)
def test_no_two_different_events_share_an_id(log: list[Record]) -> None:
    """This is not so for a customer who is erased in between: after that, the same answers are new."""
    log = numbered([record for record in log if record.value is not None])
    found = [
        (o.topic, o.key, header_of(o, "ce_id")) for o in Partition().carry(log) if header_of(o, "ce_type") in WRITTEN
    ]

    assert len(found) == len(set(found))


def test_the_policy_reaches_the_intake() -> None:
    policy = Policy(intake=IntakePolicy(max_bytes=1_000))
    outputs = Partition(policy=policy).carry([Record(value(comment="x" * 1_000))])

    assert topics(outputs) == [events.DEAD_LETTERS]


def test_an_answer_by_a_source_keeps_the_time_of_its_first_delivery() -> None:
    """Some survey tools give each delivery its own time."""
    by_source = [("nps-source", b"app")]
    first = value(score=2, responded_at="2023-11-14T20:00:00Z")
    changed = value(score=2, revision=1, comment="Late.", responded_at="2023-11-14T21:30:00+01:00")
    again = value(score=2, revision=1, comment="Late.", responded_at="2023-11-14T21:45:00Z")
    partition = Partition()
    outputs = partition.carry(
        numbered([Record(first), Record(changed, headers=by_source), Record(again, headers=by_source)])
    )

    assert outcomes(outputs) == ["accepted", "revised", "duplicate"]
    (answer,) = decode_contact(partition.rows[b"c-1"]).answers
    assert rfc3339(answer.at) == b"2023-11-14T20:00:00+00:00"
    alerts = [json.loads(output.value or b"") for output in outputs if output.topic == events.ALERTS]
    assert {alert["responded_at"] for alert in alerts} == {"2023-11-14T20:00:00Z"}
    assert [alert["comment"] for alert in alerts] == [None, "Late."]


def test_a_response_that_somebody_publishes_may_change_its_time() -> None:
    partition = Partition()
    partition.carry(numbered([Record(value()), Record(value(revision=1, responded_at="2023-11-14T21:00:00Z"))]))

    (answer,) = decode_contact(partition.rows[b"c-1"]).answers
    assert rfc3339(answer.at) == b"2023-11-14T21:00:00+00:00"
