"""The consumer on a log in memory, for tests of what goes on between two seeks."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import SimpleNamespace
from typing import Any

from faust.types import TP, Message

from worker.streams.ordered import OrderedConsumer
from worker.streams.transactions import Known
from worker.throttle import Throttle


def record(tp: TP, offset: int) -> Any:
    return SimpleNamespace(
        topic=tp.topic, partition=tp.partition, offset=offset, timestamp=0, timestamp_type=0, headers=[], key=b"k",
        value=b"v", checksum=None, serialized_key_size=0, serialized_value_size=0,
    )  # fmt: skip


class Inflow:
    """The way in, from a log in memory that has no end."""

    def __init__(self) -> None:
        self.place: dict[TP, int] = {}
        self.held: set[TP] = set()
        self.held_until = 0.0
        self.chunk = 3
        self.asked: set[TP] = set()
        self.meanwhile: Callable[[], None] = lambda: None
        self.end_offset, self.most = 100, 1_000
        self.record: Callable[[TP, int], Any] = record
        self.stated: dict[TP, Known] = {}

    def assign(self, places: Mapping[TP, int]) -> None:
        self.place = dict(places)

    def seek(self, tp: TP, offset: int) -> None:
        self.place[tp] = offset

    def hold_until(self, moment: float) -> None:
        self.held_until = moment

    def pause(self, tp: TP) -> None:
        self.held.add(tp)

    def resume(self, tps: Collection[TP]) -> None:
        self.held -= set(tps)

    async def take(self, tps: Collection[TP]) -> dict[TP, list[Any]]:
        self.asked, fetched = set(tps), {}
        for tp in self.asked & self.place.keys() - self.held:
            start = self.place[tp]
            fetched[tp] = [self.record(tp, start + n) for n in range(self.chunk)]
            self.place[tp] = start + self.chunk
        self.meanwhile()
        return fetched

    def known(self) -> dict[TP, Known]:
        return self.stated

    def ends(self) -> dict[TP, int]:
        return {tp: known.end for tp, known in self.stated.items()}

    def end(self, _: TP) -> int:
        return self.end_offset


class Consumer(OrderedConsumer):
    """The real one on a log in memory: fetching and seeking are what Kafka would do."""

    should_stop = False

    def __init__(self) -> None:
        self.app: Any = SimpleNamespace(consumer_generation_id=1)
        self._thread: Any = SimpleNamespace(generation=1, assignment=lambda: set(self.committed))
        self._next, self._due, self._cursor = {}, {}, {}
        self._in_flight, self._delays, self._waits_for_others = {}, {}, set()
        self._heals_until, self._committed_at = 0.0, float("-inf")
        self._due_before: dict[TP, int] = {}
        self._to_commit = asyncio.Event()
        self._committed_offset: Any = {}
        self._unacked_messages: Any = set()
        self._waiting_for_ack = None
        self._to_rewind = set()
        self._epoch, self._sought_generation, self._n_acked = 0, -1, 0
        self.flow_active = True
        self.way_in = Inflow()
        self._inflow: Any = self.way_in
        self._changed = asyncio.Event()
        self._refused = Throttle(60.0)
        self.gathering = 0.0
        self._gathering: Any = SimpleNamespace(seconds=lambda: self.gathering)
        self._next_round = 0.0
        self.committed: dict[TP, int] = {}
        self.earliest: dict[TP, int] = {}
        self.lost: list[tuple[TP, int]] = []
        self.handed: list[Message] = []
        self.observer: Any = SimpleNamespace(
            stands_at=lambda tp: self.committed[tp],
            on_settled=lambda _: None,
            on_state_ahead=self.note,
            check_logs=self.compare,
            on_batch=self.handed.append,
        )
        self._observer = self.observer
        self._suspects, self._checking = set(), None
        self.others: list[Mapping[TP, int]] = []
        self.begins: dict[TP, int] = {}
        self.seeking: Callable[[], Any] = lambda: asyncio.sleep(0)

    def _is_changelog_tp(self, tp: TP) -> bool:
        return tp.topic == "changelog"

    async def seek_to_committed(self) -> Mapping[TP, int]:
        assert self.committed, "aiokafka's has it so"
        await self.seeking()
        return dict(self.committed)

    async def note(self, tp: TP, committed: int, generation: int) -> None:
        assert generation == 1
        self.lost.append((tp, committed))

    async def compare(self, starts: Mapping[TP, int], generation: int) -> Mapping[TP, int]:
        assert generation == 1
        self.others.append(dict(starts))
        await asyncio.sleep(0)
        return {tp: self.begins[tp] for tp in starts if tp in self.begins}

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return {tp: self.earliest.get(tp, 0) for tp in partitions}
