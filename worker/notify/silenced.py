"""The silences that are known, and which of them holds a notice back. Pure.

Whether a notice is held back is decided before each attempt to send it, by the newest state of the silences. The end of
an alert or an incident is never held back, since it goes to those who have got the beginning. If several silences fit,
the one that is over last counts. An incident about several segments is held back only if silences fit all those for
which its receiver is routed: what is said of the others is news. It is then looked at again when the first of these
segments has no silence any more.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from schemas.case import CaseStep
from schemas.erasure import Erasure
from schemas.silence import Silence
from worker.flow.timestamps import to_ms
from worker.lineage import canonical_path
from worker.notify import mailbox
from worker.notify.mailbox import CASE_NEWS
from worker.notify.notice import Sent, urgency
from worker.routing.routable import ENDS, Routable, routables
from worker.routing.routing import Routing
from worker.routing.silencing import Silencing

#: The version in a Hold which says that the silence is not over, but does not hold the notice back any more.
NOT_HELD = 0
#: The kind of the alerts that have cases.
_OF_CASES = "detractor"


class Hold(NamedTuple):
    """The silence that holds a notice back."""

    silence_id: str
    #: The version of the silence, or NOT_HELD.
    version: int
    #: When the silence is over, in ms; with NOT_HELD, the time at which that was found.
    until: int


class Known(NamedTuple):
    """The newest known state of a silence."""

    state: Silence
    silencing: Silencing
    #: What it means for a notice that it fits.
    hold: Hold


class KnownSilences:
    """The silences by their ids, as the topic of the silences has them."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, silence_id: str) -> Known | None:
        """Return a silence; None if there is none, or if it was forgotten."""
        return self._known.get(silence_id)

    def all(self) -> list[Known]:
        """Return all silences."""
        return [*self._known.values()]

    def take(self, key: bytes, value: bytes | None) -> str | None:
        """Take in a record of the topic. Return the id of the silence if it is news.

        A version that is not higher than the known one is obsolete, whatever the order of the records. Raise Rejected
        or ValidationError if another program has written the record.
        """
        silence_id = key.decode(errors="replace")
        if value is None:
            return silence_id if self._known.pop(silence_id, None) is not None else None
        state = Silence.model_validate_json(value)
        before = self._known.get(silence_id)
        if before is not None and before.state.version >= state.version:
            return None
        over = to_ms(state.until if state.ended_at is None else state.ended_at)
        self._known[silence_id] = Known(state, Silencing(state.match), Hold(silence_id, state.version, over))
        return silence_id

    def forget(self) -> None:
        """Forget all silences, since their topic is another one."""
        self._known.clear()

    def holding(self, notice: Sent, receiver: str, routing: Routing, now: int) -> Hold | None:
        """Return what holds a notice to a receiver back at a time, in ms; None if nothing does.

        `receiver`: its name in `routing`, which says for which of an incident's segments it gets the notice.
        """
        events = _looked_at(notice) if self._known else []
        if len(events) > 1:
            events = [event for event in events if _is_routed(event, receiver, routing)] or events
        names = names_of(receiver, routing)
        holds = [self._holding(event, names, now) for event in events]
        found = [hold for hold in holds if hold is not None]
        return min(found, key=_last) if found and len(found) == len(holds) else None

    def _holding(self, event: Routable, receivers: Collection[str], now: int) -> Hold | None:
        """Return what holds back what is about one segment; None if nothing does."""
        fitting = (
            known.hold
            for known in self._known.values()
            if known.hold.until > now and known.silencing.fits(event, receivers)
        )
        return max(fitting, key=_last, default=None)


def _last(hold: Hold) -> tuple[int, str]:
    """Return by what silences are compared: when they are over, and their ids if that is at the same time."""
    return hold.until, hold.silence_id


def _is_routed(event: Routable, receiver: str, routing: Routing) -> bool:
    """Say whether the routes name a receiver for what is about one segment."""
    return any(one.receiver.name == receiver for one in routing.decide(event).reached)


class Waiting(NamedTuple):
    """What a silence holds back now."""

    #: The number of mails, events or messages.
    number: int = 0
    #: When the last of them was planned, in ms.
    last: int = 0


def waiting_in(rows: Mapping[bytes, bytes]) -> dict[str, Waiting]:
    """Return what silences hold back among the rows of an outbox or of the plans of receivers, by the silences' ids."""
    found: dict[str, Waiting] = {}
    for key, row in rows.items():
        if not mailbox.is_box(key) or not mailbox.has_open(row):
            continue
        for mail in mailbox.decode(row).mails:
            if mail.is_open and mail.silence:
                known = found.get(mail.silence, Waiting())
                found[mail.silence] = Waiting(known.number + 1, max(known.last, mail.planned))
    return found


def names_of(receiver: str, routing: Routing) -> Collection[str]:
    """Return what a receiver is called in the settings. On some channels, a place may stand for several receivers."""
    places = routing.places or {}
    return {receiver, *(name for name, place in places.items() if place == receiver)}


def _looked_at(notice: Sent) -> list[Routable]:
    """Return what the matchers look at, for each segment of the notice; nothing if nothing may hold the notice back.

    A reminder or an escalation says of its alert only the segment. An escalation counts as critical, as it does for
    quiet hours. What people have done about a case is for those who have got its alert already, as its end is.
    """
    if isinstance(notice, CaseStep):
        if notice.action in CASE_NEWS:
            return []
        return [Routable(_OF_CASES, canonical_path(notice.segment), urgency(notice))]
    if isinstance(notice, Erasure) or notice.action in ENDS:
        return []
    return routables(notice)
