"""How a rebuild reads changelogs and writes them: as somebody later than all who wrote before."""

from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Any, NamedTuple, cast

from schemas.cloudevents import Headers
from worker.flow.batch import Output
from worker.kafka import journal
from worker.kafka.reading import Reader, Span
from worker.kafka.rows import ChangelogRecord, Fence, Head, PartitionState
from worker.rebuild import changelogs
from worker.rebuild.changelogs import Writer
from worker.rebuild.progress import Progress


class Record(NamedTuple):
    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Headers


class Log:
    """One changelog of one partition, as Kafka has it."""

    def __init__(self) -> None:
        self.records: list[ChangelogRecord] = []
        self.first = 0

    async def starts(self, _: str, numbers: Collection[int]) -> dict[int, int]:
        return dict.fromkeys(numbers, self.first)

    async def ends(self, _: str, numbers: Collection[int]) -> dict[int, int]:
        return {number: len(self.records) for number in numbers}

    async def read(self, _: str, spans: Mapping[int, Span]) -> AsyncGenerator[list[Record], None]:
        for number, (first, end) in spans.items():
            yield [Record(number, offset, *self.records[offset]) for offset in range(max(first, self.first), end)]

    async def send(self, topic: str, value: bytes | None, *, key: bytes, partition: int, headers: Headers) -> Any:
        assert (topic, partition) == ("log", 0)
        self.records.append((key, value, headers))

        async def acknowledged() -> None:
            return

        return acknowledged()


async def read(log: Log) -> PartitionState:
    [partition] = await changelogs.read(cast(Reader, log), "log", [0], print)
    return partition


def written_by(generation: int, log: Log, head: Head, rows: Mapping[bytes, bytes]) -> PartitionState:
    worker = PartitionState()
    worker.own = Fence(0, generation)
    log.records += [*(worker.record(key, row) for key, row in rows.items()), worker.head_record(head)]
    return worker


async def test_rows_are_there_in_place_of_those_before_and_a_zombie_of_before_changes_nothing() -> None:
    log, said = Log(), list[str]()
    zombie = written_by(3, log, Head(5), {b"a": b"1", b"b": b"2"})
    writer, found = Writer(cast(Any, log)), await read(log)
    await writer.mark("log", [found])
    assert (await read(log)).head.rebuilding
    await writer.rows("log", 0, found, {b"": b"root", b"a": b"3"}, Progress("rows", 2, said.append))
    assert (await read(log)).head.rebuilding
    await writer.head("log", 0, found, Head(7, {0: 1}))
    log.records += [zombie.record(b"a", b"late"), zombie.head_record(Head(9))]
    after = await read(log)

    assert ({b"": b"root", b"a": b"3"}, Head(7, {0: 1})) == (after.rows, after.head)
    assert (after.fence, after.own) == (Fence(1, 0), Fence(2, 0))
    assert {key: value for key, value, _ in log.records[4:6]} == {b"b": None, b"": log.records[5][1]}


async def test_a_changelog_whose_first_records_were_deleted_is_whole_after_a_rebuild() -> None:
    log, said = Log(), list[str]()
    written_by(1, log, Head(5), {b"a": b"1", b"b": b"2"})
    log.first = 1
    writer, found = Writer(cast(Any, log)), await read(log)
    assert found.is_cut
    await writer.mark("log", [found])
    await writer.rows("log", 0, found, {b"a": b"1", b"b": b"2"}, Progress("rows", 2, said.append))
    await writer.head("log", 0, found, Head(5))
    after = await read(log)

    assert not after.is_cut
    assert ({b"a": b"1", b"b": b"2"}, Head(5, front=1)) == (after.rows, after.head)
    log.first = 2
    assert (await read(log)).is_cut


async def test_a_write_in_pieces_that_a_crash_left_counts_as_it_was_meant_if_it_is_all_there() -> None:
    log = Log()
    rows: dict[bytes, bytes | None] = {b"a": b"x" * 400_000, b"b": b"y" * 400_000, b"c": None}
    pieces = dict(journal.pieces(rows))
    written_by(1, log, Head(5, pieces=len(pieces)), {**pieces, b"c": b"1"})
    assert (await read(log)).rows == {key: row for key, row in rows.items() if row is not None}

    cut = Log()
    written_by(1, cut, Head(5, pieces=len(pieces)), {b"c": b"1"})
    assert (await read(cut)).rows == {b"c": b"1"}


async def test_outputs_are_published_as_they_are() -> None:
    log = Log()
    await Writer(cast(Any, log)).outputs("log", 0, [Output("deliveries", b"k", b"v", [("ce_id", b"1")])])

    assert log.records == [(b"k", b"v", [("ce_id", b"1")])]
