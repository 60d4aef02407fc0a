"""Which tables were lost: those whose state ends before what is committed, and those half made again."""

from collections.abc import Mapping

import pytest

from worker.kafka.rows import Head, PartitionState
from worker.rebuild.lost import Found, lost


def found(head: Head, committed: Mapping[int, int], begins: int = 0, table: str = "contacts") -> Found:
    partition = PartitionState()
    partition.head = head
    return Found(table, [partition], committed, {0: begins}, {0: 100})


@pytest.mark.parametrize(
    ("head", "committed", "begins", "is_lost"),
    [
        (Head(), {}, 0, False),
        (Head(9), {}, 0, False),
        (Head(9), {0: 10}, 0, False),
        (Head(12), {0: 10}, 0, False),
        (Head(8), {0: 10}, 0, True),
        (Head(), {0: 10}, 0, True),
        (Head(), {0: 10}, 10, False),  # nothing is left of what was decided
        (Head(9, rebuilding=True), {0: 10}, 0, True),
        (Head(rebuilding=True), {}, 0, True),
    ],
)
def test_a_table_is_lost_if_its_state_ends_before_what_is_committed(
    head: Head, committed: dict[int, int], begins: int, *, is_lost: bool
) -> None:
    tables = [found(head, committed, begins), found(Head(99), {0: 100}, table="outbox")]

    assert lost(tables) == (["contacts"] if is_lost else [])


def test_a_table_is_lost_if_the_first_records_of_its_changelog_were_deleted() -> None:
    table = found(Head(9), {0: 10})
    table.partitions[0].begin(3)
    assert lost([table]) == ["contacts"]

    table.partitions[0].head = Head(9, front=3)  # it was rebuilt since
    assert lost([table]) == []


def test_what_an_intact_table_stands_for_may_lie_beyond_the_committed_offset() -> None:
    assert found(Head(12), {0: 10}).stands_at(0) == 13
    assert found(Head(9), {0: 10}).stands_at(0) == 10
    assert found(Head(), {}).stands_at(0) == 0


@pytest.mark.parametrize(("table", "is_lost"), [("segments", True), ("watches", True), ("contacts", False)])
def test_tallies_that_retention_deleted_before_they_were_counted_are_counted_from_the_responses(
    table: str, *, is_lost: bool
) -> None:
    assert lost([found(Head(9), {0: 10}, 11, table)]) == ([table] if is_lost else [])
    assert lost([found(Head(9), {0: 10}, 10, table)]) == []
    assert lost([found(Head(), {}, 10, table)]) == []  # nobody has counted anything yet
