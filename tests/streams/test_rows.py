"""How a changelog is read that two workers wrote to."""

import random

from hypothesis import given
from hypothesis import strategies as st

from worker.streams.rows import HEAD_KEY, Head, Partition

Log = list[tuple[bytes, bytes | None]]


def owner(log: Log) -> Partition:
    """Return a worker's partition after it took over: recovered from the log, its fence raised and written down."""
    partition = recovered(log)
    partition.fence += 1
    log.append((HEAD_KEY, partition.fenced_head(partition.head)))
    return partition


def recovered(log: Log) -> Partition:
    partition = Partition()
    for key, logged in log:
        partition.apply(key, logged)
    return partition


def test_an_empty_log_is_an_empty_partition() -> None:
    partition = recovered([])

    assert ({}, Head(-1, {}), 0) == (partition.rows, partition.head, partition.fence)


def test_the_last_row_of_a_key_counts_and_comes_back_without_its_fence() -> None:
    log: Log = []
    worker = owner(log)
    log += [(b"a", worker.fenced(b"1")), (b"b", worker.fenced(b"")), (b"a", worker.fenced(b"2"))]

    assert recovered(log).rows == {b"a": b"2", b"b": b""}


def test_a_tombstone_erases_and_one_for_nobody_does_nothing() -> None:
    log: Log = []
    worker = owner(log)
    log += [(b"a", worker.fenced(b"1")), (b"a", None), (b"b", None)]

    assert recovered(log).rows == {}


def test_the_head_row_keeps_what_it_says_and_is_no_row() -> None:
    log: Log = []
    worker = owner(log)
    head = Head(2**40, {0: 5, 999: 2**62})
    log.append((HEAD_KEY, worker.fenced_head(head)))
    partition = recovered(log)

    assert (head, {}) == (partition.head, partition.rows)


def test_every_take_over_has_a_higher_fence_and_keeps_rows_and_head() -> None:
    log: Log = []
    first = owner(log)
    log += [(b"a", first.fenced(b"1")), (HEAD_KEY, first.fenced_head(Head(7)))]
    second = owner(log)
    third = owner(log)

    assert [1, 2, 3] == [first.fence, second.fence, third.fence]
    assert ({b"a": b"1"}, Head(7)) == (third.rows, third.head)


def test_a_zombies_late_rows_are_left_out() -> None:
    log: Log = []
    zombie = owner(log)
    log += [(b"a", zombie.fenced(b"1")), (HEAD_KEY, zombie.fenced_head(Head(1)))]
    worker = owner(log)
    log += [(b"a", worker.fenced(b"2")), (HEAD_KEY, worker.fenced_head(Head(2)))]
    log += [(b"a", zombie.fenced(b"late")), (b"b", zombie.fenced(b"late")), (HEAD_KEY, zombie.fenced_head(Head(99)))]
    partition = recovered(log)

    assert ({b"a": b"2"}, Head(2), 2) == (partition.rows, partition.head, partition.fence)


def test_a_zombies_rows_from_before_the_take_over_are_kept() -> None:
    log: Log = []
    zombie = owner(log)
    log.append((b"a", zombie.fenced(b"in time")))
    owner(log)

    assert recovered(log).rows == {b"a": b"in time"}


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.binary(max_size=3)), max_size=30), st.integers(0, 10**6))
def test_without_zombies_compaction_changes_nothing(writes: list[tuple[bytes, bytes]], seed: int) -> None:
    """Kafka may drop whatever has a newer record of the same key, at any time."""
    chance, log = random.Random(seed), list[tuple[bytes, bytes | None]]()
    worker = owner(log)
    for key, row in writes:
        if chance.random() < 0.2:
            worker = owner(log)
        log.append((key, None if chance.random() < 0.2 else worker.fenced(row)))
    newest = {key: place for place, (key, _) in enumerate(log)}
    compacted = [log[place] for place in range(len(log)) if newest[log[place][0]] == place or chance.random() < 0.5]
    whole, rest = recovered(log), recovered(compacted)

    assert (whole.rows, whole.head, whole.fence) == (rest.rows, rest.head, rest.fence)
