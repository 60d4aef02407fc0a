"""The consumer between two seeks: whatever is fetched and not handed out is fetched again."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP
from streams.consumer import Consumer, record

from worker.kafka.fetch_sessions import FetchSessions
from worker.streams import ordered
from worker.streams.fetching import FETCH_MS, LONG_FETCH_MS, TIMER_SECONDS, Fetching
from worker.streams.ordered import Fetched, OrderedConsumer
from worker.streams.transactions import Known

RESPONSES, TALLIES = TP("responses", 0), TP("tallies", 0)


@pytest.fixture
async def consumer() -> Consumer:
    return Consumer()


async def poll(consumer: Consumer) -> list[Any]:
    """Return what is handed out in one round."""
    consumer.handed.clear()
    await consumer._hand_out()
    return list(consumer.handed)


async def then_poll(consumer: Consumer, message: Any) -> list[Any]:
    """Return what is handed out once a batch is off the way, whatever became of it."""
    consumer._waiting_for_ack = None
    consumer.release(message)
    return await poll(consumer)


async def test_nothing_is_handed_out_while_the_committed_offsets_are_sought(consumer: Consumer) -> None:
    """A rebalance that is over for this partition may not be for the others."""
    consumer.committed = {RESPONSES: 5}
    await consumer.perform_seek()
    consumer.committed, consumer.app.consumer_generation_id = {RESPONSES: 10}, 2

    async def others() -> None:
        assert await poll(consumer) == []

    consumer.seeking = others
    consumer.observer.check_logs = anything
    await consumer.perform_seek()
    (message,) = await poll(consumer)
    assert [found.offset for found in consumer.admit(message.value)] == [10, 11, 12]
    consumer.decided(message.value)
    consumer.done(message.value)
    consumer._thread.generation = 2
    assert consumer._new_offset(RESPONSES) == 13


async def anything(*_: Any) -> Mapping[TP, int]:
    """Compare nothing."""
    return {}


async def test_nothing_is_handed_out_while_the_flow_is_stopped(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    consumer.flow_active = False
    assert await poll(consumer) == []
    consumer.flow_active = True
    assert len(await poll(consumer)) == 1


async def test_what_was_taken_when_the_flow_stops_is_read_again(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()

    def stop() -> None:
        consumer.flow_active = False

    consumer.way_in.meanwhile = stop
    assert await poll(consumer) == []
    consumer.flow_active, consumer.way_in.meanwhile = True, lambda: None
    (message,) = await poll(consumer)
    assert [found.offset for found in consumer.admit(message.value)] == [10, 11, 12]


async def test_a_partition_has_one_batch_in_flight(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (message,) = await poll(consumer)
    assert consumer._unacked_messages == {message}
    assert await poll(consumer) == []
    consumer._changed.clear()
    assert consumer.admit(message.value)
    consumer.decided(message.value)
    (following,) = await then_poll(consumer, message)
    assert consumer._changed.is_set()
    assert consumer._unacked_messages == {following}
    assert [found.offset for found in consumer.admit(following.value)] == [13, 14, 15]


async def test_when_as_much_was_taken_as_is_allowed_it_looks_at_the_other_partitions_at_once(
    consumer: Consumer,
) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    for consumer.way_in.most, at_once in ((4, False), (3, True)):
        consumer._changed.clear()
        (message,) = await poll(consumer)
        assert consumer._changed.is_set() is at_once
        consumer._waiting_for_ack = None
        consumer.release(message)


async def test_a_batch_of_before_a_seek_is_not_admitted(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (old,) = await poll(consumer)
    await consumer.perform_seek()
    assert consumer.admit(old.value) == []
    consumer.decided(old.value)
    consumer.done(old.value)
    assert (consumer._next, consumer._new_offset(RESPONSES)) == ({RESPONSES: 10}, 10)
    consumer.undecided(old.value)
    assert not consumer._to_rewind


async def test_what_is_decided_is_not_committed_before_it_is_durable(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (first,) = await poll(consumer)
    consumer.decided(first.value)
    (second,) = await then_poll(consumer, first)
    assert [found.offset for found in consumer.admit(second.value)] == [13, 14, 15]
    consumer.decided(second.value)
    assert (consumer._new_offset(RESPONSES), consumer.due("responses")) == (10, {RESPONSES: 10})
    consumer.done(second.value)
    assert (consumer._new_offset(RESPONSES), consumer.due("responses")) == (16, {RESPONSES: 16})


async def test_the_lag_goes_from_what_is_durable_to_the_end_where_that_is_known(consumer: Consumer) -> None:
    unread, beyond = RESPONSES._replace(partition=1), RESPONSES._replace(partition=2)
    consumer.committed = {RESPONSES: 10, unread: 5, beyond: 8}
    await consumer.perform_seek()
    consumer.way_in.stated = {RESPONSES: Known(12, 17, 0), beyond: Known(7, 7, 0)}
    assert consumer.lag() == {RESPONSES: 7, beyond: 0}


async def test_what_was_taken_back_is_read_again_from_what_is_durable(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (first,) = await poll(consumer)
    consumer.decided(first.value)
    (second,) = await then_poll(consumer, first)
    consumer.undecided(first.value)
    assert consumer.admit(second.value) == [], "its state is not there any more"
    (again,) = await then_poll(consumer, second)
    assert [found.offset for found in consumer.admit(again.value)] == [10, 11, 12]


async def test_a_stop_makes_durable_what_is_decided_and_then_commits_it(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if a commit is under way: its offsets are older."""
    done: list[str] = []
    under_way = asyncio.get_running_loop().create_future()
    consumer._commit_fut, consumer._loop = under_way, asyncio.get_running_loop()

    async def write() -> None:
        done.append("written")
        asyncio.get_running_loop().call_soon(commit_ends)

    def commit_ends() -> None:
        done.append("the commit under way")
        consumer._commit_fut = None
        under_way.set_result(None)

    async def commit(*_: Any, **__: Any) -> bool:
        done.append("commit")
        return True

    consumer.observer.on_flow_stopped = write
    consumer.app.client_only = False
    monkeypatch.setattr(consumer, "force_commit", commit)
    await consumer.commit_and_end_transactions()
    assert done == ["written", "the commit under way", "commit"]


async def test_who_has_no_partition_any_more_stands_by(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    settled: list[list[TP]] = []
    consumer.observer.on_settled = lambda tps: settled.append(list(tps))
    consumer.committed = {}
    await consumer.perform_seek()
    assert (consumer.due("responses"), settled) == ({}, [[]])


async def test_a_batch_that_begins_behind_what_is_due_is_rewound(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (dropped,) = await poll(consumer)
    (ahead,) = await then_poll(consumer, dropped)
    assert consumer.admit(ahead.value) == []
    (again,) = await then_poll(consumer, ahead)
    assert [found.offset for found in consumer.admit(again.value)] == [10, 11, 12]


async def test_a_gap_in_the_offsets_is_no_hole(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    batch = Fetched(RESPONSES, 10, [record(RESPONSES, 14)], 1, consumer._epoch)
    assert [found.offset for found in consumer.admit(batch)] == [14]


async def test_an_offset_of_an_earlier_generation_is_not_committed(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    consumer._thread.generation = 2
    assert consumer._new_offset(RESPONSES) is None


@pytest.mark.parametrize(
    ("committed", "stands_at", "earliest", "lost"),
    [
        (10, 10, 0, False),
        (10, 12, 0, False),  # the state is durable before the offset is committed
        (10, 9, 0, True),
        (10, 0, 0, True),
        (10, 0, 10, False),  # read from the beginning on, as an operator has asked for
        (10, 0, 9, True),
        (0, 0, 0, False),
    ],
)
async def test_a_committed_offset_ahead_of_its_state_is_found(
    consumer: Consumer, committed: int, stands_at: int, earliest: int, *, lost: bool
) -> None:
    consumer.committed, consumer.earliest = {RESPONSES: committed}, {RESPONSES: earliest}
    consumer.observer.stands_at = lambda _: stands_at
    await consumer.perform_seek()
    assert consumer.lost == ([(RESPONSES, committed)] if lost else [])


async def test_what_log_deleted_unread_is_passed_by_at_a_take_over(consumer: Consumer) -> None:
    consumer.committed, consumer.begins = {RESPONSES: 10}, {RESPONSES: 14}
    await consumer.perform_seek()
    (message,) = await poll(consumer)

    assert consumer.others == [{RESPONSES: 10}]
    assert [found.offset for found in consumer.admit(message.value)] == [14, 15, 16]


async def test_nothing_of_a_suspect_is_handed_out_before_its_log_was_compared(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    consumer.suspect(RESPONSES)
    assert await poll(consumer) == []
    assert consumer._checking is not None
    await consumer._checking
    (message,) = await poll(consumer)
    assert consumer.others == [{RESPONSES: 10}, {RESPONSES: 10}]
    assert [found.offset for found in consumer.admit(message.value)] == [10, 11, 12]


@pytest.mark.parametrize("waits", [False, True])
async def test_what_log_deleted_unread_is_passed_by_while_something_waits_for_a_checkpoint(
    consumer: Consumer, *, waits: bool
) -> None:
    """What was decided counts as read. It may be committed once it is durable, and not before."""
    consumer.committed, consumer.begins = {RESPONSES: 10}, {}
    await consumer.perform_seek()
    (message,) = await poll(consumer)
    consumer.decided(message.value)
    if not waits:
        consumer.done(message.value)
    consumer.begins = {RESPONSES: 20}
    consumer.suspect(RESPONSES)
    assert await then_poll(consumer, message) == []
    assert consumer._checking is not None
    await consumer._checking
    (following,) = await poll(consumer)

    assert consumer.others == [{RESPONSES: 10}, {RESPONSES: 13}]
    assert [found.offset for found in consumer.admit(following.value)] == [20, 21, 22]
    assert consumer._new_offset(RESPONSES) == (10 if waits else 20)
    consumer.done(message.value)
    assert consumer._new_offset(RESPONSES) == 20


async def test_records_below_the_place_that_was_reached_make_a_suspect(consumer: Consumer) -> None:
    """As when aiokafka goes to a topic's beginning by itself, because it ends before the place it was read up to."""
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (message,) = await poll(consumer)
    consumer.way_in.place[RESPONSES] = 0
    assert await then_poll(consumer, message) == []
    assert consumer._suspects == {RESPONSES}


async def test_a_comparison_that_fails_is_not_kept_quiet(consumer: Consumer) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()

    async def broken(*_: Any) -> Mapping[TP, int]:
        raise OSError

    failures: list[BaseException] = []
    consumer.observer.check_logs, consumer.observer.on_failure = broken, failures.append
    consumer.suspect(RESPONSES)
    await poll(consumer)
    assert consumer._checking is not None
    await asyncio.wait([consumer._checking])
    await asyncio.sleep(0)
    assert isinstance(failures[0], OSError)


async def test_a_comparison_that_is_not_allowed_is_said_once_a_minute_and_tried_again(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    consumer.committed = {RESPONSES: 10}
    monkeypatch.setattr(ordered, "_CHECK_AGAIN_SECONDS", 0.0)
    refusals: list[Exception] = [TopicAuthorizationFailedError(), TopicAuthorizationFailedError(), KafkaError()]

    async def refused(*_: Any) -> Mapping[TP, int]:
        if refusals:
            raise refusals.pop()
        return {}

    consumer.observer.check_logs = refused
    with caplog.at_level(logging.WARNING):
        await consumer.perform_seek()

    assert refusals == []
    [message] = caplog.messages
    assert message.startswith(f"{RESPONSES.topic}: Kafka does not let the worker compare them with their state")


class Asked:
    """What the way in is asked for, and how long to wait for more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, consumer: Consumer) -> None:
        self.now = 100.0
        self._consumer = consumer
        consumer.way_in.chunk = 0
        monkeypatch.setattr(ordered, "monotonic", lambda: self.now)

    async def of(self, *tps: TP) -> tuple[set[TP], float]:
        self._consumer._due = dict.fromkeys(tps, 0)
        self._consumer._sought_generation = 1
        self._consumer.way_in.place, self._consumer.way_in.asked = {}, set()
        seconds = await self._consumer._hand_out()
        return self._consumer.way_in.asked, seconds


async def test_a_delayed_partition_is_not_asked_for_until_then(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, consumer)
    consumer.delay(TALLIES, 1.0, 4.0)

    assert await asked.of(RESPONSES, TALLIES) == ({RESPONSES}, 1.0)
    assert consumer.way_in.held == {TALLIES}
    assert await asked.of(TALLIES) == (set(), 1.0)
    asked.now += 1.0
    assert await asked.of(RESPONSES, TALLIES) == ({RESPONSES, TALLIES}, inf)
    assert consumer.way_in.held == set()


async def test_delays_of_the_same_length_end_at_the_same_moments(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, another = Asked(monkeypatch, consumer), TP("tallies", 1)
    asked.now = 100.1
    consumer.delay(TALLIES, 1.0, 4.0)
    asked.now = 100.3
    consumer.delay(another, 1.0, 4.0)

    asked.now = 100.9
    assert (await asked.of(TALLIES, another))[0] == set()
    asked.now = 101.0
    assert (await asked.of(TALLIES, another))[0] == {TALLIES, another}


async def test_the_empty_partitions_of_a_topic_wait_for_the_same_moment(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fetch then brings the records of all of them."""
    asked, empty, busy, slow = Asked(monkeypatch, consumer), TP("tallies", 1), TP("tallies", 2), TP("tallies", 3)
    full = TP("tallies", 4)
    in_flight: Any = SimpleNamespace(acked=False)
    consumer._due = dict.fromkeys((RESPONSES, TALLIES, empty, busy, slow, full), 0)
    consumer._cursor = {**dict.fromkeys(consumer._due, 100), full: 99}
    consumer.delay(slow, 1.0, 9.0)
    consumer._delays = {slow: consumer._delays[slow]}
    consumer._waits_for_others.clear()
    consumer._in_flight = {busy: in_flight}
    consumer.delay(TALLIES, 1.0, 4.0)

    assert consumer._delays.keys() == {TALLIES, empty, slow}
    assert (await asked.of(RESPONSES, TALLIES, empty, full))[0] == {RESPONSES, full}
    in_flight.acked = True
    asked.now += 1.0
    assert (await asked.of(RESPONSES, TALLIES, empty, busy))[0] == {RESPONSES, TALLIES, empty, busy}
    in_flight.acked = False
    asked.now += 3.5
    assert (await asked.of(TALLIES, empty, slow))[0] == {TALLIES, empty}  # what is slow to decide waits longer


async def test_a_partition_waits_for_others_only_once_before_its_next_batch(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, other = Asked(monkeypatch, consumer), TP("tallies", 1)
    consumer._due, consumer._cursor = dict.fromkeys((TALLIES, other), 0), dict.fromkeys((TALLIES, other), 100)
    consumer.delay(TALLIES, 1.0, 1.0)
    asked.now += 1.0
    consumer.delay(TALLIES, 1.0, 1.0)
    assert (await asked.of(TALLIES, other))[0] == {other}

    consumer._batch(other, [record(other, 100)])
    consumer._in_flight.clear()
    asked.now += 1.0
    consumer.delay(TALLIES, 1.0, 1.0)
    assert (await asked.of(TALLIES, other))[0] == set()


async def test_the_delay_is_longer_while_another_partition_is_busy(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    (message,) = await poll(consumer)
    asked = Asked(monkeypatch, consumer)
    consumer._heals_until = 0.0
    consumer.delay(TALLIES, 1.0, 4.0)
    asked.now += 2.0

    assert await asked.of(RESPONSES, TALLIES) == (set(), 2.0)
    message.acked = True
    assert await asked.of(RESPONSES, TALLIES) == ({RESPONSES, TALLIES}, inf)


async def test_when_time_is_short_records_gather_before_the_next_batches_begin(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(ordered, "monotonic", lambda: now[0])
    consumer.committed, consumer.gathering = {RESPONSES: 10, TALLIES: 10}, 0.015
    consumer.way_in.end_offset = 13
    await consumer.perform_seek()
    message, other = await poll(consumer)
    assert consumer.way_in.held_until == 100.015

    now[0] += 0.01
    assert await then_poll(consumer, message) == []
    assert round(await consumer._hand_out(), 3) == 0.005
    now[0] += 0.01
    assert [found.tp for found in await poll(consumer)] == [message.tp]
    assert other.acked is False


async def test_where_more_waits_already_it_does_not_gather(consumer: Consumer) -> None:
    consumer.committed, consumer.gathering = {RESPONSES: 10}, 0.015
    await consumer.perform_seek()
    (message,) = await poll(consumer)

    assert message.value.more
    assert consumer.way_in.held_until == 0.0
    assert len(await then_poll(consumer, message)) == 1


async def test_a_partition_is_not_delayed_after_a_new_assignment(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, consumer)
    consumer.delay(TALLIES, 1.0, 4.0)
    await consumer.perform_seek()

    assert await asked.of(TALLIES) == ({TALLIES}, inf)


@pytest.mark.parametrize(
    ("passed", "busy_seconds", "is_delayed"), [(4.9, 1.2, False), (4.9, 2.5, True), (5.1, 1.2, True)]
)
async def test_for_some_seconds_after_a_take_over_a_partition_is_only_delayed_if_deciding_takes_long(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch, passed: float, busy_seconds: float, *, is_delayed: bool
) -> None:
    """What a killed worker has left passes through three topics, one after the other."""
    asked = Asked(monkeypatch, consumer)
    consumer.committed = {TALLIES: 10}
    await consumer.perform_seek()
    asked.now += passed
    consumer.delay(TALLIES, 1.0, busy_seconds)

    assert (TALLIES in consumer.way_in.held) is is_delayed
    assert (await asked.of(TALLIES))[0] == (set() if is_delayed else {TALLIES})


async def test_offsets_are_committed_once_a_second_or_when_batches_do_not_come_any_more(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, committed = [100.0], list[float]()
    monkeypatch.setattr(ordered, "monotonic", lambda: now[0])

    async def commit(*_: Any) -> bool:
        is_new = bool(consumer._due != consumer._committed_offset)
        consumer._committed_offset = dict(consumer._due)
        committed.extend([now[0]] * is_new)
        return is_new

    monkeypatch.setattr(consumer, "commit", commit)
    for tenth in range(4, 40, 4):
        now[0] = 100 + tenth / 10
        if tenth <= 24:
            consumer._due = {RESPONSES: tenth}
        await consumer._look_at_commit()

    assert committed == [100.4, 101.6, 102.8]

    committed.clear()
    consumer._heals_until = 110.0
    for number in range(3):
        consumer._due = {RESPONSES: 100 + number}
        await consumer._look_at_commit()
    assert len(committed) == 3, "after a take-over they are committed at each look"


async def test_no_timer_runs_while_nothing_is_to_be_committed(consumer: Consumer) -> None:
    looks, refused = list[int](), 1

    async def look() -> None:
        nonlocal refused
        looks.append(consumer._due[RESPONSES])
        if consumer._due[RESPONSES] == 13 and refused:
            refused -= 1  # Kafka does not answer
        else:
            consumer._committed_offset.update(consumer._due)

    consumer.commit_interval, consumer._look_at_commit = 0.0, look  # type: ignore[method-assign]
    consumer.committed = {RESPONSES: 10}
    await consumer.perform_seek()
    handler = asyncio.ensure_future(OrderedConsumer._commit_handler.fun(consumer))
    await turns()
    assert looks == [10], "once after a take-over"

    (message,) = await poll(consumer)
    consumer.decided(message.value)
    await turns()
    assert looks == [10]
    consumer.done(message.value)
    await turns()
    assert looks == [10, 13, 13]
    handler.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handler


async def turns() -> None:
    """Let the event loop turn some times."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_wait_ends_with_a_delay_or_with_a_change(consumer: Consumer) -> None:
    await consumer._wait_for_change(0.0)
    consumer._changed.clear()
    asyncio.get_running_loop().call_soon(consumer.suspect, TALLIES)
    await consumer._wait_for_change(inf)


class Fetcher:
    """aiokafka's, as far as it says what to ask brokers for next."""

    def __init__(self) -> None:
        self._in_flight: set[int] = set()
        self._pending_tasks: set[str] = set()
        self._records: dict[TP, str] = {}
        self._fetch_max_wait_ms, self._fetcher_timeout = 0, 0.0
        self._client = SimpleNamespace(send=self.send, _conns={})
        self.response: Any = None
        self.sent: Any = None

    async def send(self, _node: int, request: Any) -> Any:
        self.sent = request
        if isinstance(self.response, BaseException):
            raise self.response
        return self.response

    def _get_actions_per_node(self, assignment: Any) -> tuple[Any, ...]:
        return f"requests of {assignment}", "resets", 0.2, False, []


def prepare(
    fetcher: Fetcher,
    sessions: FetchSessions | None = None,
    *,
    suspect: Callable[[TP], None] = lambda _: None,
    next_delay_end: float = inf,
    paused: bool = False,
    now: Callable[[], float] = lambda: 0.0,
) -> Fetching:
    """Prepare a fetcher of aiokafka's."""
    return Fetching(
        fetcher,
        sessions or FetchSessions(),
        suspect=suspect,
        next_delay_end=lambda: next_delay_end,
        has_paused=lambda: paused,
        clock=now,
    )


class Assignment:
    """aiokafka's, where the tallies are paused."""

    def __str__(self) -> str:
        return "x"

    def state_value(self, tp: TP) -> Any:
        return SimpleNamespace(paused=tp == TALLIES)


@pytest.mark.parametrize(("in_flight", "tasks", "timeout"), [(set(), set(), 0.2), ({1}, {"a"}, 0.2), ({1}, set(), 0)])
def test_a_fetch_that_has_just_ended_is_looked_after_at_once(
    in_flight: set[int], tasks: set[str], timeout: float
) -> None:
    fetcher = Fetcher()
    prepare(fetcher)
    fetcher._in_flight, fetcher._pending_tasks = in_flight, tasks

    assert fetcher._get_actions_per_node(Assignment()) == ("requests of x", "resets", timeout, False, [])


@pytest.mark.parametrize(
    ("not_taken", "rest", "wait"),
    [
        ([], inf, 500),
        ([RESPONSES], inf, 20),
        ([TALLIES], inf, 500),
        ([TALLIES, RESPONSES], inf, 20),
        ([], 0.3, 300),
        ([], 0.003, 20),
    ],
)
def test_a_fetch_that_asks_for_some_partitions_only_ends_when_the_others_are_to_be_asked_for(
    not_taken: list[TP], rest: float, wait: int
) -> None:
    fetcher = Fetcher()
    prepare(fetcher, next_delay_end=rest)
    fetcher._records = dict.fromkeys(not_taken, "not taken yet")
    fetcher._get_actions_per_node(Assignment())

    assert fetcher._fetch_max_wait_ms == wait


def answer(*records: bytes) -> Any:
    """Return a broker's answer to a fetch; each partition has these records."""
    return SimpleNamespace(
        API_VERSION=4, topics=[("responses", [(n, 0, 100, 100, 0, None, each) for n, each in enumerate(records)])]
    )


@pytest.mark.parametrize(
    ("came_at", "paused", "wait"), [(98.1, False, 500), (98.0, False, 5_000), (98.0, True, 500), (None, False, 5_000)]
)
async def test_a_fetch_waits_for_longer_if_no_records_have_come_for_some_time_and_nothing_is_left_out(
    came_at: float | None, wait: int, *, paused: bool
) -> None:
    fetcher, now = Fetcher(), [90.0]
    prepare(fetcher, paused=paused, now=lambda: now[0])
    if came_at is not None:
        now[0], fetcher.response = came_at, answer(b"", b"records")
        await fetcher._client.send(0, FetchRequest(0, 0, 0, 0, 0, []))
    now[0], fetcher.response = 99.9, answer(b"")
    await fetcher._client.send(0, FetchRequest(0, 0, 0, 0, 0, []))
    now[0] = 100.0
    fetcher._get_actions_per_node(Assignment())

    assert fetcher._fetch_max_wait_ms == wait
    assert fetcher._fetcher_timeout > wait / 1_000, "aiokafka would look twice for each fetch"


def test_no_fetch_begins_while_records_gather() -> None:
    fetcher, now = Fetcher(), [100.0]
    prepared = prepare(fetcher, now=lambda: now[0])
    prepared.hold_until(100.25)

    assert fetcher._get_actions_per_node(Assignment()) == ([], {}, 0.25 + TIMER_SECONDS, False, [])
    now[0] = 100.25
    requests, *_ = fetcher._get_actions_per_node(Assignment())
    assert requests == "requests of x"


class Connection:
    """One of aiokafka's, whose requests fail when it is closed."""

    def __init__(self) -> None:
        self.sending: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        self.sending.set_exception(KafkaConnectionError())


@pytest.mark.parametrize("wait", [FETCH_MS, LONG_FETCH_MS])
async def test_only_a_fetch_that_may_wait_for_long_is_ended_before_its_time(wait: int) -> None:
    fetcher, connection, sessions = Fetcher(), Connection(), FetchSessions()
    fetcher._client.send = lambda *_: connection.sending
    fetcher._client._conns = {(1, ConnectionGroup.DEFAULT): connection}
    now = [0.0]
    prepared = prepare(fetcher, sessions, now=lambda: now[0])
    sessions.of(1).ask([("responses", [(0, 5, 100)])])
    fetching_now = asyncio.create_task(fetcher._client.send(1, FetchRequest(wait, 0, 0, 0, [])))
    await asyncio.sleep(0)
    now[0] = 10.0
    prepared.end_long_fetches()
    prepared.end_long_fetches()
    fetcher._get_actions_per_node(Assignment())
    assert fetcher._fetch_max_wait_ms == FETCH_MS, "other records are wanted now"
    if wait == FETCH_MS:
        assert not connection.sending.done()
        connection.close()
        with pytest.raises(KafkaConnectionError):
            await fetching_now
    else:
        assert list((await fetching_now).topics) == []
    sessions.of(1).hear(7, 0, 1)
    assert sessions.of(1).ask([]).epoch == 0, "whether the broker has received it is not known"
    connection.sending = asyncio.get_running_loop().create_future()
    fetching_now = asyncio.create_task(fetcher._client.send(1, FetchRequest(LONG_FETCH_MS, 0, 0, 0, [])))
    await asyncio.sleep(0)
    connection.close()
    with pytest.raises(KafkaConnectionError):
        await fetching_now


async def test_what_a_broker_answers_of_a_log_that_may_be_another_one_is_heard() -> None:
    fetcher, suspects = Fetcher(), list[TP]()
    prepare(fetcher, suspect=suspects.append)
    # 0: fine, 1: offset out of range, 3: no such topic, 6: another leader, 29: not allowed
    fetcher.response = SimpleNamespace(
        API_VERSION=4, topics=[("responses", [(n, n, 100, 100, 0, None, b"") for n in (0, 1, 3, 6, 29)])]
    )
    await fetcher._client.send(0, FetchRequest(0, 0, 0, 0, 0, []))
    assert suspects == [TP("responses", n) for n in (1, 3, 6)]
    await fetcher._client.send(0, "another request")
    assert len(suspects) == 3


@pytest.mark.parametrize("lost", [KafkaConnectionError(), asyncio.CancelledError()])
async def test_fetches_have_a_session_which_begins_again_after_one_without_an_answer(lost: BaseException) -> None:
    fetcher, sessions = Fetcher(), FetchSessions()
    prepare(fetcher, sessions)

    async def epoch() -> int:
        with suppress(KafkaConnectionError, asyncio.CancelledError):
            await fetcher._client.send(0, FetchRequest(0, 0, 0, 0, [("responses", [(0, 5, 100)])]))
        return int(fetcher.sent.prepare({FetchRequest.API_KEY: (4, 11)}).session_epoch)

    fetcher.response = SimpleNamespace(API_VERSION=11, session_id=7, error_code=0, topics=[])
    # Here a request is built only after its answer, so the answer is not counted as one.
    assert await epoch() == 0
    sessions.of(0).hear(7, 0, 1)
    assert await epoch() == 1
    sessions.of(0).hear(7, 0, 2)
    fetcher.response = lost
    assert await epoch() == 0
