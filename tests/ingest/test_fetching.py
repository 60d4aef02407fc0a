"""The fetcher without Kafka: what is committed when, what the log says, and what stops it. Kafka's part is a double.

tests/integration/test_fetching.py has the same with a real Kafka and a real HTTP server.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from ingest.fake_api import details

from worker.clock import SystemClock
from worker.errors import FetchError, Unreachable
from worker.flow.batch import MemoryRecord, Output
from worker.flow.messages import fetch_order
from worker.flow.messages.fetch_order import FetchOrder, Get
from worker.flow.policy import IntakePolicy
from worker.ingest import fetching
from worker.ingest.counting import UNKNOWN
from worker.ingest.fetching import Fetcher, Needs, Standing
from worker.kafka.member import Member
from worker.notify.retry import RetryPolicy
from worker.receive.deliveries import Deliveries
from worker.receive.settings import ReceiveSettings
from worker.roles.meters import Meters
from worker.settings import Settings

SOURCES = [
    {"name": name, "tool": "surveymonkey", "secrets": ["s"], "score_question": "11", "api_token": "t"}
    for name in ("monkey", "other")
]
CONNECTIONS = 2
AWAY = FetchError("http_401", "receive.sources, monkey: the token is wrong", unavailable=True, alarm=True)


def order(answer: str, source: str = "monkey") -> FetchOrder:
    return FetchOrder(source, {"details": Get(f"/v3/surveys/1/responses/{answer}/details", {})}, {})


class Group:
    """Stands for a member of the consumer group, and for Kafka."""

    def __init__(self) -> None:
        self.records: asyncio.Queue[MemoryRecord] = asyncio.Queue()
        self.committed: dict[int, int] = {}
        self.published: list[Output] = []
        self.paused: list[bool] = []
        self.fails_to_start = 0
        self.fails_to_publish = 0
        #: The keys of records that are acknowledged only after an event.
        self.unacknowledged: dict[bytes | None, asyncio.Event] = {}
        #: Whether the orders that are published come back, as they do in Kafka.
        self.brings_back = False
        self.revoke: Callable[[Collection[int]], Any] = lambda _: None
        self.changed = asyncio.Event()
        self._next: dict[int, int] = {}

    def give(self, *orders: FetchOrder | bytes, partition: int = 0) -> None:
        for one in orders:
            value = one if isinstance(one, bytes) else fetch_order.output(one).value
            offset = self._next.get(partition, 0)
            self._next[partition] = offset + 1
            self.records.put_nowait(MemoryRecord("nps.fetches", partition, offset, 0, b"", value, []))

    async def publish(self, outputs: Sequence[Output], seconds: float) -> None:
        assert seconds > 0
        if self.fails_to_publish:
            self.fails_to_publish -= 1
            raise Unreachable("away")
        for output in outputs:
            if output.key in self.unacknowledged:
                await self.unacknowledged[output.key].wait()
        self.published += outputs
        if self.brings_back:
            self.give(*(one.value or b"" for one in outputs if one.topic == "fetches"))
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    @property
    def orders(self) -> list[Any]:
        """The orders that were published."""
        return [json.loads(one.value or b"") for one in self.published if one.topic == "fetches"]

    @property
    def end(self) -> int:
        """The offset of the next record."""
        return self._next[0]

    @property
    def responses(self) -> list[str]:
        return [json.loads(one.value or b"")["response_id"] for one in self.published if one.topic == "responses"]

    # -- Member's own methods.

    async def start(self) -> None:
        if self.fails_to_start:
            self.fails_to_start -= 1
            raise KafkaConnectionError("away")

    async def stop(self) -> None: ...

    async def read(self) -> list[MemoryRecord]:
        self.changed.set()  # what was read before is with the fetcher now
        return [await self.records.get()]

    def pause(self) -> None:
        self.paused.append(True)
        self.changed.set()

    def resume(self) -> None:
        self.paused.append(False)
        self.changed.set()

    async def commit(self, positions: Mapping[int, int]) -> bool:
        self.committed |= positions
        self.changed.set()
        return True


class Api:
    """Answers with an answer of SurveyMonkey, unless it is told to wait or to fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.errors: list[Exception] = []
        self.holds: dict[str, asyncio.Event] = {}
        self.is_closed = False
        self.on_asked: Callable[[], None] = lambda: None

    async def fetch(self, requests: Mapping[str, Get]) -> Mapping[str, bytes]:
        answer = requests["details"].path.split("/")[-2]
        self.asked.append(answer)
        self.on_asked()
        if answer in self.holds:
            await self.holds[answer].wait()
        if self.errors:
            raise self.errors.pop(0)
        return {"details": json.dumps(details(answer)).encode()}

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_COMMIT_SECONDS", "_AGAIN_SECONDS", "_FINISH_SECONDS"):
        monkeypatch.setattr(fetching, name, 0.01)
    monkeypatch.setattr("worker.notify.outage._FIRST_MS", 1)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Return an API whose outage lasts longer than a test."""
    monkeypatch.setattr("worker.notify.outage._FIRST_MS", 600_000)
    api = Api()
    api.errors = [AWAY] * CONNECTIONS
    return api


@asynccontextmanager
async def at_work(group: Group, **apis: Api) -> AsyncIterator[Fetcher]:
    settings = ReceiveSettings.model_validate({"sources": SOURCES})
    needs = Needs(Deliveries(settings), apis, group.publish, RetryPolicy(), IntakePolicy(), SystemClock(), CONNECTIONS)

    def member(on_revoked: Callable[[Collection[int]], Any]) -> Member:
        group.revoke = on_revoked
        return cast(Member, group)

    for api in apis.values():
        api.on_asked = group.changed.set
    fetcher = Fetcher(needs, member)
    await fetcher.start()
    try:
        yield fetcher
    finally:
        await fetcher.stop()


async def test_the_offset_that_is_committed_is_the_lowest_that_is_not_finished() -> None:
    group, api = Group(), Api()
    api.holds["2"] = asyncio.Event()
    async with at_work(group, monkey=api):
        group.give(order("1"), order("2"), order("3"))
        await group.until(lambda: len(group.responses) == 2 and group.committed == {0: 1})
        api.holds["2"].set()
        await group.until(lambda: group.committed == {0: 3})
    assert sorted(group.responses) == ["surveymonkey:1", "surveymonkey:2", "surveymonkey:3"]
    assert api.is_closed


async def test_a_source_that_hangs_leaves_the_others_their_connections() -> None:
    group, stuck, other = Group(), Api(), Api()
    stuck.holds = dict.fromkeys("1234", asyncio.Event())
    async with at_work(group, monkey=stuck, other=other) as fetcher:
        group.give(*map(order, "1234"), *(order(answer, "other") for answer in "567"))
        await group.until(lambda: len(group.responses) == 3)
        assert fetcher.standing()["monkey"] == Standing(4, in_outage=False)
    assert (len(stuck.asked), sorted(other.asked)) == (2, ["5", "6", "7"])


async def test_an_outage_has_a_line_when_it_begins_and_one_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    group, api = Group(), Api()
    api.errors = [AWAY] * 4
    with caplog.at_level(logging.INFO, "worker.ingest.fetching"):
        async with at_work(group, monkey=api) as fetcher:
            group.give(order("1"), order("2"))
            await group.until(lambda: len(group.responses) == 2 and group.committed == {0: 2})
            assert fetcher.standing() == dict.fromkeys(("monkey", UNKNOWN), Standing(0, in_outage=False))
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in lines] == ["ERROR", "INFO"]
    assert "answers wait to be fetched: http_401; receive.sources, monkey" in lines[0][1]
    assert lines[1][1] == "source monkey: the API can be used again"


async def test_an_outage_that_ends_by_a_refusal_is_over_and_the_next_one_has_a_line_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    group, api = Group(), Api()
    with caplog.at_level(logging.INFO, "worker.ingest.fetching"):
        async with at_work(group, monkey=api):
            for number in "12":
                api.errors = [AWAY, FetchError("http_404", "the API does not have the answer")]
                group.give(order(number))
                await group.until(lambda: group.committed == {0: group.end})
    assert [one.levelname for one in caplog.records] == ["ERROR", "INFO", "WARNING", "ERROR", "INFO"]


async def test_the_metrics_say_how_many_orders_wait_and_whether_the_api_has_an_outage(
    away: Api,
) -> None:
    group, other = Group(), Api()
    meters = Meters(Settings.model_construct(), SystemClock())
    async with at_work(group, monkey=away, other=other) as fetcher:
        meters.watch([fetcher])
        group.give(*map(order, "123"), order("4", "other"))
        await group.until(lambda: len(group.responses) == 1 and fetcher.standing()["other"].waiting == 0)
        found = meters.sample()
        assert found["nps_fetches_waiting"] == {("monkey",): 3, ("other",): 0, (UNKNOWN,): 0}
        assert found["nps_fetch_outage_open"] == {("monkey",): 1, ("other",): 0, (UNKNOWN,): 0}


async def test_what_kafka_does_not_acknowledge_is_published_again_and_not_fetched_again() -> None:
    group, api = Group(), Api()
    group.fails_to_start, group.fails_to_publish = 1, 2
    async with at_work(group, monkey=api):
        group.give(order("1"), b"no order")
        await group.until(lambda: group.committed == {0: 2})
    assert api.asked == ["1"]
    assert sorted(one.topic for one in group.published) == ["dead-letters", "responses"]


async def test_an_order_is_finished_only_once_its_response_is_acknowledged() -> None:
    group, api = Group(), Api()
    group.unacknowledged[b"c-1"] = asyncio.Event()
    async with at_work(group, monkey=api) as fetcher:
        group.give(order("1"), order("2"))
        await group.until(lambda: group.responses == ["surveymonkey:2"])
        await fetcher._commit()
        assert group.committed == {0: 0}
        group.unacknowledged[b"c-1"].set()
        await group.until(lambda: group.committed == {0: 2})


async def test_partitions_that_are_revoked_are_committed_and_their_other_orders_forgotten() -> None:
    group, api = Group(), Api()
    api.holds = {"2": asyncio.Event(), "3": asyncio.Event()}
    async with at_work(group, monkey=api) as fetcher:
        group.give(*map(order, "1234"))
        await group.until(lambda: len(group.responses) == 1 and len(api.asked) == 3)
        await group.revoke([0])
        assert group.committed == {0: 1}
        assert fetcher.standing()["monkey"].waiting == 0
    assert (group.responses, sorted(api.asked)) == (["surveymonkey:1"], ["1", "2", "3"])


async def test_an_order_whose_partition_is_revoked_while_it_meets_an_outage_is_left_to_the_next_member(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "_FINISH_SECONDS", 60)
    group, api = Group(), Api()
    api.holds["1"] = asyncio.Event()
    async with at_work(group, monkey=api) as fetcher:
        group.give(order("1"))
        group.give(order("2"), partition=1)
        await group.until(lambda: len(group.responses) == 1)
        api.errors = [AWAY]
        revoked = asyncio.create_task(group.revoke([0]))
        await asyncio.sleep(0)
        api.holds["1"].set()
        await revoked
        assert fetcher.standing()["monkey"] == Standing(0, in_outage=True)
        group.give(order("3"), partition=1)  # the API is tried with what this member still has
        await group.until(lambda: len(group.responses) == 2)
    assert (api.asked, group.responses[1:]) == (["1", "2", "3"], ["surveymonkey:3"])


async def test_a_revocation_that_fails_does_not_end_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    group, api = Group(), Api()

    async def fails(positions: Mapping[int, int]) -> bool:
        raise ZeroDivisionError(positions)

    async with at_work(group, monkey=api):
        group.give(order("1"))
        await group.until(lambda: group.committed == {0: 1})
        with monkeypatch.context() as failing:
            failing.setattr(group, "commit", fails)
            group.give(order("2"), order("3"))
            await group.until(lambda: len(group.responses) == 3)
            with pytest.raises(ZeroDivisionError):
                await group.revoke([0])
        group.give(order("4"))
        await group.until(lambda: len(group.responses) == 4)


async def test_an_order_that_waits_for_its_next_attempt_does_not_hold_back_what_is_committed() -> None:
    group, api = Group(), Api()
    group.brings_back = True
    api.errors = [FetchError("http_500", "could not", retry=True)]
    async with at_work(group, monkey=api) as fetcher:
        group.give(order("1"))
        await group.until(lambda: len(group.orders) == 1)
        group.give(*(order(str(n)) for n in range(2, 102)))
        await group.until(lambda: len(group.responses) == 100 and group.committed == {0: group.end - 1})
        assert fetcher.standing()["monkey"].waiting == 1
    first, *moved = group.orders
    assert 1 <= len(moved) <= 100
    assert [one["attempts"] for one in moved] == [1] * len(moved)
    assert all(abs(one["not_before"] - first["not_before"]) < 1_000 for one in moved)  # it waits no longer for that


async def test_an_outage_of_one_source_does_not_hold_back_what_is_committed_of_the_others(
    away: Api,
) -> None:
    group, other = Group(), Api()
    group.brings_back = True
    async with at_work(group, monkey=away, other=other) as fetcher:
        group.give(*map(order, "123"), *(order(str(n), "other") for n in range(4, 40)))
        await group.until(lambda: len(group.responses) == 36 and group.committed == {0: group.end - 3})
        assert fetcher.standing()["monkey"] == Standing(3, in_outage=True)
    assert len(group.orders) <= 36
    assert {one["attempts"] for one in group.orders} == {0}


async def test_orders_that_wait_are_not_published_again_before_as_many_others_are_finished(
    away: Api,
) -> None:
    group, other = Group(), Api()
    async with at_work(group, monkey=away, other=other) as fetcher:
        group.give(*map(order, "123"), order("4", "other"), order("5", "other"))
        await group.until(lambda: len(group.responses) == 2 and fetcher.standing()["other"].waiting == 0)
        fetcher._clear_the_way()
        assert fetcher.standing()["monkey"].waiting == 3  # it has taken none out
        group.give(order("6", "other"))
        await group.until(lambda: group.committed == {0: 6})
    assert len(group.orders) == 3


async def test_orders_that_wait_are_not_published_again_while_one_before_them_is_in_flight(
    away: Api,
) -> None:
    group, other = Group(), Api()
    other.holds["1"] = asyncio.Event()
    async with at_work(group, monkey=away, other=other) as fetcher:
        group.give(order("1", "other"), order("2"), *(order(str(n), "other") for n in range(3, 9)))
        await group.until(lambda: len(group.responses) == 6 and fetcher.standing()["other"].waiting == 1)
        fetcher._clear_the_way()
        assert fetcher.standing()["monkey"].waiting == 1
        other.holds["1"].set()
        await group.until(lambda: group.committed == {0: 8})
    assert len(group.orders) == 1


async def test_an_order_that_was_due_before_the_others_keeps_its_turn() -> None:
    group, api = Group(), Api()
    api.holds = {"1": asyncio.Event(), "2": asyncio.Event()}
    async with at_work(group, monkey=api) as fetcher:
        group.give(order("1"), order("2"))
        await group.until(lambda: len(api.asked) == 2)
        group.give(order("3"), order("4")._replace(not_before=SystemClock().now() - 60_000))
        await group.until(lambda: fetcher.standing()["monkey"].waiting == 4)
        api.holds["1"].set()
        await group.until(lambda: len(group.responses) == 3)
        api.holds["2"].set()
    assert api.asked == ["1", "2", "4", "3"]


async def test_an_order_of_the_tool_that_the_source_had_before_becomes_a_dead_letter_and_is_not_asked_for() -> None:
    group, api = Group(), Api()
    async with at_work(group, monkey=api):
        request = Get("/crm/v3/objects/feedback_submissions/1", {})
        group.give(FetchOrder("monkey", {"submission": request}, {"revision": 1}), order("2"))
        await group.until(lambda: group.committed == {0: 2})
    [letter] = [json.loads(one.value or b"") for one in group.published if one.topic == "dead-letters"]
    assert (letter["reason"], letter["offset"], api.asked) == ("not_of_this_tool", 0, ["2"])


async def test_too_many_orders_that_wait_are_not_followed_by_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_WAITING", 3)
    group, api = Group(), Api()
    hold = asyncio.Event()
    api.holds = dict.fromkeys("1234", hold)
    async with at_work(group, monkey=api):
        group.give(*map(order, "1234"))
        await group.until(lambda: True in group.paused)
        hold.set()
        await group.until(lambda: len(group.responses) == 4)
        group.give(order("5"))
        await group.until(lambda: False in group.paused)


async def test_an_error_that_nobody_expects_stops_the_worker() -> None:
    group, api = Group(), Api()
    api.errors = [ZeroDivisionError()]
    async with at_work(group, monkey=api) as fetcher:
        group.give(order("1"))
        with pytest.raises(ZeroDivisionError):
            await fetcher.failure()
    assert group.committed.get(0, 0) == 0


async def test_an_order_of_a_source_that_is_not_known_is_tried_again_later() -> None:
    group = Group()
    async with at_work(group):
        group.give(order("1", "removed"))
        await group.until(lambda: group.committed == {0: 1})
    [again] = group.published
    assert (again.topic, json.loads(again.value or b"")["attempts"]) == ("fetches", 1)
