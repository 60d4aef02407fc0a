"""The fetcher: it carries out the orders to fetch answers, and publishes what the answers become.

The orders are read by a consumer group. Several are in work at the same time, and the sources do not wait for each
other. The offset that is committed is the lowest one that is not finished, and an order is finished once Kafka has
acknowledged what came of it: responses, a dead letter, or the same order with one more attempt. So after a crash some
orders are carried out again, and cause the same records, which their readers recognise.

An order that waits, for its next attempt or for the end of an outage, would hold the offset back for as long. So once
as many orders behind it are finished as wait before them, those that wait are published again, behind them all. That
costs no more records than there are finished orders, and a restart fetches few answers again.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from typing import NamedTuple, Protocol

from aiokafka.errors import KafkaError

from schemas.dead_letter import Reason
from worker.cancelling import cancel_all
from worker.clock import Clock
from worker.errors import FetchError, Rejected, Unreachable
from worker.flow.batch import Output, Place, Record
from worker.flow.dead_letter import dead_letter_in_place, dead_letter_of_delivery
from worker.flow.messages import fetch_order
from worker.flow.messages.fetch_order import FetchOrder, Get
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats.outcome import Fetch, Outcome, Outcomes
from worker.ingest.counting import UNKNOWN, word_of
from worker.kafka.member import Member
from worker.kafka.producing import Publish
from worker.notify.retry import RetryPolicy
from worker.receive.deliveries import Deliveries
from worker.receive.finished import Finished
from worker.receive.records import Delivery, records
from worker.receive.waiting import Errand, Fate, Verdict, Waiting
from worker.service import Failure
from worker.throttle import Throttle

log = logging.getLogger(__name__)

#: The largest number of orders that wait in memory. Beyond it no further ones are read, of no source.
MOST_WAITING = 20_000
#: How long Kafka may take to acknowledge what came of an order, in seconds, before a line says that it does not.
_PUBLISH_SECONDS = 30.0
#: How often the offsets are committed, in seconds.
_COMMIT_SECONDS = 1.0
#: How long to wait before Kafka is asked again if it did not answer, in seconds.
_AGAIN_SECONDS = 2.0
#: How long a stop, and the revocation of partitions, wait for the orders in work, in seconds.
_FINISH_SECONDS = 3.0
#: The shortest time between two log lines of the same kind about a source, in seconds.
_QUIET_SECONDS = 60.0
#: The words for what a fetched body becomes that differ from those for a delivery.
_WORDS = {"part": "accepted", "fetch": "next_page"}


class Api(Protocol):
    """What answers the orders of a source."""

    async def fetch(self, requests: Mapping[str, Get]) -> Mapping[str, bytes]:
        """Return the bodies of the answers to some requests, by their names. Raise FetchError without all of them."""

    async def aclose(self) -> None:
        """Close the connections."""


class NoSource:
    """What answers orders whose source is not in the settings.

    Perhaps another worker already has newer settings, so these orders are tried again as well, and given up in the end.
    """

    async def fetch(self, requests: Mapping[str, Get]) -> Mapping[str, bytes]:
        """Raise FetchError."""
        del requests
        raise FetchError("source_unknown", "the source is not in the settings (receive.sources)", retry=True)

    async def aclose(self) -> None:
        """Do nothing."""


class Observer(Protocol):
    """What counts."""

    def on_fetch(self, source: str, outcome: str, count: int = 1) -> None:
        """Count what orders of a source, or the answers to them, have become (words.FETCHES)."""


class Needs(NamedTuple):
    """What the fetcher needs."""

    deliveries: Deliveries
    #: The API of each source whose answers are fetched, by its name.
    apis: Mapping[str, Api]
    publish: Publish
    retry: RetryPolicy
    policy: IntakePolicy
    clock: Clock
    connections: int
    observer: Observer | None = None


class _Finish(Protocol):
    """Notes that what came of some orders is acknowledged. `moved`: nothing but the same orders."""

    def __call__(self, places: Collection[Place], *, moved: bool = False) -> None: ...


class Standing(NamedTuple):
    """How things are with a source."""

    #: The number of orders that wait, or are in work.
    waiting: int
    in_outage: bool


class Fetcher:
    """The service. `member` makes a member of the group, given what it awaits before partitions are revoked."""

    def __init__(self, needs: Needs, member: Callable[[Callable[[Collection[int]], Awaitable[None]]], Member]) -> None:
        self._needs = needs
        self._member = member(self._revoke)
        self._finished = defaultdict[int, Finished](Finished)
        self._committed: dict[int, int] = {}
        self._failure = Failure()
        apis = {**needs.apis, UNKNOWN: NoSource()}
        self._lanes = {
            source: _Lane(source, api, needs, self._finish, self._failure.keep_of) for source, api in apis.items()
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._is_paused = False
        self._is_revoking = False
        self._has_started = False

    @property
    def ready(self) -> bool:
        """Always true: deliveries are taken whether answers can be fetched or not."""
        return True

    def standing(self) -> dict[str, Standing]:
        """Return how things are with each source."""
        return {source: lane.standing() for source, lane in self._lanes.items()}

    async def start(self) -> None:
        """Begin to join the group. While Kafka does not answer, this goes on in the background."""
        self._tasks = [asyncio.create_task(one) for one in (self._run(), self._commit_always())]
        self._tasks += [asyncio.create_task(lane.run()) for lane in self._lanes.values()]
        for task in self._tasks:
            task.add_done_callback(self._failure.keep_of)

    async def stop(self) -> None:
        """Finish the orders in work if that is soon, commit, and leave the group."""
        await cancel_all(self._tasks)
        await self._revoke([*self._finished])
        await self._member.stop()
        for lane in self._lanes.values():
            await lane.close()

    async def failure(self) -> None:
        """Wait until an error must stop the worker, and raise it."""
        await self._failure.raised()

    async def _run(self) -> None:
        while not self._has_started:
            try:
                await self._member.start()
                self._has_started = True
            except KafkaError as error:
                log.warning("the fetching cannot begin: Kafka: %s; trying again", type(error).__name__)
                await asyncio.sleep(_AGAIN_SECONDS)
        while True:
            found = await self._member.read()
            if not self._is_revoking:  # otherwise they will be read again, by this member or another one
                for record in found:
                    self._take(record)
                self._throttle()

    def _throttle(self) -> None:
        """Read no further orders while too many wait."""
        is_full = sum(finished.in_work for finished in self._finished.values()) >= MOST_WAITING
        if is_full and not self._is_paused:
            log.warning("%d orders to fetch answers wait, so no further ones are read, of no source", MOST_WAITING)
        if is_full:
            self._member.pause()  # again, since partitions may be new
        elif self._is_paused:
            self._member.resume()
        self._is_paused = is_full

    def _take(self, record: Record) -> None:
        """Let a record's order wait until it is carried out."""
        place = Place(record.partition, record.offset)
        self._finished[record.partition].begin(record.offset)
        lane = self._lanes[UNKNOWN]
        try:
            order = fetch_order.read(record)
            lane = self._lanes.get(order.source, lane)
            lane.check(order)
        except Rejected as rejected:
            lane.refuse(dead_letter_in_place(record, rejected, self._needs.policy), place)
        else:
            lane.add(order, place)

    def _finish(self, places: Collection[Place], *, moved: bool = False) -> None:
        """Note that what came of some orders is acknowledged. `moved`: nothing but the same orders."""
        for place in places:
            if place.partition in self._finished:
                self._finished[place.partition].finish(place.offset, moved=moved)

    async def _commit_always(self) -> None:
        while True:
            await asyncio.sleep(_COMMIT_SECONDS)
            if not self._is_revoking:
                self._clear_the_way()
            await self._commit()

    def _clear_the_way(self) -> None:
        """Publish orders again that wait and hold the offset of their partition back, if enough others are finished."""
        held = {partition: finished for partition, finished in self._finished.items() if finished.ahead}
        if not held:
            return
        offsets = {partition: finished.last for partition, finished in held.items()}
        found = {lane: lane.before(offsets) for lane in self._lanes.values()}
        for partition, finished in held.items():
            errands = {lane: of_lane.get(partition, []) for lane, of_lane in found.items()}
            places = {place for of_lane in errands.values() for errand in of_lane for place in errand.places}
            # If the first one is in flight, it will be finished soon, and moving those behind it would be of no use.
            if (partition, finished.position) in places and len(places) <= finished.ahead:
                for lane, of_lane in errands.items():
                    lane.move(of_lane)

    async def _commit(self) -> None:
        positions = {n: at for n, one in self._finished.items() if (at := one.position) is not None}
        changed = {n: at for n, at in positions.items() if self._committed.get(n) != at}
        if changed and self._has_started and await self._member.commit(changed):
            self._committed |= changed

    async def _revoke(self, partitions: Collection[int]) -> None:
        """Let the orders in work come to their end, commit, and forget what other members will read again."""
        self._is_revoking = True
        try:
            for lane in self._lanes.values():
                lane.forget(partitions)
            if working := self._working():
                await asyncio.wait(working, timeout=_FINISH_SECONDS)
            await self._commit()
            await cancel_all(self._working())
            for partition in partitions:
                self._finished.pop(partition, None)
                self._committed.pop(partition, None)
        finally:
            self._is_revoking = False

    def _working(self) -> list[asyncio.Task[None]]:
        return [task for lane in self._lanes.values() for task in lane.working]


class _Lane:
    """The orders of one source, and the tasks that carry them out."""

    def __init__(
        self, source: str, api: Api, needs: Needs, finish: _Finish, ended: Callable[[asyncio.Task[None]], None]
    ) -> None:
        self._source = source
        self._api = api
        self._needs = needs
        self._finish = finish
        # Gets each task that has ended.
        self._tell_ended = ended
        self._waiting = Waiting(needs.connections, needs.retry)
        self._changed = asyncio.Event()
        self._quiet = defaultdict[str, Throttle](lambda: Throttle(_QUIET_SECONDS))
        # Up to which time all answers of a list are published, in ms, by the path of the list.
        self._known_until: dict[str, int] = {}
        self._is_out = False
        self.working: set[asyncio.Task[None]] = set()

    def standing(self) -> Standing:
        """Return how things are with the source."""
        return Standing(self._waiting.orders, self._waiting.outage.until is not None)

    def check(self, order: FetchOrder) -> None:
        """Raise Rejected if an order is one of another tool, which the source had before."""
        if self._source == UNKNOWN or self._needs.deliveries.has_made(self._source, _fetch(order)):
            return
        self._count("given_up")
        raise Rejected(Reason.NOT_OF_THIS_TOOL, "the order is not one of the tool that the source has now")

    def add(self, order: FetchOrder, place: Place) -> None:
        """Let an order wait until it is due."""
        clock = self._needs.clock
        # A clock that was wrong when the order was published delays it by no more than the longest wait.
        longest = int(self._needs.retry.longest_seconds * 1_000)
        # An order that was moved is due since some time, and keeps its turn.
        wait = order.not_before - clock.now() if order.not_before else 0
        self._waiting.add(order, place, clock.steady() + min(max(-longest, wait), longest))
        self._changed.set()

    def refuse(self, letter: Output, place: Place) -> None:
        """Publish the dead letter of a record that becomes no order here."""
        self._begin(self._refuse(letter, place))

    def forget(self, partitions: Collection[int]) -> None:
        """Forget the orders of these partitions that are not in work."""
        self._waiting.forget(partitions)

    def before(self, offsets: Mapping[int, int]) -> dict[int, list[Errand]]:
        """Return the errands that wait and have an order before an offset of its partition, by partition."""
        return self._waiting.before(offsets)

    def move(self, errands: Collection[Errand]) -> None:
        """Publish the orders of some errands that wait here again. They wait here no longer, and come back."""
        if errands:
            for errand in errands:
                self._waiting.take_out(errand)
            self._begin(self._publish_again(errands))

    async def run(self) -> None:
        """Carry out orders that are due, until cancelled."""
        clock = self._needs.clock
        while True:
            self._changed.clear()
            for errand in self._waiting.take(clock.steady()):
                self._begin(self._carry_out(errand))
            await clock.wait(self._changed, self._waiting.next_at(clock.steady()))

    async def close(self) -> None:
        """Disconnect."""
        await self._api.aclose()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self.working.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.working.discard(task)
        self._changed.set()
        self._tell_ended(task)

    async def _refuse(self, letter: Output, place: Place) -> None:
        await self._publish([letter])
        self._finish([place])

    async def _carry_out(self, errand: Errand) -> None:
        """Fetch an answer, and publish what it becomes; or find out what its failure means."""
        try:
            fetch = self._narrowed(errand.order)
            try:
                bodies = await self._api.fetch(fetch.gets)
            except FetchError as error:
                await self._fail(errand, error)
                return
            outcomes, outputs, known_until = await asyncio.to_thread(self._read, fetch, bodies)
            await self._publish(outputs)
            if known_until is not None:
                path = _path(fetch)
                self._known_until[path] = max(known_until, self._known_until.get(path, 0))
            self._finish(errand.places)
            for word, count in Counter(map(_word_of, outcomes)).items():
                self._count(word, count)
            self._waiting.succeeded(errand, self._needs.clock.steady())
            self._note_end_of_outage()
        finally:
            self._waiting.drop(errand)

    async def _publish_again(self, errands: Collection[Errand]) -> None:
        """Publish orders as they are, with the times at which they are due."""
        clock = self._needs.clock
        since = clock.now() - clock.steady()
        again = [errand.order._replace(not_before=since + errand.due) for errand in errands]
        await self._publish([fetch_order.output(order) for order in again])
        for errand in errands:
            self._finish(errand.places, moved=True)

    def _narrowed(self, order: FetchOrder) -> Fetch:
        """Return what has to be fetched for an order, without what is known of a list of answers."""
        fetch = _fetch(order)
        known_until = self._known_until.get(_path(fetch))
        return fetch if known_until is None else self._needs.deliveries.narrowed(self._source, fetch, known_until)

    def _read(self, fetch: Fetch, bodies: Mapping[str, bytes]) -> tuple[Outcomes, list[Output], int | None]:
        """Return what the bodies become, and up to which time all answers are known then, in ms; None if not known.

        This may take a moment, so it runs in a thread.
        """
        outcomes = self._needs.deliveries.read_fetched(self._source, fetch, bodies)
        known_until = self._needs.deliveries.known_until(self._source, fetch, bodies)
        # Of several bodies, the first one has the answers.
        body = next(iter(bodies.values()))
        found = records(outcomes, Delivery(self._source, body, self._needs.clock.now()), self._needs.policy)
        outputs = [one.output for one in found if one.output is not None]
        return tuple(one.outcome for one in found), outputs, known_until

    async def _fail(self, errand: Errand, error: FetchError) -> None:
        """Do what the failure of an errand means."""
        clock = self._needs.clock
        verdict = self._waiting.failed(errand, error, clock.steady())
        order = errand.order
        if verdict.fate is Fate.WAITS:
            self._count("unavailable")
            self._note_outage(error, verdict)
            return
        self._note_end_of_outage()
        if verdict.fate is Fate.AGAIN:
            self._count("retried", len(errand.places))
            self._note("retried", "an answer could not be fetched, and is tried again", error)
            again = order._replace(attempts=verdict.attempts, not_before=clock.now() + verdict.wait)
            await self._publish([fetch_order.output(again)])
        else:
            self._count("given_up", len(errand.places))
            self._note("given_up", "an answer is given up, and becomes a dead letter", error)
            await self._publish([self._letter(order, error)])
        self._finish(errand.places)

    def _letter(self, order: FetchOrder, error: FetchError) -> Output:
        """Return the dead letter of an order. Its payload is the order as it was at first."""
        value = fetch_order.output(order._replace(attempts=0, not_before=0)).value or b""
        rejected = Rejected(
            _REASONS.get(error.reason, Reason.NOT_FETCHED), f"the answer was not fetched: {error.reason}"
        )
        return dead_letter_of_delivery(order.source, value, rejected, self._needs.clock.now(), self._needs.policy)

    async def _publish(self, outputs: Sequence[Output]) -> None:
        """Publish records, and return once Kafka has acknowledged them, however long that takes."""
        while True:
            try:
                await self._needs.publish(outputs, _PUBLISH_SECONDS)
            except Unreachable:
                log.warning("what was fetched cannot be published, since Kafka does not answer; trying again")
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    def _note_outage(self, error: FetchError, verdict: Verdict) -> None:
        """Log that an outage has begun, once."""
        if self._is_out or verdict.retry_after is None:
            return
        self._is_out = True
        level = logging.ERROR if error.alarm else logging.WARNING
        text = "source %s: answers wait to be fetched: %s; %s; trying again in %.0f s, and from time to time"
        log.log(level, text, self._source, error.reason, error.hint, verdict.retry_after / 1_000)

    def _note_end_of_outage(self) -> None:
        """Log that an outage is over, once. An answer that says no ends one as well."""
        if self._is_out and self._waiting.outage.until is None:
            self._is_out = False
            log.info("source %s: the API can be used again", self._source)

    def _note(self, kind: str, what: str, error: FetchError) -> None:
        """Log what becomes of an order, at most once a minute for each kind."""
        if self._quiet[kind].allows():
            log.warning("source %s: %s: %s; %s", self._source, what, error.reason, error.hint)

    def _count(self, word: str, count: int = 1) -> None:
        if self._needs.observer is not None:
            self._needs.observer.on_fetch(self._source, word, count)


def _fetch(order: FetchOrder) -> Fetch:
    return Fetch(order.requests, order.known)


def _path(fetch: Fetch) -> str:
    return next(iter(fetch.gets.values())).path


#: The reasons of dead letters, by those of failures.
_REASONS = {
    "http_404": Reason.ANSWER_GONE,
    "http_410": Reason.ANSWER_GONE,
    "too_large": Reason.TOO_LARGE,
    "source_unknown": Reason.SOURCE_UNKNOWN,
}


def _word_of(outcome: Outcome) -> str:
    word = word_of(outcome)
    return _WORDS.get(word, word)
