"""Taking partitions over, and writing to a changelog to which another worker may be writing too."""

import asyncio
import random
from collections.abc import Collection, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import faust
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streams.changelog import Crash, Kafka

from worker.errors import StateLost, StateNotDurable
from worker.kafka import journal, reading
from worker.kafka.rows import GENERATIONS, HEAD_KEY, Fence, Head, PartitionState
from worker.settings import KafkaSettings
from worker.streams import table
from worker.streams.observer import TableObserver
from worker.streams.table import DurableTable


class Noting(TableObserver):
    """An observer that keeps the calls that it gets; `superfluous`: the key of a row that is to be erased."""

    def __init__(self, superfluous: bytes | None = None) -> None:
        self.heard: list[Any] = []
        self._superfluous = superfluous

    def on_rows(self, number: int, rows: Mapping[bytes, bytes | None]) -> None:
        self.heard.append((number, dict(rows)))

    def on_taken_over(self) -> None:
        self.heard.append("taken over")

    def superfluous(self, rows: Mapping[bytes, bytes]) -> list[bytes]:
        return [key for key in rows if key == self._superfluous]

    async def restate(self, numbers: Collection[int]) -> None:
        self.heard.append(f"restate {sorted(numbers)}")


class Worker:
    """A worker with one table of one partition. `generation`: the one it believes itself to be in."""

    def __init__(self, kafka: Kafka, *, atomic: bool = False) -> None:
        self.generation = 0
        self.held = True
        self._app = cast(Any, faust.App("t", store="memory://", autodiscover=False))
        self._app._consumer = SimpleNamespace(
            holds=lambda generation: self.held and generation == self.generation, heartbeat_age=lambda: 0.0
        )
        sender: Any = kafka
        self.table = DurableTable(self._app, name="rows", kafka=KafkaSettings(), sender=sender, atomic=atomic)

    @property
    def mine(self) -> PartitionState:
        return self.table.state_of(0)

    async def take_over(self, generation: int) -> bool:
        self.generation, self.held = generation, True
        return await self.table.recover({0}, generation, self._app.rebalancing_count)

    async def write(self, mark: int, **rows: str | None) -> bool:
        changed = {key.encode(): None if row is None else row.encode() for key, row in rows.items()}
        return await self.table.write(0, changed, Head(mark), lambda: self.held)


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    found = Kafka()
    monkeypatch.setattr(reading, "reader", found.reader)
    monkeypatch.setattr(table, "_RETRY_SECONDS", 0.0)
    return found


async def recovered(kafka: Kafka) -> PartitionState:
    """Return the state of a worker that takes over now."""
    partition = PartitionState()
    for offset, record in enumerate(kafka.log):
        partition.apply(offset, *record)
    return partition


async def test_nobody_goes_on_from_rows_whose_rebuild_is_not_finished(kafka: Kafka) -> None:
    half = PartitionState()
    half.own = Fence(1, 0)
    kafka.log += [half.head_record(Head(rebuilding=True)), half.record(b"a", b"1")]
    with pytest.raises(StateLost, match=r"a rebuild has begun and is not finished. .* python -m worker rebuild$"):
        await Worker(kafka).take_over(1)

    assert len(kafka.log) == 2  # nothing was written
    kafka.log.append(half.head_record(Head(7)))
    worker = Worker(kafka)
    assert await worker.take_over(1)
    assert ({b"a": b"1"}, Head(7)) == (worker.mine.rows, worker.mine.head)


async def test_nobody_goes_on_from_a_changelog_whose_first_records_were_deleted(kafka: Kafka) -> None:
    """The head row is at the end, so it says that everything is there; but rows that were written before are not."""
    first, heir = Worker(kafka), Worker(kafka)
    await first.take_over(1)
    await first.write(5, a="1")
    await first.write(6, b="2")
    kafka.first = 3
    with pytest.raises(StateLost, match=r"before offset 3 were deleted.* python -m worker rebuild --table rows$"):
        await heir.take_over(2)
    with pytest.raises(StateLost):  # also when it tries again, since by now it has read the rest
        await heir.take_over(3)

    rebuilt = PartitionState()
    rebuilt.own = Fence(1, 0)
    kafka.log += [rebuilt.record(b"a", b"1"), rebuilt.head_record(Head(6, front=3))]
    worker = Worker(kafka)
    assert await worker.take_over(4)
    assert worker.mine.rows == {b"a": b"1", b"b": b"2"}
    assert await worker.table.write(0, {b"a": b"3"}, msgspec.structs.replace(worker.mine.head, mark=7), lambda: True)
    assert await Worker(kafka).take_over(5)


async def test_what_was_read_before_it_was_deleted_is_not_missing(kafka: Kafka) -> None:
    worker = Worker(kafka)
    await worker.take_over(1)
    await worker.write(5, a="1")
    kafka.first = 2

    assert await worker.take_over(2)
    assert worker.mine.rows == {b"a": b"1"}


async def test_what_was_written_is_there_for_the_next_owner(kafka: Kafka) -> None:
    first, second = Worker(kafka), Worker(kafka)
    assert await first.take_over(1)
    assert await first.write(5, a="1", b="2")
    assert await first.write(6, a=None, b="3")
    assert await second.take_over(2)

    assert ({b"b": b"3"}, Head(6)) == (second.mine.rows, second.mine.head)


async def test_what_the_last_owner_wrote_while_it_was_read_counts(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading to the end and raising the fence, the last owner may still write: it does not know yet."""
    first, second = Worker(kafka), Worker(kafka)
    await first.take_over(1)
    await first.write(5, a="1")
    late = [first.mine.record(b"a", b"late"), first.mine.record(b"b", b"late"), first.mine.head_record(Head(9))]
    send = kafka.send

    async def send_after_the_last_owner(batches: Any) -> Any:
        monkeypatch.setattr(kafka, "send", send)
        kafka.log += late
        return await send(batches)

    monkeypatch.setattr(kafka, "send", send_after_the_last_owner)
    await second.take_over(2)

    assert ({b"a": b"late", b"b": b"late"}, Head(9)) == (second.mine.rows, second.mine.head)
    assert (second.mine.rows, second.mine.head) == ((await recovered(kafka)).rows, (await recovered(kafka)).head)


async def test_what_a_zombie_writes_is_written_over_at_the_next_write(kafka: Kafka) -> None:
    zombie, worker = Worker(kafka), Worker(kafka)
    await zombie.take_over(1)
    await zombie.write(5, a="1", b="1")
    first = zombie.mine
    await worker.take_over(2)
    assert not await zombie.write(6, a="late", c="late")
    assert not await zombie.write(7, b="not even sent")
    assert await worker.write(7, d="2")

    last = {key: record for key, *record in kafka.log}
    expected = {b"a": b"1", b"c": None, b"d": b"2"}
    assert {key: last[key] for key in expected} == {
        key: list(worker.mine.record(key, row))[1:] for key, row in expected.items()
    }
    assert last[HEAD_KEY] == list(worker.mine.head_record(Head(7)))[1:]
    assert last[b"b"] == list(first.record(b"b", b"1"))[1:]


async def test_or_by_the_next_owner(kafka: Kafka) -> None:
    zombie, worker, next_one = Worker(kafka), Worker(kafka), Worker(kafka)
    await zombie.take_over(1)
    await zombie.write(5, a="1")
    await worker.take_over(2)
    await zombie.write(6, a="late")
    await next_one.take_over(3)

    last = {key: record for key, *record in kafka.log}
    assert list(next_one.mine.record(b"a", b"1"))[1:] == last[b"a"]
    assert list(next_one.mine.head_record(Head(5)))[1:] == last[HEAD_KEY]


async def test_a_zombie_finds_out_and_takes_its_rows_for_what_they_are(kafka: Kafka) -> None:
    """It was stopped with rows on their way, and gets the partition back later."""
    zombie, worker = Worker(kafka), Worker(kafka)
    await zombie.take_over(1)
    await zombie.write(5, a="1")
    await worker.take_over(2)
    await worker.write(6, a="2")
    assert not await zombie.write(6, a="late")
    assert zombie.table.usage.refusals == 1
    await zombie.take_over(3)

    assert ({b"a": b"2"}, Head(6)) == (zombie.mine.rows, zombie.mine.head)


async def test_what_another_program_writes_is_skipped_named_and_written_over(
    kafka: Kafka, caplog: pytest.LogCaptureFixture
) -> None:
    worker, heir = Worker(kafka), Worker(kafka)
    await worker.take_over(1)
    assert await worker.write(5, a="1")
    kafka.log += [(b"a", b"hello world", []), (b"elsewhere", b"\xff" * 9, [])]
    stray = len(kafka.log) - 1
    assert await worker.write(6, b="2")
    assert await worker.write(7, c="3"), "the owner goes on"
    assert await heir.take_over(2)

    assert {b"a": b"1", b"b": b"2", b"c": b"3"} == heir.mine.rows
    last = {key: record for key, *record in kafka.log}
    assert last[b"a"] == list(worker.mine.record(b"a", b"1"))[1:]
    assert last[b"elsewhere"][0] is None
    said = [line for line in caplog.messages if "another program has written to this changelog" in line]
    assert len(said) == 2, "the owner says it, and so does the next one, which reads them as well"
    for line in said:
        assert line.startswith("t-rows-changelog, partition 0: ")
        assert line.endswith(f": 2 records are skipped, the last one at offset {stray}")


async def test_a_generation_that_a_fence_cannot_hold_begins_another_era(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def confirmed(*_: Any) -> bool:
        return True

    monkeypatch.setattr(table, "lease_confirmed", confirmed)
    before, after = Worker(kafka), Worker(kafka)
    await before.take_over(GENERATIONS - 1)
    await before.write(5, a="1")
    assert await after.take_over(GENERATIONS)
    assert await after.write(6, a="2")

    assert ({b"a": b"2"}, Fence(1, 0)) == ((await recovered(kafka)).rows, (await recovered(kafka)).fence)


async def test_one_that_takes_over_too_late_is_refused(kafka: Kafka) -> None:
    """It was assigned the partition, and stopped before it could take it over; the group went on without it."""
    late, worker = Worker(kafka), Worker(kafka)
    await worker.take_over(2)
    await worker.write(5, a="1")
    late.held = False
    late.generation = 1
    assert not await late.table.recover({0}, 1, 0)
    assert (late.table.usage.recoveries, late.table.usage.refusals) == (0, 1)

    assert ({b"a": b"1"}, Head(5)) == ((await recovered(kafka)).rows, (await recovered(kafka)).head)


async def test_a_group_that_begins_anew_counts_from_one_and_is_later_all_the_same(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def confirmed(*_: Any) -> bool:
        return True

    monkeypatch.setattr(table, "lease_confirmed", confirmed)
    before, after = Worker(kafka), Worker(kafka)
    await before.take_over(90)
    await before.write(5, a="1")
    assert await after.take_over(1)
    assert await after.write(6, a="2")

    assert {b"a": b"2"} == (await recovered(kafka)).rows


async def test_a_write_whose_partition_is_lost_meanwhile_is_not_taken_over_but_read(kafka: Kafka) -> None:
    worker = Worker(kafka)
    await worker.take_over(1)
    await worker.write(5, a="1")
    worker.held = False
    assert not await worker.write(6, a="2")
    assert {b"a": b"1"} == worker.mine.rows
    await worker.take_over(2)
    usage = worker.table.usage
    assert (usage.recoveries, usage.refusals, usage.recovery_seconds > 0) == (2, 1, True)

    assert ({b"a": b"2"}, Head(6)) == (worker.mine.rows, worker.mine.head)


async def test_a_broker_that_does_not_say_where_a_record_lies_is_no_zombie(kafka: Kafka) -> None:
    worker = Worker(kafka)
    await worker.take_over(1)
    kafka.silent = True
    await worker.write(5, a="1")
    kafka.silent = False
    await worker.write(6, b="2")

    assert ({b"a": b"1", b"b": b"2"}, set(), Head(6)) == (worker.mine.rows, worker.mine.stale, worker.mine.head)
    assert len(kafka.log) == 5


async def test_a_changelog_that_was_cut_back_is_found_by_the_next_write(kafka: Kafka) -> None:
    worker = Worker(kafka)
    await worker.take_over(1)
    await worker.write(5, a="1")
    kafka.log.clear()

    with pytest.raises(
        StateLost,
        match=r"t-rows-changelog, partition 0: the changelog was deleted or cut back; it ended at offset 3. "
        "Restore it, or .* rebuild --table rows$",
    ):
        await worker.write(6, a="2")


async def test_and_by_a_take_over_of_what_is_known(kafka: Kafka) -> None:
    worker = Worker(kafka)
    await worker.take_over(1)
    await worker.write(5, a="1")
    kafka.log.clear()

    with pytest.raises(StateLost, match="was deleted or cut back"):
        await worker.take_over(2)


async def test_superfluous_rows_are_erased_at_a_take_over(kafka: Kafka) -> None:
    first, second = Worker(kafka), Worker(kafka)
    await first.take_over(1)
    await first.write(5, a="1", b="2")
    second.table.observe(Noting(superfluous=b"b"))
    await second.take_over(2)

    assert {b"a": b"1"} == second.mine.rows == (await recovered(kafka)).rows


async def test_a_small_write_with_an_erasure_is_one_produce_batch(kafka: Kafka) -> None:
    worker = Worker(kafka)
    await worker.take_over(1)
    await worker.write(1, a="1", b="1")
    kafka.left = 1
    await worker.write(2, a="2", b=None)

    assert [key for key, *_ in kafka.log[-3:]] == [b"a", b"b", HEAD_KEY]


async def test_of_a_large_write_nothing_is_erased_before_the_other_rows_are_there(kafka: Kafka) -> None:
    large = "x" * journal.LARGEST
    worker = Worker(kafka)
    await worker.take_over(1)
    await worker.write(1, a="1", b="1")
    kafka.left = 1
    with pytest.raises(Crash):
        await worker.write(2, b=None, a=large)

    kafka.left = None
    heir = Worker(kafka)
    await heir.take_over(2)
    assert heir.mine.rows == {b"a": large.encode(), b"b": b"1"}
    assert heir.mine.head.mark == 1


async def test_those_who_watch_see_every_row_and_hear_of_the_end(kafka: Kafka) -> None:
    first, second = Worker(kafka), Worker(kafka)
    await first.take_over(1)
    await first.write(5, a="1", b="2")
    first_observer, second_observer = Noting(), Noting()
    second.table.observe(first_observer)
    second.table.observe(second_observer)
    await second.take_over(2)
    await second.write(6, a=None)

    expected = ["restate [0]", (0, {b"a": b"1", b"b": b"2"}), "taken over", (0, {b"a": None})]
    assert expected == first_observer.heard == second_observer.heard


async def test_a_kafka_that_is_away_is_waited_for(kafka: Kafka) -> None:
    worker = Worker(kafka)
    kafka.away = 3

    assert await worker.take_over(1)


async def test_but_not_for_ever(kafka: Kafka) -> None:
    worker = Worker(kafka)
    worker.table._kafka = KafkaSettings.model_construct(patience_seconds=-1.0, session_timeout_seconds=10.0)
    kafka.away = 10**9

    with pytest.raises(
        StateNotDurable, match=r"^t-rows-changelog: the changelog cannot be read: KafkaConnectionError$"
    ):
        await worker.take_over(1)


async def test_partitions_that_move_away_take_their_rows_with_them(kafka: Kafka) -> None:
    worker = Worker(kafka)
    await worker.take_over(1)
    await worker.write(5, a="1")
    await worker.table.recover(set(), 2, 0)

    assert {} == worker.mine.rows


def large(value: str) -> dict[str, str | None]:
    """Return rows that take several produce batches."""
    return {f"{number:02}": value * 100_000 for number in range(25)}


@pytest.mark.parametrize("left", range(12))
async def test_an_atomic_write_is_there_or_not_wherever_it_is_cut_off_twice(kafka: Kafka, left: int) -> None:
    first, second, third = (Worker(kafka, atomic=True) for _ in range(3))
    await first.take_over(1)
    await first.write(5, **large("a"))
    kafka.left = left
    with suppress(Crash):
        await first.write(6, **{**large("b"), "03": None})
    kafka.left = left // 2
    with suppress(Crash):
        await second.take_over(2)
    kafka.left = None
    assert await third.take_over(3)

    marks = {5: {key: large("a")[key] for key in large("a")}, 6: {**large("b"), "03": None}}
    expected = {key.encode(): row.encode() for key, row in marks[third.mine.head.mark].items() if row is not None}
    assert expected == third.mine.rows == (await recovered(kafka)).rows
    assert third.mine.head == (await recovered(kafka)).head == Head(third.mine.head.mark)


async def test_an_atomic_write_that_is_lost_meanwhile_is_finished_by_the_next_owner(kafka: Kafka) -> None:
    first, second = Worker(kafka, atomic=True), Worker(kafka, atomic=True)
    await first.take_over(1)
    first.held = False
    assert not await first.write(5, **large("a"))
    assert await second.take_over(2)

    assert Head(5) == second.mine.head
    assert large("a").keys() == {key.decode() for key in second.mine.rows}


async def test_a_piece_that_is_gone_is_state_lost(kafka: Kafka) -> None:
    first, second = Worker(kafka, atomic=True), Worker(kafka, atomic=True)
    await first.take_over(1)
    first.held = False
    await first.write(5, **large("a"))
    kafka.log[1] = b"other", kafka.log[1][1], []

    with pytest.raises(StateLost, match=r"t-rows-changelog, partition 0: the changelog was deleted or cut back"):
        await second.take_over(2)


STEPS = st.lists(st.tuples(st.sampled_from(["write", "erase", "late", "hand over", "return"]), st.integers(0, 10**6)))


@given(STEPS, st.integers(0, 10**6), st.booleans())
def test_whatever_zombies_do_the_owners_rows_are_what_is_read(
    steps: list[tuple[str, int]], seed: int, atomic: bool
) -> None:
    """Owners change at any time, former ones write late, and compaction drops all that it may."""
    with pytest.MonkeyPatch.context() as patch:
        found = Kafka()
        patch.setattr(reading, "reader", found.reader)
        patch.setattr(journal, "LARGEST", 0)  # every write is one in pieces, in an atomic table
        asyncio.run(_play(found, steps, random.Random(seed), atomic=atomic))


async def _play(kafka: Kafka, steps: list[tuple[str, int]], chance: random.Random, *, atomic: bool) -> None:
    workers = [Worker(kafka, atomic=atomic) for _ in range(3)]
    owner, generation = workers[0], 1
    await owner.take_over(generation)
    expected: dict[bytes, bytes] = {}
    for mark, (step, value) in enumerate(steps):
        key = "abc"[value % 3]
        if step in {"write", "erase"}:
            row = None if step == "erase" else str(value)
            assert await owner.write(mark, **{key: row})
            expected.pop(key.encode(), None)
            if row is not None:
                expected[key.encode()] = row.encode()
        elif step == "late":
            zombie = chance.choice(workers)
            if zombie is not owner and zombie.generation:
                assert not await zombie.write(10**6, **{key: chance.choice([None, "late"])})
        else:
            generation += 1
            owner = owner if step == "return" else chance.choice(workers)
            assert await owner.take_over(generation)
        assert expected == owner.mine.rows
        assert (len(expected), sum(len(key) + len(row) for key, row in expected.items())) == (
            owner.table.row_count,
            owner.table.row_bytes,
        )
    # The last word of the owner, as the next write or take-over has it: then nothing stale is left for compaction.
    await owner.write(len(steps))
    newest = {key: place for place, (key, _, _) in enumerate(kafka.log)}
    kept = [kafka.log[at] for at in range(len(kafka.log)) if newest[kafka.log[at][0]] == at or chance.random() < 0.3]
    read, rest = await recovered(kafka), PartitionState()
    for offset, record in enumerate(kept):
        rest.apply(offset, *record)
    assert expected == read.rows == rest.rows
    assert Head(len(steps)) == read.head == rest.head


async def test_a_take_over_that_the_next_rebalance_overtakes_is_told_to_nobody(kafka: Kafka) -> None:
    worker, observer = Worker(kafka), Noting()
    worker.table.observe(observer)
    original = kafka.ends

    async def ends(*asked: Any) -> dict[int, int]:
        worker.table.app.rebalancing_count += 1  # the partitions are being given up meanwhile
        return await original(*asked)

    kafka.ends = ends  # type: ignore[assignment, method-assign]
    assert not await worker.take_over(1)
    assert observer.heard == ["restate [0]"]

    kafka.ends = original  # type: ignore[method-assign]
    assert await worker.take_over(2)
    assert observer.heard[1:] == ["restate [0]", (0, {}), "taken over"]


async def test_one_that_begins_when_the_next_rebalance_has_begun_is_told_to_nobody(kafka: Kafka) -> None:
    """Its observers have been told that partitions are revoked: who sends mails must not begin again after that."""
    worker, observer = Worker(kafka), Noting()
    worker.table.observe(observer)
    worker.generation, assigned_in = 1, worker.table.app.rebalancing_count
    worker.table.app.rebalancing_count += 1

    assert not await worker.table.recover({0}, 1, assigned_in)
    assert "taken over" not in observer.heard


async def test_who_was_added_last_finishes_first_since_it_may_use_what_the_others_have_noted() -> None:
    order: list[str] = []

    class Named(TableObserver):
        def __init__(self, name: str) -> None:
            self._name = name

        async def on_revoked(self) -> None:
            order.append(self._name)

    worker = Worker(Kafka())
    for name in ("members", "courier"):
        worker.table.observe(Named(name))
    await worker.table.revoke()
    assert order == ["courier", "members"]
