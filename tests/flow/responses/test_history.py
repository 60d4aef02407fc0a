"""Answers of the past that are imported: they count like any other, and nobody is called, invited or alarmed."""

import itertools
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from flow.carrying import Partition, numbered
from flow.records import DAY, HOUR, NOW, Record, arrived, happy, of, value
from flow.responses.test_road import counted, is_claim, outcomes
from msgspec.structs import replace

from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.messages import hourly_report, tally, tick
from worker.flow.responses.customer import Answer
from worker.flow.segments import road as segments
from worker.flow.timestamps import from_ms
from worker.nps import columns
from worker.nps.latest import CountedAnswer
from worker.nps.segment import Entries, Move, Segment


def answered(number: int, age: int, **changes: Any) -> bytes:
    """Return an answer that was given so many milliseconds ago."""
    at = from_ms(NOW - age).isoformat(timespec="milliseconds")
    return value(**({"response_id": f"r-{number}", "customer_id": f"c-{number}", "responded_at": at} | changes))


def carried(*values: bytes) -> list[Output]:
    records = [Record(value, f"c-{number}".encode()) for number, value in enumerate(values)]
    return Partition().carry(numbered(records))


def of_one(*values: bytes) -> list[Output]:
    """Carry several records of one customer."""
    return Partition().carry(numbered([Record(value) for value in values]))


def reported(outputs: Sequence[Output], path: str = "") -> list[list[int]]:
    """Return the hours of a segment that reach the stage which watches over all segments, once they have ended.

    Each has the hour, and its promoters, passives and detractors.
    """
    end = Record(b"", tick.KEY, 1_000, timestamp=NOW + DAY, topic="nps.tallies")
    decided = segments.count([*arrived(outputs, events.TALLIES), end], {}, 0)
    found = []
    for output in decided.outputs:
        if output.topic == events.HOURS:
            numbers = columns.read(hourly_report.decode(output.value or b"").segments.get(path, b"")).tolist()
            found += [numbers[first : first + 4] for first in range(0, len(numbers), 4)]
    return found


def test_history_counts_and_calls_and_invites_nobody() -> None:
    outputs = of_one(
        value(score=2, history=True),
        happy(response_id="r-2", score=10, history=True),
        value(response_id="r-3", score=7),
    )

    assert outcomes(outputs) == ["accepted"] * 3
    assert of(events.ALERTS, outputs) == []
    assert of(events.INVITATIONS, outputs) == []
    assert counted(outputs) == [0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1]
    low, high, _ = ({rule["rule"]: rule["reason"] for rule in one["rules"]} for one in of(events.DECISIONS, outputs))
    assert (low["detractor_alert"], high["review_invitation"]) == ("history", "history")


def test_history_is_no_sign_of_an_incident() -> None:
    past = [answered(number, HOUR, score=0, history=True) for number in range(30)]
    fresh = answered(30, 2 * HOUR, score=9)

    assert reported(carried(*past)) == []
    assert reported(carried(*past, fresh)) == [[(NOW - 2 * HOUR) // HOUR, 1, 0, 0]]
    assert len(reported(carried(*[answered(number, HOUR, score=0) for number in range(30)]))) == 1


def test_answers_of_one_hour_are_told_apart() -> None:
    outputs = carried(
        answered(0, HOUR, score=0, history=True), answered(1, HOUR, score=0), answered(2, HOUR, score=0, history=True)
    )

    assert reported(outputs) == [[(NOW - HOUR) // HOUR, 0, 0, 1]]
    assert reported(outputs, "fr/shop-3") == [[(NOW - HOUR) // HOUR, 0, 0, 1]]


@pytest.mark.parametrize("later", [True, False])
def test_a_correction_of_history_is_history_for_the_incidents(later: bool) -> None:
    first, second = answered(0, HOUR, score=0, history=True), answered(0, HOUR, score=9, revision=1, history=later)
    outputs = Partition().carry(
        numbered([Record(first, b"c-0"), Record(answered(1, HOUR, score=5), b"c-1"), Record(second, b"c-0")])
    )

    assert counted(outputs) == [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert reported(outputs) == [[(NOW - HOUR) // HOUR, 0, 0, 1]]


def live(number: int) -> Record:
    """Return a live detractor of a customer of its own, of the last hour."""
    return Record(answered(10 + number, HOUR, score=0), f"c-{10 + number}".encode())


def scanned(number: int, history: bool) -> Record:
    """Return one of the answers that a mail scanner gives in one second, a detractor. The fourth shows that it is one.

    None of them counts from then on.
    """
    at = HOUR - number * 100
    return Record(answered(number, at, customer_id="c-1", score=number - 1, history=history, comment=None), b"c-1")


@pytest.mark.parametrize("past", list(itertools.product([True, False], repeat=4)))
def test_an_answer_of_a_burst_is_taken_out_of_what_it_was_counted_in(past: tuple[bool, ...]) -> None:
    burst = [scanned(number, history) for number, history in enumerate(past, 1)]
    outputs = Partition().carry(numbered([*map(live, range(3)), *burst]))

    assert outcomes(outputs)[-4:] == ["suspect_scanner"] * 4
    assert counted(outputs) == [3, *[0] * 10]
    assert reported(outputs) == [[(NOW - HOUR) // HOUR, 0, 0, 3]]
    assert reported(outputs, "fr/shop-3") == [[(NOW - HOUR) // HOUR, 0, 0, 3]]


def test_a_correction_from_the_past_leaves_a_live_answer_among_the_live_ones() -> None:
    first, second = answered(0, HOUR, score=0), answered(0, HOUR, score=9, revision=1, history=True)
    third = answered(0, HOUR, score=7, revision=2)
    records = [Record(first, b"c-0"), live(1), Record(second, b"c-0")]

    outputs = Partition().carry(numbered(records))
    assert reported(outputs) == [[(NOW - HOUR) // HOUR, 1, 0, 1]]
    outputs = Partition().carry(numbered([*records, Record(third, b"c-0")]))
    assert reported(outputs) == [[(NOW - HOUR) // HOUR, 0, 1, 1]]


@pytest.mark.parametrize("past", [True, False])
@pytest.mark.parametrize("later", [True, False])
def test_an_answer_that_another_customer_claims_is_taken_out_of_what_it_was_counted_in(past: bool, later: bool) -> None:
    first = Record(answered(1, HOUR, customer_id="c-0", score=0, history=past), b"c-0")
    second = Record(answered(1, HOUR, customer_id="c-1", score=9, revision=1, history=later), b"c-1")
    partition = Partition()
    outputs = partition.carry(numbered([*map(live, range(3)), first, second]))
    [claim] = filter(is_claim, outputs)
    outputs += partition.carry([Record(claim.value, None, 5, 0, NOW, claim.headers)])

    assert counted(outputs) == [3, *[0] * 8, 1, 0]
    assert reported(outputs) == [[(NOW - HOUR) // HOUR, 0 if later else 1, 0, 3]]


@pytest.mark.parametrize("past", [True, False])
def test_a_tally_of_an_earlier_version_says_it_of_all_that_a_record_changes(past: bool) -> None:
    entries = Entries(history=columns.write(array("q", [3])) if past else b"")
    gone = [(CountedAnswer(NOW, number, 0), None, number) for number in range(2)]
    earlier = msgspec.msgpack.encode([3, *gone[0], gone[1:]])
    segment = Segment()
    put = array("q", [number for offset in range(3) for number in (offset, NOW, offset, 0)])
    segment.count({0: [Entries(columns.write(put))]})
    segment.count({0: [replace(entries, moves=[msgspec.msgpack.decode(earlier, type=Move)])]})

    assert segment.total[0] == 1
    assert columns.read(segment.report_hours(NOW + DAY)).tolist() == [NOW // HOUR, 0, 0, 3 if past else 1]


def test_a_live_correction_of_history_calls_somebody() -> None:
    outputs = of_one(value(score=7, history=True), value(score=2, revision=1))

    assert [alert["action"] for alert in of(events.ALERTS, outputs)] == ["opened"]


def test_a_correction_from_the_past_still_ends_an_alert_that_is_open() -> None:
    outputs = of_one(value(score=2), value(score=9, revision=1, history=True))

    assert [alert["action"] for alert in of(events.ALERTS, outputs)] == ["opened", "withdrawn"]


@pytest.mark.parametrize("first", [True, False])
def test_what_the_tool_also_delivers_is_the_same_answer(first: bool) -> None:
    outputs = of_one(value(score=2, history=first), value(score=2, history=not first))

    assert outcomes(outputs) == ["accepted", "duplicate"]
    assert len(of(events.ALERTS, outputs)) == (0 if first else 1)
    assert sum(counted(outputs)) == 1


def test_many_people_with_one_id_in_the_past_call_nobody() -> None:
    """The 23rd answer within two seconds shows that people share the id; an alert is then opened about each of them."""
    burst = [answered(number, DAY - number * 80, customer_id="c-1", score=number % 7) for number in range(30)]
    past = [value.replace(b"{", b'{"history": true, ', 1) for value in burst]

    assert len(of(events.ALERTS, of_one(*burst))) > 20
    assert of(events.ALERTS, of_one(*past)) == []
    assert sum(counted(of_one(*past))) == 30


def test_a_row_of_an_earlier_version_is_no_history() -> None:
    row = msgspec.msgpack.encode(Answer("r-1", 0, 2, "fr", NOW, True, NOW))
    fields = msgspec.msgpack.decode(row)
    fields.pop()

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(fields), type=Answer).is_history is False


def test_a_tally_of_an_earlier_version_has_no_history_and_a_wrong_one_is_refused() -> None:
    [output, *_] = [one for one in carried(answered(0, HOUR, history=True)) if one.topic == events.TALLIES]
    source, by_path = msgspec.msgpack.decode(output.value or b"")
    earlier = {path: fields[:3] for path, fields in by_path.items()}
    wrong = {path: [*fields[:3], b"1234567"] for path, fields in by_path.items()}

    assert columns.read(by_path[""][3]) == array("q", [0])
    assert tally.read(msgspec.msgpack.encode([source, earlier])).segments[""].history == b""
    with pytest.raises(Rejected) as caught:
        tally.read(msgspec.msgpack.encode([source, wrong]))
    assert caught.value.reason is Reason.WRONG_TYPE
