"""The cases of all customers, and lists of them: the one on which somebody has to act first is the first.

The rows stay encoded. What lists are sorted and filtered by is kept apart, in an entry for each case.
"""

import sys
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

import msgspec

from schemas.case import CaseState
from worker.board.figures import FIELDS, Overdue
from worker.board.interned import interned
from worker.board.newest import PAGE
from worker.board.visible import EVERYTHING, sees
from worker.flow.cases.case import ENDED, Case, decode_cases, is_forgotten
from worker.flow.cases.known import SEVERITIES, KnownCase
from worker.flow.policy import CasePolicy
from worker.flow.timestamps import DAY
from worker.lineage import is_below

#: The place in the order of a case without a time limit.
_NEVER = 1 << 62
_STATES = [*CaseState]
_NOT_ENDED = {number for number, state in enumerate(_STATES) if state not in ENDED}
#: From how many changed cases on it is faster to sort all of them than to put each into its place.
_MANY = 500

#: What cases are sorted by: the time limit, the severity, the time of the opening, and the id of the alert.
Key = tuple[int, int, int, str]


class _Entry(msgspec.Struct, gc=False):
    """What lists know of a case. Texts that many cases have are kept once."""

    key: Key
    partition: int
    customer: bytes
    #: The place in _STATES.
    state: int
    #: When it is forgotten, in ms.
    until: int
    segment: str
    survey_id: str
    owner: str
    cause: str
    receivers: tuple[str, ...]
    #: Whether its next time limit, if there is one, is that of the resolution.
    is_resolution: bool

    @property
    def severity(self) -> str:
        """How severe it is."""
        return SEVERITIES[self.key[1]]


def _entry(case: Case, partition: int, customer: bytes, policy: CasePolicy) -> _Entry:
    due = case.next_due
    rank = SEVERITIES.index(case.severity)
    days = policy.ended_days if case.has_ended else policy.open_days
    return _Entry(
        (_NEVER if due is None else due, rank, case.opened_at, case.alert_id),
        partition,
        customer,
        _STATES.index(case.state),
        case.changed_at + days * DAY,
        sys.intern(case.segment),
        sys.intern(case.survey_id),
        sys.intern(case.assignee or case.acknowledged_by),
        sys.intern(case.cause or ""),
        interned(tuple(case.receivers)),
        case.is_resolution_next,
    )


#: Returns an entry's key.
_key: Callable[[_Entry], Key] = attrgetter("key")


class CaseQuery(NamedTuple):
    """Which cases are wanted. What is None or empty does not limit them."""

    #: The segment that they are in or below.
    segment: str = ""
    severities: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    #: Who looks after them; the empty text for the cases that nobody looks after.
    owner: str | None = None
    #: The name of a receiver of the alert.
    receiver: str | None = None
    #: The cause; the empty text for the cases without one.
    cause: str | None = None
    #: Whether somebody should have acted already.
    overdue: bool = False
    #: The customer.
    customer_id: str | None = None
    #: The beginning of the alert's id. It does not count if there is a customer.
    alert_id: str = ""
    #: The segments that the person may see, with what is below them.
    visible: tuple[str, ...] = EVERYTHING
    #: Where the page begins: `next` of the page before; empty for the first page.
    after: str = ""


_PLAIN = CaseQuery()


class CaseTotals(NamedTuple):
    """How many cases there are."""

    all: int
    #: Those on which somebody should have acted already.
    overdue: int
    #: By state. A state without cases is missing.
    states: dict[str, int]


class CasePage(NamedTuple):
    """A page of a list of cases."""

    cases: list[KnownCase]
    #: Of all cases that the query wants, on all pages.
    totals: CaseTotals
    #: Where the next page begins; empty if this is the last one.
    next: str


class CaseChoices(NamedTuple):
    """What the cases that a person may see can be filtered by, each in order."""

    owners: list[str]
    receivers: list[str]
    causes: list[str]


class CaseBook:
    """The cases by the ids of their alerts."""

    def __init__(self, policy: CasePolicy | None = None) -> None:
        """`policy`: says when cases are forgotten; the default settings without one."""
        #: It grows with each change.
        self.version = 0
        self._policy = policy or CasePolicy()
        #: The rows of customers by partition.
        self._rows: dict[int, dict[bytes, bytes]] = {}
        self._entries: dict[str, _Entry] = {}
        #: How many cases there are by what they have. Without a case, a value is missing.
        self._segments, self._owners, self._causes, self._receivers = (Counter[str]() for _ in range(4))
        self._states = Counter[int]()
        #: Before this time, in ms, none of the cases is forgotten. It may be earlier than need be until all entries are
        #: sorted again.
        self._first_until = _NEVER
        #: The entries in the order of lists, as they were when somebody last asked for a list.
        self._order: list[_Entry] = []
        #: The entries that have changed since then, as they are in `_order`. With more than _MANY, no more are noted:
        #: all entries are sorted again then. In a role without the page, nobody ever asks for a list.
        self._changed: dict[str, _Entry | None] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def policy(self) -> CasePolicy:
        """When cases are forgotten, and the causes that a person can name."""
        return self._policy

    def take(self, customer: bytes, row: bytes | None, partition: int = 0) -> None:
        """Take in a customer's row of the table of the cases; None if it was erased.

        Raise one of UNREADABLE if it is no row.
        """
        cases = [] if row is None else decode_cases(row).cases
        customer.decode()  # pages show it as text
        now = {case.alert_id: _entry(case, partition, customer, self._policy) for case in cases}
        rows = self._rows.setdefault(partition, {})
        before = rows.get(customer)
        if row is not None:
            rows[customer] = row
        elif before is not None:
            del rows[customer]
        known = [] if before is None else [case.alert_id for case in decode_cases(before).cases]
        self.version += 1
        for alert_id in known:
            entry = self._entries.get(alert_id)
            if alert_id not in now and entry is not None and (entry.partition, entry.customer) == (partition, customer):
                self._put(alert_id, None)
        for alert_id, entry in now.items():
            self._put(alert_id, entry)

    def forget(self, partition: int) -> None:
        """Forget the rows of a partition, since the changelog was deleted and created again."""
        self._rows.pop(partition, None)
        self.version += 1
        for alert_id in [alert_id for alert_id, entry in self._entries.items() if entry.partition == partition]:
            self._put(alert_id, None)

    def find(self, alert_id: str, now: int) -> KnownCase | None:
        """Return the case of an alert; None if it is not known, or forgotten at the time `now`, in ms."""
        entry = self._entries.get(alert_id)
        return None if entry is None else self._known(entry, now)

    def segment_of(self, alert_id: str) -> str | None:
        """Return the segment of an alert that has a case; None if it is not known."""
        entry = self._entries.get(alert_id)
        return None if entry is None else entry.segment

    def of_customer(self, customer_id: str, now: int) -> list[KnownCase]:
        """Return the cases of a customer, the one that was opened first is the first."""
        return [known for entry in self._of_customer(customer_id) if (known := self._known(entry, now)) is not None]

    def listed(self, query: CaseQuery, now: int) -> CasePage:
        """Return a page of the cases that a query wants at a time, in ms."""
        after, states = _key_of(query.after), _numbers_of(query.states)
        is_plain = self._is_plain(query, now)
        found = self._sorted() if is_plain else self._wanted(query, now)
        first = 0 if after is None else bisect_right(found, after, key=_key)
        following = (entry for entry in islice(found, first, None) if entry.state in states)
        shown = [*islice(following, PAGE + 1)]
        cases = [known for entry in shown[:PAGE] if (known := self._known(entry, now)) is not None]
        totals = self._plain_totals(states, now) if is_plain else _totals(found, now)
        return CasePage(cases, totals, _cursor(shown[PAGE - 1].key) if len(shown) > PAGE else "")

    def totals(self, query: CaseQuery, now: int) -> CaseTotals:
        """Return how many cases a query wants at a time, in ms."""
        if self._is_plain(query, now):
            return self._plain_totals(_numbers_of(query.states), now)
        return _totals(self._wanted(query, now), now)

    def overdue(
        self, now: int, by: str, root: str = "", since: int = 0, visible: tuple[str, ...] = EVERYTHING
    ) -> dict[Overdue, int]:
        """Return on how many cases in or below the segment `root` somebody should have acted already.

        `by`: what they will be grouped by, a key of worker.board.figures.FIELDS; `since`: only those that were opened,
        or reopened, at this time or later; both times in ms.
        """
        found = self._wanted(CaseQuery(segment=root, overdue=True, visible=visible), now)
        field = FIELDS[by]
        counted = Counter(map(attrgetter("is_resolution", field), [one for one in found if one.key[2] >= since]))
        return {Overdue(late, **{field: value}): number for (late, value), number in counted.items()}

    def choices(self, visible: tuple[str, ...] = EVERYTHING) -> CaseChoices:
        """Return what the cases in or below the segments `visible` can be filtered by."""
        if visible == EVERYTHING:
            counted = (self._owners, self._receivers, self._causes)
            return CaseChoices(*(sorted(texts.keys() - {""}) for texts in counted))
        segments = self._segments_in("", visible)
        entries = [entry for entry in self._entries.values() if entry.segment in segments]
        return CaseChoices(
            sorted({entry.owner for entry in entries} - {""}),
            sorted({receiver for entry in entries for receiver in entry.receivers}),
            sorted({entry.cause for entry in entries} - {""}),
        )

    def _known(self, entry: _Entry, now: int) -> KnownCase | None:
        """Return the case of an entry; None if it is forgotten at the time `now`."""
        case = decode_cases(self._rows[entry.partition][entry.customer]).find(entry.key[3])
        if case is None or is_forgotten(case, now, self._policy):
            return None
        return KnownCase(entry.customer.decode(), case)

    def _of_customer(self, customer_id: str) -> list[_Entry]:
        key = customer_id.encode()
        rows = [rows[key] for rows in self._rows.values() if key in rows]
        found = [self._entries.get(case.alert_id) for row in rows for case in decode_cases(row).cases]
        own = [entry for entry in found if entry is not None and entry.customer == key]
        return sorted(own, key=lambda entry: entry.key[2:])

    def _put(self, alert_id: str, entry: _Entry | None) -> None:
        before = self._entries.pop(alert_id, None)
        if len(self._changed) <= _MANY:
            self._changed.setdefault(alert_id, before)
        if before is not None:
            self._count(before, -1)
        if entry is not None:
            self._entries[alert_id] = entry
            self._count(entry, 1)
            self._first_until = min(self._first_until, entry.until)

    def _count(self, entry: _Entry, number: int) -> None:
        """Count what an entry has, or no longer if the number is -1."""
        self._states[entry.state] += number
        texts = ((self._segments, entry.segment), (self._owners, entry.owner), (self._causes, entry.cause))
        for counter, text in (*texts, *((self._receivers, receiver) for receiver in entry.receivers)):
            counter[text] += number
            if not counter[text]:
                del counter[text]

    def _is_plain(self, query: CaseQuery, now: int) -> bool:
        """Say whether a query limits nothing but the states, which is what most people look at."""
        if self._first_until <= now:
            self._let_go(now)
        return query._replace(states=frozenset(), after="") == _PLAIN

    def _let_go(self, now: int) -> None:
        """Let the entries of cases go that are forgotten, so that a list need not look at each entry for that."""
        for alert_id in [alert_id for alert_id, entry in self._entries.items() if entry.until <= now]:
            self._put(alert_id, None)
        self._first_until = min((entry.until for entry in self._entries.values()), default=_NEVER)

    def _plain_totals(self, states: set[int], now: int) -> CaseTotals:
        """Return how many cases are in some states."""
        counted = {_STATES[number].value: n for number in sorted(states) if (n := self._states[number])}
        order = self._sorted()
        overdue = bisect_right(order, now, key=lambda entry: entry.key[0])
        if not states >= _NOT_ENDED:  # the others are never overdue
            overdue = sum(entry.state in states for entry in islice(order, overdue))
        return CaseTotals(sum(counted.values()), overdue, counted)

    def _sorted(self) -> list[_Entry]:
        """Return all entries in the order of lists."""
        changed, self._changed = self._changed, {}
        if len(changed) > _MANY:
            self._order = sorted(self._entries.values(), key=_key)
            # Next time, all but what changes until then is in order already, and sorting takes a fraction of the time.
            self._entries = {entry.key[3]: entry for entry in self._order}
            self._first_until = min((entry.until for entry in self._order), default=_NEVER)
            return self._order
        for alert_id, before in changed.items():
            if before is not None:
                del self._order[bisect_left(self._order, before.key, key=_key)]
            after = self._entries.get(alert_id)
            if after is not None:
                insort(self._order, after, key=_key)
        return self._order

    def _wanted(self, query: CaseQuery, now: int) -> list[_Entry]:
        """Return the entries that a query wants, in their order. Each filter is one pass, which is fast."""
        found = self._searched(query)
        if query.segment or query.visible != EVERYTHING:
            wanted = self._segments_in(query.segment, query.visible)
            found = [entry for entry in found if entry.segment in wanted]
        if query.overdue:
            found = found[: bisect_right(found, now, key=lambda entry: entry.key[0])]
        if query.states:
            states = _numbers_of(query.states)
            found = [entry for entry in found if entry.state in states]
        if query.severities:
            ranks = {SEVERITIES.index(severity) for severity in query.severities if severity in SEVERITIES}
            found = [entry for entry in found if entry.key[1] in ranks]
        if query.owner is not None:
            found = [entry for entry in found if entry.owner == query.owner]
        if query.cause is not None:
            found = [entry for entry in found if entry.cause == query.cause]
        if (receiver := query.receiver) is not None:
            found = [entry for entry in found if receiver in entry.receivers]
        if self._first_until <= now:
            found = [entry for entry in found if entry.until > now]
        return found

    def _searched(self, query: CaseQuery) -> list[_Entry]:
        """Return the entries that a search finds, in their order; all of them without a search."""
        if query.customer_id is not None:
            found = self._of_customer(query.customer_id)
        elif query.alert_id:
            beginning = query.alert_id
            found = [entry for alert_id, entry in self._entries.items() if alert_id.startswith(beginning)]
        else:
            return self._sorted()
        return sorted(found, key=_key)

    def _segments_in(self, root: str, visible: tuple[str, ...]) -> set[str]:
        """Return the segments of cases that are in or below `root`, and that a person may see."""
        return {segment for segment in self._segments if is_below(segment, root) and sees(visible, segment)}


def _totals(entries: list[_Entry], now: int) -> CaseTotals:
    numbers = Counter(map(attrgetter("state"), entries))
    counted = {state.value: numbers[number] for number, state in enumerate(_STATES) if number in numbers}
    return CaseTotals(len(entries), bisect_right(entries, now, key=lambda entry: entry.key[0]), counted)


def _numbers_of(states: frozenset[str]) -> set[int]:
    """Return the places of some states in _STATES; all places if there are no states."""
    return {number for number, state in enumerate(_STATES) if not states or state in states}


def _cursor(key: Key) -> str:
    due, rank, opened_at, alert_id = key
    return f"{due}.{rank}.{opened_at}.{alert_id}"


def _key_of(cursor: str) -> Key | None:
    """Return the key of a cursor; None if it is none."""
    due, rank, opened_at, alert_id = [*cursor.split(".", 3), "", "", ""][:4]
    numbers = due, rank, opened_at
    if not all(number.isascii() and number.isdigit() and len(number) < 20 for number in numbers):
        return None
    return int(due), int(rank), int(opened_at), alert_id
