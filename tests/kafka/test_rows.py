"""How a changelog is read that two workers wrote to."""

import random
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.kafka.rows import HEAD_KEY, ChangelogRecord, Fence, Head, PartitionState

Log = list[ChangelogRecord]


def owner(log: Log, generation: int) -> PartitionState:
    """Return a worker's partition after it took over: recovered from the log, its fence raised and written down."""
    partition = recovered(log)
    partition.own = Fence(partition.fence.era, generation)
    log.append(partition.head_record(partition.head))
    return partition


def recovered(log: Log) -> PartitionState:
    partition = PartitionState()
    for offset, record in enumerate(log):
        partition.apply(offset, *record)
    return partition


def test_an_empty_log_is_an_empty_partition() -> None:
    partition = recovered([])

    assert ({}, Head(-1, {}), Fence(0, 0)) == (partition.rows, partition.head, partition.fence)


def test_the_last_row_of_a_key_counts_and_comes_back_without_its_fence() -> None:
    log: Log = []
    worker = owner(log, 1)
    log += [worker.record(b"a", b"1"), worker.record(b"b", b""), worker.record(b"a", b"2")]

    assert recovered(log).rows == {b"a": b"2", b"b": b""}


def test_a_tombstone_erases_and_one_for_nobody_does_nothing() -> None:
    log: Log = []
    worker = owner(log, 1)
    log += [worker.record(b"a", b"1"), worker.record(b"a", None), worker.record(b"b", None)]

    assert recovered(log).rows == {}


def test_the_head_row_keeps_what_it_says_and_is_no_row() -> None:
    log: Log = []
    worker = owner(log, 1)
    head = Head(2**40, {0: 5, 999: 2**62})
    log.append(worker.head_record(head))
    partition = recovered(log)

    assert (head, {}) == (partition.head, partition.rows)


def test_a_head_row_of_the_version_before_is_read_and_one_of_this_version_is_read_by_it() -> None:
    class Older(msgspec.Struct, array_like=True):
        mark: int = -1
        rerouted: dict[int, int] = {}
        view_end: int = 0
        pieces: int = 0

    older = msgspec.msgpack.encode(Older(5, {1: 2}, 3, 4))
    newer = msgspec.msgpack.encode(
        Head(5, {1: 2}, 3, 4, rebuilding=True, base=7, marked_at=9, latest_time=11, front=13)
    )

    assert msgspec.msgpack.decode(older, type=Head) == Head(5, {1: 2}, 3, 4)
    assert msgspec.msgpack.decode(newer, type=Older) == Older(5, {1: 2}, 3, 4)


def test_a_later_era_counts_before_a_higher_generation() -> None:
    log: Log = []
    worker = owner(log, 90)
    log.append(worker.record(b"a", b"1"))
    again = recovered(log)
    again.own = Fence(1, 2)
    log += [again.record(b"a", b"2"), worker.record(b"a", b"late")]

    assert recovered(log).rows == {b"a": b"2"}


def test_a_take_over_keeps_rows_and_head() -> None:
    log: Log = []
    first = owner(log, 1)
    log += [first.record(b"a", b"1"), first.head_record(Head(7))]
    owner(log, 2)
    third = owner(log, 3)

    assert ({b"a": b"1"}, Head(7)) == (third.rows, third.head)


def test_what_a_zombie_writes_late_is_left_out_and_remembered_as_stale() -> None:
    log: Log = []
    zombie = owner(log, 1)
    log += [zombie.record(b"a", b"1"), zombie.record(b"c", b"1"), zombie.head_record(Head(1))]
    worker = owner(log, 2)
    log += [worker.record(b"a", b"2"), worker.head_record(Head(2))]
    log += [zombie.record(key, row) for key, row in ((b"a", b"late"), (b"b", b"late"), (b"c", None))]
    log.append(zombie.head_record(Head(99)))
    partition = recovered(log)

    assert ({b"a": b"2", b"c": b"1"}, Head(2), Fence(0, 2)) == (partition.rows, partition.head, partition.fence)
    assert partition.stale == {b"a", b"b", b"c", HEAD_KEY}


@pytest.mark.parametrize(
    ("logged", "headers"),
    [
        (None, []),
        (None, [("fence", None)]),
        (None, [("fence", b"1")]),
        (None, [("fence", b"hello world")]),
        (b"", []),
        (b"stray", []),
        (b"hello world", []),
        (b'{"response_id":"r-1"}', []),
        (b"\xff" * 8, []),
        (b"\x00\x00\x00\x00\x2a" + b"an Avro record", []),
        (struct.pack(">II", 1 << 16, 0) + b"1", []),
        (struct.pack(">II", 0, 1 << 24) + b"1", []),
    ],
)
def test_what_no_worker_has_written_is_left_out_and_written_over(
    logged: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    log: Log = []
    worker = owner(log, 1)
    log += [worker.record(b"a", b"1"), (b"a", logged, headers), (HEAD_KEY, logged, headers)]
    partition = recovered(log)

    assert {b"a": b"1"} == partition.rows
    assert {b"a", HEAD_KEY} == partition.stale
    assert (2, len(log) - 1) == (partition.strays, partition.last_stray)
    assert recovered(log).fence == Fence(0, 1)


@given(st.binary(max_size=12), st.sampled_from([b"a", HEAD_KEY, b"b"]))
def test_whatever_lies_on_a_changelog_its_rows_can_be_read_and_its_fence_raised(value: bytes, key: bytes) -> None:
    log: Log = []
    worker = owner(log, 1 << 23)
    log += [worker.record(b"a", b"1"), (key, bytes([value[0] | 1 if value else 1]) + value, [])]
    partition = recovered(log)
    partition.own = Fence(partition.fence.era + 1, 0)
    log.append(partition.record(b"a", b"2"))

    assert recovered(log).rows == {b"a": b"2"}


def test_a_key_that_is_written_again_is_stale_no_more() -> None:
    log: Log = []
    zombie = owner(log, 1)
    worker = owner(log, 2)
    log += [zombie.record(b"a", b"late"), worker.record(b"a", b"2")]

    assert recovered(log).stale == set()


def test_a_zombies_rows_from_before_the_take_over_are_kept() -> None:
    log: Log = []
    zombie = owner(log, 1)
    log.append(zombie.record(b"a", b"in time"))
    owner(log, 2)

    assert recovered(log).rows == {b"a": b"in time"}


KEYS = [b"a", b"b", b"c", HEAD_KEY]


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 10**6)), max_size=40), st.integers(0, 10**6))
def test_with_stale_keys_written_again_compaction_changes_nothing(writes: list[tuple[bytes, int]], seed: int) -> None:
    """Workers and zombies write in any order. Whenever a worker finds a zombie's record, it writes the key again."""
    chance, log, generation = random.Random(seed), Log(), 1
    worker, zombies = owner(log, generation), list[PartitionState]()
    for key, value in writes:
        if chance.random() < 0.2:
            zombies.append(worker)
            generation += 1
            worker = owner(log, generation)
            write_anew(worker, log)
        if zombies and chance.random() < 0.3:
            log.append(written(chance.choice(zombies), key, value))
            worker.stale.add(key)
            write_anew(worker, log)
        log.append(written(worker, key, value))
        worker.apply(len(log) - 1, *log[-1])
    whole, rest = recovered(log), recovered(compacted(log, chance))

    assert (worker.rows, worker.head) == (whole.rows, whole.head) == (rest.rows, rest.head)


def written(partition: PartitionState, key: bytes, value: int) -> ChangelogRecord:
    if key == HEAD_KEY:
        return partition.head_record(Head(value))
    return partition.record(key, None if value % 5 == 0 else str(value).encode())


def write_anew(partition: PartitionState, log: Log) -> None:
    log += [partition.current_record(key) for key in sorted(partition.stale)]
    partition.stale.clear()


def compacted(log: Log, chance: random.Random) -> Log:
    """Kafka may drop whatever has a newer record of the same key, at any time."""
    newest = {key: place for place, (key, _, _) in enumerate(log)}
    return [log[place] for place in range(len(log)) if newest[log[place][0]] == place or chance.random() < 0.5]
