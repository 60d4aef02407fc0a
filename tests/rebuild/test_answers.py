"""Customers' histories, made again: row for row as they were, and nothing is published a second time."""

from flow.carrying import Partition, numbered
from flow.records import HERE, POLICY, SECRET, TOPIC, Record, arrived, value

from worker.flow import outbox
from worker.flow.record import origin_headers
from worker.rebuild.answers import Answers, already_applied

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
    assert [worker.sent_on] == rebuilt.rerouted == [{0: 5}]


def test_a_response_that_another_customer_has_is_given_up_again() -> None:
    worker, rebuilt = Partition(), answers()
    first = [Record(value(customer_id="anon-1", score=2), b"anon-1"), Record(value(score=9, revision=1), A)]
    claims = arrived(worker.carry(numbered(first)), outbox.RESPONSES, 2)
    assert claims
    worker.carry(claims)
    for record in [*numbered(first), *claims]:
        rebuilt.take(0, [record])

    assert [worker.rows] == rebuilt.rows


def test_only_tallies_come_of_it() -> None:
    assert {output.topic for output in answers().take(0, log())} == {outbox.TALLIES}
    assert answers().take(0, []) == []


def test_of_what_lies_beyond_the_last_whole_write_only_what_is_in_a_row_counts() -> None:
    worker = Partition()
    batch = numbered([Record(value(customer_id=f"c-{n}", response_id=f"r-{n}"), b"c-%d" % n) for n in range(4)])
    decided = worker.decide(batch)
    worker.write({key: row for key, row in decided.rows.items() if key in {b"c-0", b"c-2"}})

    assert [batch[0], batch[2]] == already_applied(batch, worker.rows)
    assert already_applied([Record(value(), None)], worker.rows) == []
