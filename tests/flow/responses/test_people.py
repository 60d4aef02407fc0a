"""Each customer counts once, by the latest answer: a recount from the plain list of what was answered."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest
from flow.carrying import Partition
from flow.records import DAY, HOUR, NOW, Record, arrived, value
from hypothesis import given
from hypothesis import strategies as st

from worker.flow import events
from worker.flow.ids import id_hash, make_salt
from worker.flow.messages import tally
from worker.flow.policy import BurstPolicy, HistoryPolicy, Policy
from worker.flow.responses import road
from worker.flow.responses.customer import Contact
from worker.flow.segments import road as segments
from worker.nps.segment import Entries, Segment

SPANS = {"30d": 30, "90d": 90, "365d": 365}
PLACES = (("fr", "a"), ("fr", "b"), ("de",), ())
Steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # which customer
        st.integers(0, 4),  # which of the customer's responses: one that is there already is revised
        st.sampled_from(PLACES),
        st.sampled_from(["s", "t"]),  # which survey
        st.integers(0, 450 * 24),  # how many hours ago it was given
        st.integers(0, 10),
        st.sampled_from(["answer", "answer", "answer", "answer", "answer", "test", "erase"]),
    ),
    max_size=30,
)


class Known(NamedTuple):
    """An answer as the recount keeps it."""

    at: int
    response_id: str
    score: int
    paths: frozenset[str]


class World:
    """A partition of customers and one of segments, and the plain list of answers."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.contacts = Partition(policy=policy)
        self.rows: dict[bytes, bytes] = {}
        self.offset = 0
        self.tally_count = 0
        self.revisions: dict[tuple[str, str], int] = defaultdict(int)
        #: The current answers of each person; somebody who was erased and answers again is another person.
        self.people: dict[str, dict[str, Known]] = defaultdict(dict)

    def answer(self, customer: str, response: str, given: dict[str, Any], ago: int, **changes: Any) -> None:
        at = NOW - ago * HOUR
        revision = self.revisions[customer, response]
        self.revisions[customer, response] += 1
        names = given["segment"]
        body = value(
            customer_id=customer,
            response_id=response,
            revision=revision,
            responded_at=datetime.fromtimestamp(at / 1_000, UTC).isoformat(),
            **given,
            **changes,
        )
        self.publish(body, customer)
        self.people[customer].pop(response, None)
        if not changes.get("test"):
            paths = {"/".join(names[:depth]) for depth in range(len(names) + 1)} | {f"/survey/{given['survey_id']}"}
            self.people[customer][response] = Known(at, response, given["score"], frozenset(paths))

    def erase(self, customer: str) -> None:
        self.publish(None, customer)
        self.people[f"{customer} until {self.offset}"] = self.people.pop(customer, {})
        for known in [each for each in self.revisions if each[0] == customer]:
            del self.revisions[known]

    def publish(self, body: bytes | None, customer: str) -> None:
        outputs = self.contacts.carry([Record(body, customer.encode(), self.offset)])
        self.offset += 1
        self.count(arrived(outputs, events.TALLIES, self.tally_count))

    def count(self, tallies: list[Record]) -> None:
        self.tally_count += len(tallies)
        for records in (tallies, tallies):  # the second time it is a replay
            for key, row in segments.count(records, self.rows, 0).rows.items():
                assert row is not None
                self.rows[key] = row

    def check(self) -> None:
        for key, row in self.rows.items():
            segment = msgspec.msgpack.decode(row, type=Segment)
            assert segment.people is not None
            assert segment.spans.until is not None
            assert segment.people.windows(segment.spans.until) == self.recount(key.decode(), segment.spans.until), key

    def recount(self, path: str, until: int) -> dict[str, tuple[int, int, int]]:
        answers = [
            max(there)
            for answers in self.people.values()
            if (there := [answer for answer in answers.values() if path in answer.paths])
        ]
        found = {"all": classes(answers)}
        for name, days in SPANS.items():
            found[name] = classes([answer for answer in answers if answer.at // DAY > until // DAY - days])
        return found


def classes(answers: list[Known]) -> tuple[int, int, int]:
    scores = [answer.score for answer in answers]
    promoters, detractors = sum(score >= 9 for score in scores), sum(score <= 6 for score in scores)
    return promoters, len(scores) - promoters - detractors, detractors


@pytest.mark.unmeasured
@given(Steps)
def test_a_recount_under_revisions_moves_tests_erasures_replays_and_any_order_of_times(
    steps: list[tuple[int, int, tuple[str, ...], str, int, int, str]],
) -> None:
    # The recount knows nothing of double clicks.
    world = World(Policy(bursts=BurstPolicy(double_click_seconds=0, scanner_seconds=0)))
    for customer, response, names, survey, ago, score, what in steps:
        if what == "erase":
            world.erase(f"c-{customer}")
        else:
            body = {"segment": list(names), "survey_id": survey, "score": score}
            world.answer(f"c-{customer}", f"r-{response}", body, ago, test=what == "test")
    world.check()


def one(score: int, *names: str) -> dict[str, Any]:
    return {"segment": list(names), "survey_id": "s", "score": score}


def all_time(world: World, path: str) -> tuple[int, int, int]:
    people = msgspec.msgpack.decode(world.rows[path.encode()], type=Segment).people
    assert people is not None
    return people.windows(NOW)["all"]


def test_a_customers_second_answer_counts_in_place_of_the_first() -> None:
    world = World()
    world.answer("c-1", "r-1", one(2, "fr"), 48)
    world.answer("c-1", "r-2", one(9, "fr"), 24)
    world.answer("c-2", "r-1", one(8, "de"), 24)

    assert [all_time(world, path) for path in ("", "fr", "de")] == [(1, 1, 0), (1, 0, 0), (0, 1, 0)]


def test_an_answer_that_comes_late_does_not_count_in_place_of_a_newer_one() -> None:
    world = World()
    world.answer("c-1", "r-1", one(9, "fr"), 24)
    world.answer("c-1", "r-2", one(2, "fr"), 48)

    assert all_time(world, "fr") == (1, 0, 0)


def test_the_last_answer_of_somebody_who_was_erased_stays_and_who_comes_back_is_somebody_new() -> None:
    world = World()
    world.answer("c-1", "r-1", one(2, "fr"), 48)
    world.erase("c-1")
    world.answer("c-1", "r-1", one(9, "fr"), 24)

    assert all_time(world, "fr") == (1, 0, 1)


def test_who_gave_more_answers_than_are_remembered_counts_again() -> None:
    """docs/limits.md names this limit."""
    world = World(Policy(history=HistoryPolicy(answers=2)))
    for each, names in enumerate((("fr",), ("de",), ("de",), ("fr",))):
        world.answer("c-1", f"r-{each}", one(9, *names), 100 - each)

    assert [all_time(world, path) for path in ("fr", "de", "")] == [(2, 0, 0), (1, 0, 0), (1, 0, 0)]


class Older:
    """What version 0.1.0 leaves: rows without what was added since, and tallies that say nothing of people."""

    @staticmethod
    def contacts(world: World) -> None:
        for key, row in world.contacts.rows.items():
            contact = msgspec.msgpack.decode(row)
            world.contacts.rows[key] = msgspec.msgpack.encode([contact[0], [a[:8] for a in contact[1]], contact[2]])

    @staticmethod
    def segments(world: World) -> None:
        for key, row in world.rows.items():
            world.rows[key] = msgspec.msgpack.encode(msgspec.msgpack.decode(row)[:6])

    @staticmethod
    def tally(record: Record) -> Record:
        source, segments = msgspec.msgpack.decode(record.value or b"")
        older = {path: [entries[0], [move[:3] for move in entries[1]]] for path, entries in segments.items()}
        return record._replace(value=msgspec.msgpack.encode([source, older]))


def test_rows_of_version_0_1_0_are_read_on_and_their_windows_come_as_they_fill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    with monkeypatch.context() as patch:
        patch.setattr(road, "id_hash", lambda response_id, _: id_hash(response_id))
        world.answer("c-1", "r-1", one(2, "fr"), 48)
    Older.contacts(world)
    Older.segments(world)
    world.answer("c-1", "r-2", one(9, "fr"), 24)
    world.answer("c-1", "r-1", one(3, "fr"), 48)  # its number in the row has no salt
    segment = msgspec.msgpack.decode(world.rows[b"fr"], type=Segment)

    assert segment.total == [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]
    assert segment.latest.histogram() == segment.total
    assert segment.people is not None
    assert segment.people.windows(NOW) == {}
    assert list(segment.people.windows(NOW + 31 * DAY)) == ["30d"]
    assert list(segment.people.windows(NOW + 100 * DAY)) == ["30d", "90d"]
    assert segment.people.total == [1, 0, 0]


def test_a_tally_of_version_0_1_0_is_counted_and_its_customers_are_not_known() -> None:
    world = World()
    outputs = world.contacts.carry([Record(value(score=9), b"c-1", 0)])
    world.count([Older.tally(record) for record in arrived(outputs, events.TALLIES)])
    segment = msgspec.msgpack.decode(world.rows[b"fr"], type=Segment)

    assert segment.total[9] == 1
    assert segment.people is not None
    assert segment.people.windows(NOW) == {}


def test_version_0_1_0_reads_what_is_written_now() -> None:
    class Before(msgspec.Struct, array_like=True):
        put: bytes
        moves: list[tuple[int, Any, Any]]

    entries = Entries(b"12345678", [], b"")

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(entries), type=Before).put == entries.put


def hashes_of(world: World) -> set[int]:
    segment = msgspec.msgpack.decode(world.rows[b"fr"], type=Segment)
    return {
        int.from_bytes(segment.latest.id_hash[at : at + 8], "little") for at in range(0, len(segment.latest.id_hash), 8)
    }


def test_the_numbers_of_answers_in_segments_say_nothing_without_the_customers_row() -> None:
    world, same, other = World(), World(), World()
    for each, customer in ((world, "c-1"), (same, "c-1"), (other, "c-1")):
        if each is other:
            each.publish(None, customer)  # its first record lies elsewhere
        each.answer(customer, "r-1", one(9, "fr"), 24)
    contact = msgspec.msgpack.decode(world.contacts.rows[b"c-1"], type=Contact)

    assert hashes_of(world) == hashes_of(same) == {id_hash("r-1", contact.salt)}
    assert hashes_of(world) != hashes_of(other)
    assert hashes_of(world) != {id_hash("r-1")}

    world.erase("c-1")
    world.answer("c-1", "r-1", one(9, "fr"), 24)
    assert len(hashes_of(world)) == 2


@pytest.mark.parametrize("secret", [b"", b"a" * 32])
def test_without_the_secret_nobody_makes_the_salt(secret: bytes) -> None:
    assert make_salt(b"b" * 32, 0, 7) != make_salt(secret, 0, 7)
    assert make_salt(secret, 0, 7) != make_salt(secret, 0, 8)


def test_what_most_events_carry_for_people_is_nothing() -> None:
    partition = Partition()
    (output,) = [o for o in partition.carry([Record(value(), b"c-1", 0)]) if o.topic == events.TALLIES]

    assert {entries.people for entries in tally.decode(output.value or b"").segments.values()} == {b""}
