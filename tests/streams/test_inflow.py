"""The records' way in: what it asks aiokafka's consumer for, and what it says of it."""

import asyncio
from collections.abc import Callable
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from worker.kafka.fetch_sessions import FetchSessions
from worker.settings import KafkaSettings
from worker.streams import inflow as module
from worker.streams.inflow import Inflow
from worker.streams.transactions import Known

RESPONSES, TALLIES = TP("responses", 0), TP("tallies", 0)


class Consumer:
    """aiokafka's, without a broker."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.calls: list[tuple[Any, ...]] = []
        self.waiters: list[asyncio.Future[None]] = []
        self._fetcher = SimpleNamespace(
            _fetch_task=asyncio.get_running_loop().create_future(), _create_fetch_waiter=self.waiter, _records={}
        )
        self.reachable = True
        self.asked_for: list[list[TopicPartition]] = []

    def waiter(self) -> "asyncio.Future[None]":
        self.waiters.append(asyncio.get_running_loop().create_future())
        return self.waiters[-1]

    async def start(self) -> None:
        if not self.reachable:
            raise KafkaConnectionError

    async def stop(self) -> None:
        self.calls.append(("stop",))

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.calls.append((name, *args))

    async def getmany(self, *places: TopicPartition) -> dict[TopicPartition, list[str]]:
        return {place: ["a record"] for place in places}

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        self.asked_for.append(places)
        if not self.reachable:
            self.reachable = True
            raise KafkaConnectionError
        return dict.fromkeys(places, 1000)

    def last_stable_offset(self, place: TopicPartition) -> int | None:
        return 5 if place == RESPONSES else None

    def highwater(self, _: TopicPartition) -> int:
        return 7

    def last_poll_timestamp(self, _: TopicPartition) -> int:
        return 1_000


class Setup:
    """A way in, the consumer that it has made, and what was called back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, reachable: bool = True) -> None:
        self.made: list[Consumer] = []
        self.changed = self.ended = 0
        self.prepared: list[Any] = []

        def make(**options: Any) -> Consumer:
            self.made.append(Consumer(**options))
            self.made[-1].reachable = reachable
            return self.made[-1]

        monkeypatch.setattr(module, "AIOKafkaConsumer", make)
        self.sessions: list[FetchSessions] = []

        self.has_paused: Callable[[], bool] = lambda: False
        self.ended_fetches = 0

        def prepare(fetcher: Any, sessions: FetchSessions, *, has_paused: Callable[[], bool], **_: Any) -> Any:
            self.prepared.append(fetcher)
            self.sessions.append(sessions)
            self.has_paused = has_paused
            return SimpleNamespace(end_long_fetches=self.end_fetches)

        monkeypatch.setattr(module, "Fetching", prepare)
        self.inflow = Inflow(
            KafkaSettings(batch_records=50), changed=self.change, suspect=lambda _: None, next_delay_end=lambda: inf
        )

    def change(self) -> None:
        self.changed += 1

    def end(self, _: Any) -> None:
        self.ended += 1

    def end_fetches(self) -> None:
        self.ended_fetches += 1

    @property
    def calls(self) -> list[tuple[Any, ...]]:
        """What the consumer was asked for since this was last looked at."""
        (consumer,) = self.made
        calls, consumer.calls = consumer.calls, []
        return calls


async def started(monkeypatch: pytest.MonkeyPatch) -> Setup:
    setup = Setup(monkeypatch)
    await setup.inflow.start(setup.end)
    return setup


async def test_it_is_outside_of_the_group_reads_what_is_committed_and_has_a_prepared_fetcher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = await started(monkeypatch)
    (consumer,) = setup.made

    assert "group_id" not in consumer.options
    assert consumer.options["isolation_level"] == "read_committed"
    assert consumer.options["max_poll_records"] == 50
    assert setup.prepared == [consumer._fetcher]
    consumer._fetcher._fetch_task.set_result(None)
    await asyncio.sleep(0)
    assert setup.ended == 1


async def test_a_start_in_vain_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup(monkeypatch, reachable=False)
    with pytest.raises(KafkaConnectionError):
        await setup.inflow.start(setup.end)

    assert setup.calls == [("stop",)]
    await setup.inflow.stop()
    assert setup.calls == []


async def test_it_reads_what_it_is_given_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = await started(monkeypatch)
    setup.inflow.assign({RESPONSES: 10, TALLIES: 0})
    assert setup.calls == [("assign", [RESPONSES, TALLIES]), ("seek", RESPONSES, 10), ("seek", TALLIES, 0)]
    setup.inflow.assign({})
    assert setup.calls == [("unsubscribe",)]
    await setup.inflow.stop()
    assert setup.calls == [("stop",)]


async def test_a_partition_is_held_until_it_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = await started(monkeypatch)
    setup.inflow.assign({RESPONSES: 10, TALLIES: 0})
    _ = setup.calls
    setup.inflow.pause(TALLIES)
    setup.inflow.pause(TP("another's", 0))
    assert setup.calls == [("pause", TALLIES)]
    assert setup.has_paused()
    setup.inflow.resume({RESPONSES})
    assert setup.calls == []
    setup.inflow.resume({RESPONSES, TALLIES})
    setup.inflow.resume({RESPONSES, TALLIES})
    assert setup.calls == [("resume", TALLIES)]
    assert not setup.has_paused()


async def test_a_new_assignment_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = await started(monkeypatch)
    setup.inflow.assign({TALLIES: 0})
    setup.inflow.pause(TALLIES)
    setup.inflow.assign({TALLIES: 0})
    _ = setup.calls
    setup.inflow.resume({TALLIES})
    assert setup.calls == []


async def test_it_says_when_records_have_come_since_it_was_last_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = await started(monkeypatch)
    (consumer,) = setup.made
    setup.inflow.assign({RESPONSES: 10, TALLIES: 0})
    assert await setup.inflow.take([RESPONSES, TALLIES]) == {}
    consumer._fetcher._records[TopicPartition(*RESPONSES)] = "records"
    taken: Any = await setup.inflow.take([RESPONSES, TALLIES])
    assert taken == {RESPONSES: ["a record"]}
    await setup.inflow.take([RESPONSES])
    assert len(consumer.waiters) == 1
    consumer.waiters[0].set_result(None)
    await asyncio.sleep(0)
    assert setup.changed == 1
    await setup.inflow.take([RESPONSES])
    assert len(consumer.waiters) == 2


async def test_it_knows_of_a_partition_what_kafka_has_said(monkeypatch: pytest.MonkeyPatch) -> None:
    setup = await started(monkeypatch)
    setup.inflow.assign({RESPONSES: 10, TALLIES: 0})

    assert setup.inflow.known() == {RESPONSES: Known(5, 7, 1_000)}
    assert setup.inflow.end(RESPONSES) == 7


async def test_an_answer_that_does_not_list_a_partition_says_that_nothing_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = await started(monkeypatch)
    setup.inflow.assign({RESPONSES: 10})
    (sessions,) = setup.sessions
    sessions.of(1).ask([("responses", [(0, 10, 100)])])
    sessions.of(1).hear(7, 0, 2_000)

    assert setup.inflow.known() == {RESPONSES: Known(5, 7, 2_000)}


@pytest.mark.parametrize("what", ["assign", "seek"])
async def test_after_a_new_assignment_or_a_seek_all_partitions_are_answered_about(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """aiokafka drops what a fetch says that was on its way then, also about where a partition ends."""
    setup = await started(monkeypatch)
    setup.inflow.assign({RESPONSES: 10, TALLIES: 0})
    (sessions,) = setup.sessions
    session = sessions.of(1)
    session.ask([("responses", [(0, 10, 100)])])
    setup.ended_fetches = 0
    if what == "assign":
        setup.inflow.assign({RESPONSES: 10})
    else:
        setup.inflow.seek(RESPONSES, 5)
    assert setup.ended_fetches, "the next fetch would wait behind one that may take some seconds"
    session.hear(7, 0, 2_000)

    assert session.ask([("responses", [(0, 10, 100)])]).epoch == 0


async def test_the_ends_of_partitions_are_asked_for_while_fetched_records_wait_which_no_fetch_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setup = await started(monkeypatch)
    monkeypatch.setattr(module, "_ENDS_SECONDS", 0.0)
    (consumer,) = setup.made
    setup.inflow.assign({RESPONSES: 10, TALLIES: 0})
    await setup.inflow.take([TALLIES])
    assert setup.inflow._asking is None
    assert setup.inflow.ends() == {RESPONSES: 7}
    consumer._fetcher._records[TopicPartition(*RESPONSES)] = "records"
    consumer.reachable = False  # for the first time; then it is asked again
    consumer.waiters[-1].set_result(None)
    while setup.inflow.ends() != {RESPONSES: 1_000}:  # noqa: ASYNC110 - this is no event
        await asyncio.sleep(0)
    assert consumer.asked_for[:2] == [[TopicPartition(*RESPONSES)]] * 2
    consumer._fetcher._records.clear()
    while setup.ended == 0:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0)
    # Nothing is taken any more; what comes then waits, and its end is asked for as well.
    asked = len(consumer.asked_for)
    consumer._fetcher._records[TopicPartition(*RESPONSES)] = "records"
    consumer.waiters[-1].set_result(None)
    while len(consumer.asked_for) == asked:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0)
    setup.inflow.assign({RESPONSES: 10})
    assert setup.inflow.ends() == {RESPONSES: 7}
    await setup.inflow.stop()
