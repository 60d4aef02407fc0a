"""A refused record is said in the log, with its place and a count, and a flood of them is not a flood of lines."""

import pytest
from flow.records import Record

from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow.batch import Output, Place
from worker.flow.dead_letter import dead_letter
from worker.flow.policy import IntakePolicy
from worker.streams.refusals import Refusals


def letter(offset: int) -> Output:
    rejected = Rejected(Reason.WRONG_TYPE, "value: is no tally of this version")
    return dead_letter(Record(b"secret-7781"), Place(3, offset), rejected, "nps.tallies", IntakePolicy())


def test_the_first_is_said_at_once_with_topic_partition_offset_and_count(caplog: pytest.LogCaptureFixture) -> None:
    Refusals().note([Output("alerts", None, b"{}"), letter(17)])

    said = (
        "nps.tallies, partition 3, offset 17: the record was refused (wrong_type: value: is no tally of this version) "
        "and became a dead letter (1 since the start); python -m worker dead-letters shows them"
    )
    assert caplog.messages == [said]
    assert caplog.records[0].levelname == "WARNING"


def test_many_are_counted_and_said_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    for offset in range(1_000):
        refusals.note([letter(offset)])
    now = 60.0
    refusals.note([letter(1_000), letter(1_001)])

    assert [line.split(" became ")[1] for line in caplog.messages] == [
        "a dead letter (1 since the start); python -m worker dead-letters shows them",
        "a dead letter (1002 since the start); python -m worker dead-letters shows them",
    ]
    assert "offset 1001" in caplog.messages[1]
    assert "secret" not in caplog.text


def test_a_batch_without_dead_letters_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    Refusals().note([Output("alerts", None, b"{}")])

    assert caplog.messages == []
