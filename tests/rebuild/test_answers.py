"""Customers' histories, made again: row for row as they were, and nothing is published a second time."""

from collections.abc import Sequence

import pytest
from flow.carrying import Partition, numbered
from flow.records import DAY, HERE, NOW, POLICY, SECRET, TOPIC, Record, value
from flow.responses.test_moved import CUSTOMERS, carried
from flow.responses.test_road import World, counted, is_claim

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.record import origin_headers
from worker.rebuild.answers import Answers, applied_until

A, B = b"c-1", b"c-2"


def here(key: bytes) -> int:
    del key
    return 0


def answers() -> Answers:
    return Answers(1, POLICY, TOPIC, HERE, SECRET, here)


def log() -> list[Record]:
    wrong = Record(value(response_id="r-5", customer_id="c-2"), b"till-7", 5)
    right = wrong._replace(key=B, headers=origin_headers(wrong, HERE, SECRET, B, 0))
    return numbered(
        [
            Record(value(score=2), A),
            Record(value(score=2), A),
            Record(value(response_id="r-2", score=10), A),
            Record(value(score=9, revision=1), A),
            Record(b"not json", A),
            wrong,
            right,
            right,
            Record(None, A),
            Record(value(response_id="r-3", score=4), A),
        ]
    )


def test_rows_and_what_was_rerouted_are_as_the_worker_had_them_however_the_log_is_cut() -> None:
    worker, rebuilt = Partition(), answers()
    for record in log():
        worker.carry([record])
    for first in range(0, len(log()), 3):
        rebuilt.take(0, log()[first : first + 3])

    assert [worker.rows] == rebuilt.rows
    assert [worker.rerouted] == rebuilt.rerouted == [{0: 5}]


def test_only_tallies_come_of_it() -> None:
    assert {output.topic for output in answers().take(0, log())} == {events.TALLIES}
    assert answers().take(0, []) == []


def taken_over(batch: list[Record], there: set[bytes], history: Sequence[Record] = ()) -> tuple[list[Output], ...]:
    """Crash with only some rows of a batch written; rebuild the counts; then let the worker go on.

    Return what a clean run causes, and what the counts are made of after the crash.
    """
    clean, worker, rebuilt = Partition(), Partition(), answers()
    expected = [*clean.carry(history), *clean.carry(batch)]
    worker.carry(history)
    crashed = worker.decide(batch)
    worker.write({key: row for key, row in crashed.rows.items() if key in there})
    found = rebuilt.take(0, history)
    until = applied_until(worker.rows)
    found += rebuilt.take(0, [record for record in batch if record.offset <= until])
    return expected, [*found, *worker.carry(batch)]


@pytest.mark.parametrize("there", [(), (0,), (2,), (0, 2), (3,), (0, 1, 2, 3)], ids=str)
def test_what_a_crash_left_in_some_rows_counts_once(there: tuple[int, ...]) -> None:
    batch = [Record(value(customer_id=f"c-{n}", response_id=f"r-{n}"), b"c-%d" % n, n) for n in range(4)]
    expected, found = taken_over(batch, {b"c-%d" % n for n in there})

    assert counted(expected) == counted(found)
    assert sum(counted(found)) == 4


@pytest.mark.parametrize("there", [(), (0,), (1,), (0, 1)], ids=str)
def test_claims_that_a_crash_left_in_some_rows_take_each_answer_out_once(there: tuple[int, ...]) -> None:
    """Two customers have an answer that another customer has now."""
    named = Record(value(response_id="x", revision=1, customer_id="c-9"), b"c-9")
    (claims,) = filter(is_claim, Partition().carry([named]))
    history = [Record(value(response_id="x", customer_id=f"c-{n}"), b"c-%d" % n, n) for n in range(2)]
    taken = Record(claims.value, None, 2, headers=claims.headers)
    expected, found = taken_over([taken], {b"c-%d" % n for n in there}, history)

    assert counted(expected) == counted(found)
    assert sum(counted(found)) == 0


def test_rows_of_silent_customers_go_in_a_rebuild_too_and_it_knows_how_far_time_had_come() -> None:
    worker, rebuilt = Partition(), answers()
    late = NOW + (POLICY.history.days + 1) * DAY
    for record in numbered([Record(value(), A), Record(value(customer_id="c-2"), B, timestamp=late)]):
        worker.carry([record])
        rebuilt.take(0, [record])

    assert set(worker.rows) == set(rebuilt.rows[0]) == {B}
    assert [worker.latest_time] == rebuilt.latest_times == [late]


def test_a_response_that_moved_to_and_fro_is_held_as_the_worker_had_it() -> None:
    """The claims lie on the topic. A rebuild reads them, and makes none."""
    world = carried([(n, (CUSTOMERS[n % 3], n % 2 == 0, n % 3)) for n in range(30)], 7, 0, crashes=False)
    rebuilt = Answers(3, POLICY, TOPIC, HERE, SECRET, World.owner)
    outputs = [output for partition, log in enumerate(world.logs) for output in rebuilt.take(partition, log)]

    assert [partition.rows for partition in world.partitions] == rebuilt.rows
    assert sum(counted(outputs)) == 1
