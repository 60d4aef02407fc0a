"""A consumed topic and the state that was made from it: whether they still belong together."""

import pytest
from faust.types import TP

from worker.flow.record import EPOCH, log_offset
from worker.kafka import source
from worker.kafka.rows import Head
from worker.kafka.source import Comparison, Log, Source, deleted_unread, difference, new_epoch

READ = Head(mark=9, marked_at=1_000)


@pytest.mark.parametrize(
    ("head", "log", "differs"),
    [
        (READ, Log(0, 10, 1_000), False),
        (READ, Log(0, 50, 1_000), False),
        (READ, Log(0, 9), True),  # created again, or cut back
        (READ, Log(0, 0), True),
        (READ, Log(0, 50, 2_000), True),  # created again, and grown past the mark
        (READ, Log(0, 50, None), True),  # no record lies where one was decided
        (READ, Log(10, 50, None), False),  # retention deleted it
        (Head(mark=9), Log(0, 50, 2_000), False),  # written by the previous version, which kept no timestamp
        (Head(mark=9), Log(0, 9), True),
        (Head(), Log(0, 0), False),
        (Head(), Log(0, 5), False),
    ],
)
def test_a_log_that_is_another_one_is_found(head: Head, log: Log, *, differs: bool) -> None:
    assert (difference(head, log) is not None) == differs


@pytest.mark.parametrize(
    ("head", "first", "due", "count"),
    [
        (READ, 0, 10, 0),
        (READ, 10, 10, 0),
        (READ, 14, 10, 4),
        (READ, 14, 8, 4),  # the state is durable before the offset is committed
        (READ, 14, 0, 4),  # the group's offsets have expired
        (Head(), 14, 12, 2),
        (Head(), 14, 0, 0),  # a group that begins: nothing was due
    ],
)
def test_what_was_deleted_unread_is_counted(head: Head, first: int, due: int, count: int) -> None:
    assert deleted_unread(head, Log(first, 20, None), due) == count


def test_an_epoch_puts_what_a_topic_holds_above_everything_decided() -> None:
    head = READ
    for epoch in (1, 2, 3):
        begun = new_epoch(head)
        assert (begun.base, begun.stands_at, begun.mark) == (epoch * EPOCH, 0, head.mark)
        assert begun.base > head.mark
        assert difference(begun, Log(0, 3)) is None
        head = Head(mark=begun.base + 7, base=begun.base, marked_at=5)
        assert head.stands_at == 8
        assert log_offset(head.mark) == 7


def compared(*, must_be_complete: bool, logs: dict[int, Log] | None, topic: str = "x") -> Comparison:
    found = Comparison()
    found.add(Source(f"nps.{topic}", topic, must_be_complete), {0: READ, 1: READ}, {0: 10, 1: 10}, logs)
    return found


def test_records_deleted_unread_are_a_problem_only_where_a_topic_must_be_complete() -> None:
    logs = {0: Log(0, 20, 1_000), 1: Log(14, 20)}
    passed = compared(must_be_complete=False, logs=logs)
    assert (passed.problems, passed.deleted_unread, passed.resume_at) == ([], {TP("nps.x", 1): 4}, {TP("nps.x", 1): 14})
    stopped = compared(must_be_complete=True, logs=logs)
    assert stopped.deleted_unread == stopped.resume_at == {}
    assert "retention deleted records that were not read yet (partition 1: 4 offsets)." in stopped.problems[0]
    assert stopped.problems[0].endswith("python -m worker new-epoch x")


@pytest.mark.parametrize(
    ("topic", "is_made_again"), [("tallies", True), ("hours", True), ("cases", False), ("x", False)]
)
def test_a_rebuild_is_advised_only_where_it_makes_the_records_again(topic: str, is_made_again: bool) -> None:
    [line] = compared(must_be_complete=True, logs={0: Log(0, 20, 1_000), 1: Log(14, 20)}, topic=topic).problems
    assert ("worker rebuild" in line) == is_made_again


def test_what_is_wrong_names_topic_partition_offsets_and_command() -> None:
    [line] = compared(must_be_complete=False, logs={0: Log(0, 4), 1: Log(0, 20, 1_000)}).problems
    assert line == (
        "nps.x was deleted and created again, or cut back (partition 0: everything up to offset 9 was decided, but it "
        "ends at 4). To count what it holds now as new, stop every worker and run: python -m worker new-epoch x"
    )
    [line] = compared(must_be_complete=False, logs=None).problems
    assert line.startswith("nps.x: the topic does not exist any more.")


class Reader:
    """A topic with two partitions: of the second, nothing is left."""

    async def partitions(self, _: str) -> set[int]:
        return {0, 1}

    async def starts(self, _: str, __: object) -> dict[int, int]:
        return {0: 3, 1: 12}

    async def ends(self, _: str, __: object) -> dict[int, int]:
        return {0: 20, 1: 12}

    async def read(self, _: str, spans: dict[int, tuple[int, int]]):  # type: ignore[no-untyped-def] # noqa: ANN201
        assert spans == {0: (9, 10)}
        yield [type("Record", (), {"partition": 0, "timestamp": 77})]


async def test_only_marks_that_are_still_there_are_read() -> None:
    reader: object = Reader()
    assert await source.read_logs(reader, "t", {0: READ, 1: READ}) == {0: Log(3, 20, 77), 1: Log(12, 12)}  # type: ignore[arg-type]
    assert await source.read_logs(reader, "t", {0: READ, 2: READ}) is None  # type: ignore[arg-type]
