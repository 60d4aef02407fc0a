"""There are more segments than are counted: opened once, and over when there has been room for a day."""

import json
from typing import Any

import msgspec
import pytest
from flow.carrying import spread
from flow.records import Record
from hypothesis import given
from hypothesis import strategies as st

from schemas.incident import Incident
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.incidents import road as watching
from worker.flow.incidents.too_many import TooMany, judge
from worker.flow.messages import hourly_report
from worker.flow.messages.hourly_report import HourlyReport
from worker.flow.policy import IncidentPolicy
from worker.flow.timestamps import HOUR
from worker.nps.usage import LeftOut, Usage

#: An hour, and a path without a place.
NOW = 480_000
PATH = "/survey/one-of-many"
POLICY = IncidentPolicy()


def usage(segments: int, left_out: int = 0, path: str = PATH) -> Usage:
    """Return a partition's, of 100 segments at most; `left_out`: the hour of the last answer, 0 for none."""
    return Usage(segments, 100, LeftOut(left_out, path) if left_out else None)


class Days:
    """Judges hour by hour what two partitions say."""

    def __init__(self) -> None:
        self.known = TooMany()
        self.hour = NOW
        self.steps: list[Incident] = []

    def judge(self, *usages: Usage | None, hours: int = 1) -> list[tuple[str, str]]:
        """Let hours pass in each of which the partitions say this; return the steps that are reported."""
        first = len(self.steps)
        for _ in range(hours):
            self.hour += 1
            found = {number: each for number, each in enumerate(usages) if each is not None}
            self.known, outputs = judge(self.known, found, 2, self.hour, self.hour * HOUR + 5)
            self.steps += map(incident, outputs)
        return [(step.action, step.reason) for step in self.steps[first:]]


def incident(output: Output) -> Incident:
    return Incident.model_validate_json(output.value or b"")


OPENED, RESOLVED = ("opened", "left_out"), ("resolved", "room_again")


def test_full_partitions_are_no_incident_as_long_as_no_answer_is_left_out() -> None:
    assert Days().judge(usage(100), usage(100), hours=50) == []


def test_it_is_opened_once_when_answers_are_left_out_in_any_partition() -> None:
    days = Days()

    assert days.judge(usage(100, NOW), usage(40)) == [OPENED]
    assert days.judge(usage(100, NOW + 1), usage(100, NOW + 1, "fr/other"), hours=40) == []
    [step] = days.steps
    assert (step.kind, step.segment, step.touchpoint, step.severity) == ("too_many_segments", "", "", "error")
    assert (step.segments, step.most, step.example) == (140, 200, PATH)
    assert step.since.timestamp() == NOW * 3_600
    assert PATH not in step.summary


def test_the_example_is_of_the_answer_that_was_left_out_first() -> None:
    days = Days()
    days.judge(usage(100, NOW, "fr/b"), usage(100, NOW - 1, "fr/c"))

    assert days.steps[0].example == "fr/c"


def test_it_is_over_after_a_day_in_which_every_partition_had_room() -> None:
    days = Days()
    days.judge(usage(100, NOW), usage(40))

    assert days.judge(usage(90, NOW), usage(90), hours=24) == []
    assert days.judge(usage(90, NOW), usage(90), hours=30) == [RESOLVED]
    opened, resolved = days.steps
    assert opened.alert_id == resolved.alert_id
    assert (resolved.since, resolved.segments, resolved.example) == (opened.since, 180, None)


@pytest.mark.parametrize(
    "between",
    [(usage(91, NOW), usage(90)), (usage(90, NOW), None), (usage(90, NOW), usage(90, NOW + 24))],
    ids=["too full", "silent", "left out once more"],
)
def test_the_day_begins_again_where_there_was_no_room(between: tuple[Usage | None, ...]) -> None:
    days = Days()
    days.judge(usage(100, NOW), usage(40))
    days.judge(usage(90, NOW), usage(90), hours=23)

    assert days.judge(*between) == []
    later = [each or usage(90) for each in between]
    calm = [Usage(90, 100, each.left_out) for each in later]
    assert days.judge(*calm, hours=23) == []
    assert days.judge(*calm, hours=2) == [RESOLVED]


def test_what_an_incident_was_about_opens_no_other_but_a_later_answer_does() -> None:
    days = Days()
    days.judge(usage(100, NOW), usage(40))
    days.judge(usage(50, NOW), usage(40), hours=25)

    assert days.judge(usage(100, NOW), usage(40), hours=30) == []
    assert days.judge(usage(100, days.hour), usage(40)) == [OPENED]
    assert len({step.alert_id for step in days.steps}) == 2


def test_an_answer_of_long_ago_opens_none() -> None:
    """What is known of incidents is lost by version 0.1.0, and what is known of the answer is not."""
    assert Days().judge(usage(100, NOW - 24), usage(40), hours=3) == []


_USAGES = st.tuples(
    st.one_of(st.none(), st.integers(85, 100).map(usage)),
    st.integers(0, 100),
    st.booleans(),  # whether an answer is left out
    st.integers(1, 30),  # for so many hours
)


@given(st.lists(_USAGES, max_size=20))
def test_steps_alternate_and_a_day_without_an_answer_that_is_left_out_lies_before_each_end(steps: list[Any]) -> None:
    days, last = Days(), 0
    for first, segments, is_left_out, count in steps:
        for _ in range(count):
            last = days.hour if is_left_out else last
            reported = days.judge(first, usage(segments, last))
            assert not reported or reported == ([RESOLVED] if len(days.steps) % 2 == 0 else [OPENED])
            assert OPENED not in reported or is_left_out
            assert RESOLVED not in reported or days.hour - last > 24
    days.judge(usage(10), usage(10, last), hours=26)

    assert days.known.open_incident is None
    assert len(days.steps) % 2 == 0
    assert len({step.alert_id for step in days.steps}) * 2 == len(days.steps)


# On the topic between the stages


def log(partitions: int) -> list[Record]:
    """Return what a number of partitions report over three days, in the first of which one of them is full."""
    records: list[Record] = []
    for hour in range(NOW, NOW + 72):
        is_full = hour < NOW + 24
        for number in range(partitions):
            reported = HourlyReport(number, {}, hour * HOUR, usage(100, hour) if is_full and number == 1 else usage(50))
            records += [
                Record(output.value, None, len(records), timestamp=hour * HOUR + number)
                for output in hourly_report.outputs(reported)
            ]
    return records


def carried(records: list[Record], rows: dict[bytes, bytes]) -> list[Output]:
    decided = watching.watch(records, rows, 3, spread, POLICY)
    rows.update((key, row) for key, row in decided.rows.items() if row is not None)
    return decided.outputs


@pytest.mark.unmeasured
@given(st.lists(st.integers(1, 60), max_size=12))
def test_neither_cuts_nor_replays_change_what_is_reported(cuts: list[int]) -> None:
    records, once, again = log(3), dict[bytes, bytes](), dict[bytes, bytes]()
    expected = carried(records, once)
    found: list[Output] = []
    first = 0
    for size in [*cuts, len(records)]:
        batch = records[first : first + size]
        crashed = carried(batch, dict(again))  # its rows are lost
        repeated = carried(batch, again)
        assert crashed == repeated
        found += repeated
        first += size
    found += carried(records[-30:-6], again)  # partitions of segments report again what they had reported

    assert [step.action for step in map(incident, expected)] == ["opened", "resolved"]
    assert found == expected
    assert again == once


def test_the_event_is_keyed_like_one_of_the_root() -> None:
    opened, resolved = carried(log(3), {})

    assert (opened.topic, opened.key) == (events.ALERTS, b"incident:")
    assert dict(opened.headers)["ce_type"] == b"nps.incident.v1"
    assert json.loads(opened.value or b"").keys() == Incident.model_fields.keys()
    assert dict(opened.headers)["ce_id"] != dict(resolved.headers)["ce_id"]


def test_version_0_1_0_reads_the_message_and_the_row_and_leaves_out_what_it_does_not_know() -> None:
    class HoursBefore(msgspec.Struct, array_like=True):
        source: int
        segments: dict[str, bytes]
        tick: int | None = None

    class ClockBefore(msgspec.Struct, array_like=True):
        ticks: dict[int, int] = {}
        judged: int = 0

    rows: dict[bytes, bytes] = {}
    records = log(3)
    carried(records[:6], rows)
    before = msgspec.msgpack.decode(rows[watching.CLOCK_KEY], type=ClockBefore)
    message = msgspec.msgpack.decode(records[1].value or b"", type=HoursBefore)

    assert before.ticks == dict.fromkeys(range(3), (NOW + 1) * HOUR)
    assert (message.source, message.tick) == (1, NOW * HOUR)


def test_what_an_earlier_version_reports_leaves_the_incident_open() -> None:
    """Its partition may be full, and does not say so."""
    rows: dict[bytes, bytes] = {}
    records = log(3)
    carried(records[: 3 * 24], rows)
    silent = [
        record._replace(value=msgspec.msgpack.encode(msgspec.msgpack.decode(record.value or b"")[:3]))
        if hourly_report.read(record.value).source == 2
        else record
        for record in records[3 * 24 :]
    ]

    assert carried(silent, rows) == []
