"""Fetch sessions (KIP-227): the broker remembers what a consumer reads, so that a fetch only names what has changed.

aiokafka has no sessions: each of its fetches lists all partitions with their offsets, and each answer lists all of them
again. At an ordinary rate nearly all of these are empty, and encoding and decoding them is most of what a fetch costs.
In a session, a fetch lists the partitions whose offset has changed since the last one, those that are new, and those
that are not to be read any more. The answer lists the partitions with records, with an error, or with another end.

A fetch that is not answered leaves it open what the broker remembers. So the next one begins a new session: it lists
all partitions, and closes the old session. The same happens if the broker does not know the session (any more), for
instance after its restart.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any, NamedTuple

from aiokafka.protocol.fetch import FetchRequest

#: The first version of a fetch that can have a session.
WITH_SESSIONS = 7
#: The epoch of a fetch that begins a session, and the id of no session.
_FIRST_EPOCH, _NO_ID = 0, 0
#: The largest epoch. The one after it is 1.
_LAST_EPOCH = 2**31 - 1

#: A topic and a partition.
Place = tuple[str, int]
#: The partitions of each topic, each with its offset and the most bytes that are fetched, as aiokafka lists them.
Listed = list[tuple[str, list[tuple[int, int, int]]]]


class Asked(NamedTuple):
    """What a fetch says about its session."""

    session: int
    epoch: int
    #: The partitions that are new or have another offset. In the first fetch of a session, these are all.
    changed: Listed
    #: The partitions that are not to be read any more.
    forgotten: list[tuple[str, list[int]]]


class FetchSession:
    """A session with one broker, as this consumer knows it. A fetch begins only after the last one has ended."""

    def __init__(self) -> None:
        self._id = _NO_ID
        # The epoch of the next fetch. While it is the first one, the next fetch begins a session.
        self._epoch = _FIRST_EPOCH
        # What the broker remembers: the offset of each partition, and the most bytes.
        self._known: dict[Place, tuple[int, int]] = {}
        self._awaits_answer = False
        #: The partitions about which the last answer was, even if it did not list them.
        self.answered: frozenset[Place] = frozenset()
        #: The time of that answer, in ms.
        self.answered_at = 0

    def ask(self, listed: Listed) -> Asked:
        """Return what the next fetch says, so that the broker answers about the partitions in `listed`."""
        if self._awaits_answer:
            self.give_up()
        wanted = {(topic, each[0]): each[1:] for topic, partitions in listed for each in partitions}
        known = self._known if self._epoch != _FIRST_EPOCH else {}
        changed = {place: wanted[place] for place in wanted if known.get(place) != wanted[place]}
        self._known, self._awaits_answer = wanted, True
        return Asked(self._id, self._epoch, _by_topic(changed), _forgotten(known.keys() - wanted.keys()))

    def hear(self, session: int, error: int, now_ms: int) -> None:
        """Note the answer to the last fetch: the id and the error code that it has for the session.

        It is not counted if the session was given up meanwhile (`give_up`).
        """
        if not self._awaits_answer:
            return
        self._awaits_answer = False
        if error:
            self.give_up()
            return
        self.answered, self.answered_at = frozenset(self._known), now_ms
        # A broker that has no room for a further session answers without an id.
        self._id = session
        self._epoch = _FIRST_EPOCH if session == _NO_ID else self._epoch % _LAST_EPOCH + 1

    def give_up(self) -> None:
        """Begin a new session with the next fetch, which also closes the old one."""
        self._epoch, self._awaits_answer = _FIRST_EPOCH, False
        self.answered = frozenset()


class FetchSessions:
    """The sessions of a consumer, one with each broker."""

    def __init__(self) -> None:
        self._sessions: dict[Any, FetchSession] = defaultdict(FetchSession)

    def of(self, node: Any) -> FetchSession:
        """Return the session with a broker, which is given by its id."""
        return self._sessions[node]

    def give_up(self) -> None:
        """Begin new sessions with the next fetches. So the answers to these are about all partitions.

        Call this if an answer that is on its way will not be used, or if what answers have said is not known any more.
        """
        for session in self._sessions.values():
            session.give_up()

    def answered_at(self, place: Place) -> int:
        """Return when a broker has last answered about a partition, in ms; 0 if that is not known."""
        return max((each.answered_at for each in self._sessions.values() if place in each.answered), default=0)


class SessionRequest:
    """A fetch of aiokafka's in a session."""

    def __init__(self, request: Any, session: FetchSession) -> None:
        self._request = request
        self._session = session

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Any:
        """Return the fetch in a version that the broker has, at the moment at which it is sent.

        `versions`: the lowest and the highest version that the broker has of each kind of request.
        """
        _, highest = versions[FetchRequest.API_KEY]
        if highest < WITH_SESSIONS:
            return self._request.prepare(versions)
        asked = self._session.ask(self._request.topics)
        request = copy(self._request)
        request._topics = asked.changed
        fetch = request.prepare(versions)
        fetch.session_id, fetch.session_epoch, fetch.forgotten_topics_data = asked.session, asked.epoch, asked.forgotten
        return fetch


def _by_topic(places: Mapping[Place, tuple[int, int]]) -> Listed:
    found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for (topic, partition), (offset, most_bytes) in places.items():
        found[topic].append((partition, offset, most_bytes))
    return list(found.items())


def _forgotten(places: Iterable[Place]) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = defaultdict(list)
    for topic, partition in places:
        found[topic].append(partition)
    return list(found.items())
