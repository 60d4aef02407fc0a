"""Fetch sessions: whatever gets lost, a broker answers about exactly the partitions that a fetch is about."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest
from hypothesis import given
from hypothesis import strategies as st

from worker.kafka.fetch_sessions import Asked, FetchSession, FetchSessions, Listed, Place, SessionRequest

_ROOM = 100
#: The versions of a fetch that a broker has: a recent one, one without sessions, and the first one with them.
RECENT, OLD, FIRST = {1: (4, 17)}, {1: (0, 4)}, {1: (0, 7)}


class Broker:
    """Kafka's FetchManager, as far as it remembers sessions: what each session reads, and its next epoch."""

    def __init__(self) -> None:
        self.sessions: dict[int, tuple[int, dict[Place, tuple[int, int]]]] = {}
        self.last_id = 0
        self.has_room = True

    def fetch(self, asked: Asked) -> tuple[int, int, dict[Place, tuple[int, int]]]:
        """Return the session's id, an error code, and what the answer is about."""
        changed = {(topic, each[0]): each[1:] for topic, some in asked.changed for each in some}
        if asked.epoch == 0:
            self.sessions.pop(asked.session, None)
            if not self.has_room:
                return 0, 0, changed
            self.last_id += 1
            self.sessions[self.last_id] = 1, changed
            return self.last_id, 0, changed
        if asked.session not in self.sessions:
            return 0, 70, {}
        epoch, known = self.sessions[asked.session]
        if epoch != asked.epoch:
            return 0, 71, {}
        known = known | changed
        for topic, partitions in asked.forgotten:
            for partition in partitions:
                del known[topic, partition]
        self.sessions[asked.session] = epoch + 1, known
        return asked.session, 0, known


def listed(wanted: Mapping[Place, int]) -> Listed:
    topics: dict[str, list[tuple[int, int, int]]] = {}
    for (topic, partition), offset in wanted.items():
        topics.setdefault(topic, []).append((partition, offset, _ROOM))
    return list(topics.items())


places = st.tuples(st.sampled_from(["responses", "tallies"]), st.integers(0, 2))
fetches = st.lists(
    st.tuples(
        st.dictionaries(places, st.integers(0, 3), min_size=1),
        st.sampled_from(
            ["answered", "answered", "answered", "lost", "not sent", "given up", "late", "restarted", "full"]
        ),
    ),
    max_size=12,
)


@given(fetches)
def test_an_answer_is_about_what_the_fetch_is_about_whatever_was_lost_before(
    steps: list[tuple[dict[Place, int], str]],
) -> None:
    broker, session = Broker(), FetchSession()
    for number, (wanted, fate) in enumerate(steps, 1):
        broker.has_room = fate != "full"
        asked = session.ask(listed(wanted))
        if fate == "not sent":
            session.give_up()
            continue
        found, error, about = broker.fetch(asked)
        if not error:
            assert about == {place: (offset, _ROOM) for place, offset in wanted.items()}
        if fate == "restarted":
            broker.sessions.clear()
        if fate == "lost":
            session.give_up()
        elif fate != "late":  # the next fetch begins although this one was never answered
            if fate == "given up":
                session.give_up()
            session.hear(found, error, number)
        if error:
            assert session.ask(listed(wanted)).epoch == 0
            session.give_up()


def test_a_fetch_lists_only_what_has_changed() -> None:
    session = FetchSession()
    session.ask(listed({("responses", 0): 5, ("responses", 1): 6, ("tallies", 0): 0}))
    session.hear(7, 0, 1)

    changed = [("responses", [(0, 8, _ROOM)])]
    asked = session.ask(listed({("responses", 0): 8, ("responses", 1): 6}))
    assert asked == Asked(7, 1, changed, [("tallies", [0])])
    session.hear(7, 0, 2)
    assert session.ask(listed({("responses", 0): 8, ("responses", 1): 6})) == Asked(7, 2, [], [])


@pytest.mark.parametrize("error", [70, 71])
def test_a_session_that_the_broker_does_not_know_begins_again_with_all_partitions(error: int) -> None:
    session = FetchSession()
    all_of_them = listed({("responses", 0): 5, ("responses", 1): 6})
    session.ask(all_of_them)
    session.hear(7, 0, 1)
    session.ask(all_of_them)
    session.hear(0, error, 2)

    # The broker closes the old session, if there is one.
    assert session.ask(all_of_them) == Asked(7, 0, all_of_them, [])


def test_without_room_for_a_session_every_fetch_lists_all_partitions() -> None:
    session = FetchSession()
    all_of_them = listed({("responses", 0): 5})
    for now in range(3):
        assert session.ask(all_of_them) == Asked(0, 0, all_of_them, [])
        session.hear(0, 0, now)


def test_an_answer_to_a_session_that_was_given_up_does_not_continue_it() -> None:
    """What it says was perhaps not used, so the next answer has to be about all partitions."""
    session = FetchSession()
    all_of_them = listed({("responses", 0): 5})
    session.ask(all_of_them)
    session.hear(7, 0, 1)
    session.ask(all_of_them)
    session.give_up()
    session.hear(7, 0, 2)

    assert session.ask(all_of_them) == Asked(7, 0, all_of_them, [])


def test_the_epoch_after_the_largest_is_1() -> None:
    session = FetchSession()
    session.ask([])
    session.hear(7, 0, 1)
    session._epoch = 2**31 - 1
    assert session.ask([]).epoch == 2**31 - 1
    session.hear(7, 0, 2)
    assert session.ask([]).epoch == 1


def test_an_answer_is_also_about_partitions_that_it_does_not_list() -> None:
    sessions = FetchSessions()
    for node, partition in ((1, 0), (2, 1)):
        sessions.of(node).ask(listed({("responses", partition): 5}))
        sessions.of(node).hear(7, 0, 1_000 * node)

    assert [sessions.answered_at(("responses", partition)) for partition in range(3)] == [1_000, 2_000, 0]
    sessions.give_up()
    assert sessions.answered_at(("responses", 0)) == 0
    assert sessions.of(1).ask([]).epoch == 0


def request(wanted: Mapping[Place, int]) -> FetchRequest:
    return FetchRequest(500, 1, 1_000, 1, listed(wanted))


@pytest.mark.parametrize("versions", [FIRST, RECENT])
def test_the_bytes_of_a_fetch_name_its_session(versions: dict[int, tuple[int, int]]) -> None:
    session = FetchSession()
    first: Any = SessionRequest(request({("responses", 0): 5, ("tallies", 0): 6}), session).prepare(versions)
    session.hear(7, 0, 1)
    second: Any = SessionRequest(request({("responses", 0): 8}), session).prepare(versions)

    assert (first.session_id, first.session_epoch, len(first.topics)) == (0, 0, 2)
    read = type(second).decode(second.encode())
    assert (read.session_id, read.session_epoch) == (7, 1)
    assert [(topic, partition[0], 8 in partition) for topic, [partition] in read.topics] == [("responses", 0, True)]
    assert read.forgotten_topics_data == [("tallies", [0])]


def test_a_broker_without_sessions_gets_aiokafkas_fetch() -> None:
    plain = request({("responses", 0): 5})
    for _ in range(2):
        assert SessionRequest(plain, FetchSession()).prepare(OLD).encode() == plain.prepare(OLD).encode()
