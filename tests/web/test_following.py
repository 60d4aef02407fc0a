"""The board follows topics and changelogs, also over erasures, zombies and a changelog that was made again."""

from collections.abc import Iterable
from typing import Any, cast

import msgspec
import pytest
from aiokafka import ConsumerRecord
from flow.cases.following import CUSTOMER, FORGOTTEN, POLICY, Following, command, opened, record, step
from flow.records import NOW, Record

from worker.board.board import KINDS, Board
from worker.board.newest import Bounds
from worker.clock import SystemClock
from worker.flow.messages import case_log
from worker.kafka import journal
from worker.kafka.rows import Fence, Head, PartitionState
from worker.settings import Settings
from worker.web.following.cases_of_links import CasesOfLinks
from worker.web.following.followed import Followed, Source
from worker.web.following.sources import bounds_of, cases_source, sources


class Cases:
    """The cases, and what follows their changelog."""

    def __init__(self) -> None:
        self.board = Board.bounded(Bounds(), POLICY)
        self.followed = Followed(
            cases_source(Settings.model_construct(), self.board), self.board.known_at, SystemClock()
        )
        self.find = CasesOfLinks(self.board).find


class Changelog:
    """One partition of a changelog as a worker writes it."""

    def __init__(self, cases: Cases, partition: int = 0) -> None:
        self.cases = cases
        self.partition = partition
        self.worker = PartitionState()
        self.worker.own = Fence(0, 1)
        self.end = 0

    def write(self, rows: dict[bytes, bytes | None], worker: PartitionState | None = None) -> None:
        """Write rows, and let the cases read them."""
        made = [(worker or self.worker).record(key, row) for key, row in rows.items()]
        self.cases.followed.take(self._records([*made, self.worker.head_record(Head(self.end))]))

    def _records(self, made: Iterable[Any]) -> list[ConsumerRecord]:
        found = []
        for key, value, headers in made:
            found.append(
                ConsumerRecord(
                    "cases",
                    self.partition,
                    self.end,
                    0,
                    0,
                    key,
                    value,
                    None,
                    len(key),
                    len(value or b""),
                    tuple(headers),
                )
            )
            self.end += 1
        return found


def rows(following: Following) -> dict[bytes, bytes | None]:
    return cast(dict[bytes, bytes | None], dict(following.rows))


def state(found: Cases, alert_id: str = "a-1", now: int = NOW) -> str | None:
    known = found.find(alert_id, now)
    assert known is None or known.customer_id == CUSTOMER.decode()
    return None if known is None else known.case.state


def test_a_case_is_found_by_its_alert_as_it_is_now_and_not_once_it_is_forgotten_or_erased() -> None:
    found, following = Cases(), opened()
    changelog = Changelog(found)
    assert state(found) is None
    changelog.write(rows(following))
    assert state(found) == "open"
    following.say(command())
    following.take(record(step(1, alert_id="a-2")))
    changelog.write(rows(following))
    assert (state(found), state(found, "a-2")) == ("acknowledged", "open")
    assert state(found, now=FORGOTTEN) is None
    following.take(record(case_log.Erasure(2, 0)))
    changelog.write({CUSTOMER: None})
    assert (state(found), state(found, "a-2"), len(found.board.cases)) == (None, None, 0)


def test_a_case_that_left_a_row_is_not_found_and_one_that_moved_is() -> None:
    found, following, other = Cases(), opened(), opened()
    first, second = Changelog(found), Changelog(found, 1)
    first.write(rows(following))
    other.take(record(step(1, alert_id="a-2")))
    second.write(rows(other))
    first.write({CUSTOMER: None})

    assert (state(found), state(found, "a-2")) == ("open", "open")
    found.followed.forget(1)
    assert len(found.board.cases) == 0


def test_rows_of_a_zombie_and_pieces_of_a_journal_do_not_count() -> None:
    found, following = Cases(), opened()
    changelog = Changelog(found)
    changelog.write({})
    zombie = PartitionState()
    changelog.write(rows(following), zombie)
    assert state(found) is None
    changelog.write(dict(journal.pieces({CUSTOMER: following.rows[CUSTOMER]})))
    assert (state(found), len(found.board.cases)) == (None, 0)


def test_a_changelog_that_was_made_again_is_read_from_its_beginning() -> None:
    found, following = Cases(), opened()
    before = Changelog(found)
    before.worker.own = Fence(5, 1)
    before.write(rows(following))
    following.say(command())
    again = Changelog(found)
    again.write(rows(following))

    assert state(found) == "acknowledged"


class Clock(SystemClock):
    time = 1_000

    def now(self) -> int:
        return self.time


class Topic:
    """A topic with one partition, whose records are kept unless they are `bad`."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.board = Board()
        self.kept: list[bytes] = []
        source = Source("nps.scores", ("scores",), self.keep, lambda _: self.kept.clear())
        self.followed = Followed(source, self.board.known_at, self.clock)

    def keep(self, record: ConsumerRecord) -> None:
        if record.value == b"bad":
            msgspec.json.decode(record.value)
        self.kept.append(record.value or b"")

    def write(self, offset: int, value: bytes) -> None:
        self.followed.take([cast(Any, Record(value, b"", offset, topic="nps.scores"))])


def test_the_board_is_as_old_as_the_last_time_at_which_everything_was_read() -> None:
    topic = Topic()
    topic.followed.note_ends(1_000, {0: 0})
    assert topic.board.freshness(1_000) == (False, 0, ("scores",))
    topic.write(0, b"a")
    topic.followed.note_caught_up({0: 5})
    assert topic.board.freshness(1_500) == (True, 500, ())

    topic.followed.note_ends(1_600, {0: 5})
    assert topic.board.freshness(1_700).age_ms == 100
    topic.followed.note_ends(1_700, {0: 8})
    topic.followed.note_ends(1_800, {0: 9})
    assert topic.board.freshness(1_900).age_ms == 300
    topic.write(7, b"b")
    assert topic.board.freshness(1_900).age_ms == 200


def test_a_record_that_cannot_be_read_is_left_out_and_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    topic = Topic()
    for offset, value in enumerate((b"a", b"bad", b"bad", b"c")):
        topic.write(offset, value)
    assert topic.kept == [b"a", b"c"]
    assert [one.getMessage() for one in caplog.records] == [
        "nps.scores, partition 0, offset 1: this version cannot read the record, and leaves it out"
    ]


def test_an_earlier_offset_means_another_topic() -> None:
    topic = Topic()
    topic.write(3, b"a")
    topic.write(0, b"b")
    assert topic.kept == [b"b"]


def test_every_kind_of_data_has_a_source_and_each_is_followed_once() -> None:
    board = Board()
    found = sources(Settings.model_construct(), board)
    kinds = [kind for source in found for kind in source.kinds]
    assert sorted(kinds) == sorted(KINDS)
    assert len({source.topic for source in found}) == len(found)


def test_the_bounds_are_those_of_the_default_settings() -> None:
    assert bounds_of(Settings.model_construct()) == Bounds()


@pytest.mark.parametrize("value", [b'{"zz":' + b"[" * 5_000 + b"]" * 5_000 + b"}", b'{"key":"\xc3\xa9"}', b"\xff", b""])
def test_no_value_of_any_topic_stops_the_role(value: bytes) -> None:
    for source in sources(Settings.model_construct(), Board()):
        followed = Followed(source, {}, SystemClock())
        for offset, key in enumerate((b"k", b"\xff", b"\x00head")):
            for headers in ([], [("ce_type", b"nps.incident.v1")], [("ce_type", b"nps.alert.v1")]):
                for whole in (value, b"\0\0\0\1\0\0\0\1" + value):
                    followed.take([cast(Any, Record(whole, key, offset, topic=source.topic, headers=headers))])
        assert followed.next_offset(0) == 3
