"""The plan of a receiver: which notice is a mail of its own, which one waits for a digest, and when digests are due.

Pure. Times are in ms, and come from the records that are decided. The caps hold for all mails that are planned here, in
every hour: of the mails that are not about a critical notice alone, and that are not digests of critical notices, at
most `mails_per_hour` are planned in any hour; of the mails that are about one critical notice each, at most
`critical_per_hour`. Three kinds of mails are planned elsewhere and are not counted: reminders and escalations of cases
(planning.py), a further mail about an update that came while a mail was being sent (mailbox.follow_up), and what waited
for a receiver that was removed, and now goes to this one (receivers.py).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from schemas.alert import Severity
from worker.flow.ids import make_id
from worker.flow.timestamps import HOUR
from worker.lineage import is_below
from worker.routing.bundling import Bundling

#: The first character of the key of a plan's row. The receiver's name follows. No customer's id has this character.
_PLAN = b"\x04"
#: The shortest time between two digests of critical notices, and how long one gathers. So what comes in one second is
#: one digest.
CRITICAL_INTERVAL, _CRITICAL_WAIT = 60_000, 1_000
#: The largest numbers of open incidents, of groups that wait, and of groups that were mailed lately. The oldest
#: incidents and mails are forgotten, and the notices of further groups share one digest.
_INCIDENTS_KEPT, _GROUPS_KEPT = 200, 1_000


class Why(StrEnum):
    """Why a notice waits for a digest; these words stand in the delivery log."""

    #: The cap of the hour is reached, for critical notices or for others.
    CAPPED = "capped"
    #: A drop of the segment, or of one above it, is open, and the receiver has got that incident.
    INHIBITED = "inhibited"
    #: The settings group notices.
    GROUPED = "grouped"
    #: The receiver does not work now.
    QUIET_HOURS = "quiet_hours"


#: The keys of gatherings that are no groups. That of a group begins with _GROUP.
CRITICAL, QUIET = "critical", "quiet"
_CAPPED, _INHIBITED = "capped", "inhibited"
_GROUP = "group:"
#: That of notices that a silence holds back begins with this, and the silence's id follows.
_SILENCE = "silence:"


class Gathering(msgspec.Struct, array_like=True):
    """Notices that wait for one digest. Its stored form depends on the order of the fields."""

    #: The id by which the mails of its members name it (Mail.digest).
    digest_id: str
    #: The earliest time at which it may be sent.
    due: int
    #: The version of the silence that its notices wait for; 0 if they wait for something else.
    version: int = 0


class Plan(msgspec.Struct, array_like=True):
    """The row of a receiver. Its stored form depends on the order of the fields."""

    #: When mails that count for `mails_per_hour` were planned, the oldest first. Those of more than an hour ago are
    #: forgotten.
    mails: list[int] = []
    #: The same for mails about one critical notice each.
    critical: list[int] = []
    #: What waits for digests, by the key of the gathering.
    gathered: dict[str, Gathering] = {}
    #: The segments of the open drops about which the receiver gets a mail, by the incident's id.
    drops: dict[str, str] = {}
    #: When the last mail about each group was planned.
    groups: dict[str, int] = {}
    #: When the last digest of critical notices was planned; 0 if the next one may be planned at any time.
    critical_digest: int = 0
    #: When a tick is needed next; 0 if nothing waits.
    wake: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the plan says nothing, so that it needs no row."""
        return not (self.mails or self.critical or self.gathered or self.drops or self.groups or self.critical_digest)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Plan).decode


def plan_key(receiver: str) -> bytes:
    """Return the key of the plan of a receiver."""
    return _PLAN + receiver.encode()


def receiver_of(key: bytes) -> str | None:
    """Return the name of the receiver whose plan has this key; None if the row is no plan."""
    return key.removeprefix(_PLAN).decode() if key.startswith(_PLAN) else None


class News(NamedTuple):
    """What a plan looks at of a notice."""

    #: The id of its mail.
    delivery_id: str
    severity: Severity
    #: The path of the segment, in the form under which it is counted.
    segment: str
    #: Whether it is about a customer, and not about a segment.
    is_alert: bool
    #: The group that it belongs to (Bundling.group_of).
    group: str
    #: Until when it has to wait because of the receiver's quiet hours; None if it may be sent.
    held_until: int | None


class Placed(NamedTuple):
    """A notice that has to wait for a digest."""

    digest_id: str
    #: The earliest time at which the digest may be sent.
    due: int
    why: Why
    #: The open incident because of which it waits.
    inhibited_by: str | None = None


def place(plan: Plan, rules: Bundling, news: News, now: int) -> Placed | None:
    """Decide about a notice, and note that in the plan. Return None if it is a mail of its own, which goes out now."""
    forget_old(plan, rules, now)
    wait = _wait(plan, rules, news, now)
    if wait is None:
        if news.severity is Severity.CRITICAL:
            plan.critical.append(now)
        else:
            note_mails(plan, rules, 1, now)
        return None
    gathering = _gathering(plan, wait, news, now)
    return Placed(gathering.digest_id, gathering.due, wait.why, wait.inhibited_by)


class _Wait(NamedTuple):
    """Which gathering a notice joins, and why."""

    key: str
    #: The earliest time at which a digest of this notice alone might be sent.
    due: int
    why: Why
    inhibited_by: str | None = None


def _wait(plan: Plan, rules: Bundling, news: News, now: int) -> _Wait | None:
    """Return what a notice waits for; None if it does not wait."""
    if news.held_until is not None:
        # Notices that wait for different times are in one gathering, which is due at the first of them.
        return _Wait(QUIET, news.held_until, Why.QUIET_HOURS)
    if news.severity is Severity.CRITICAL:
        due = max(now + _CRITICAL_WAIT, plan.critical_digest + CRITICAL_INTERVAL)
        return None if len(plan.critical) < rules.critical_per_hour else _Wait(CRITICAL, due, Why.CAPPED)
    if news.is_alert and (drop := _drop_above(plan, news)) is not None:
        return _Wait(_INHIBITED, now + rules.group_interval, Why.INHIBITED, drop)
    if rules.groups:
        last = plan.groups.get(news.group, now - rules.group_interval)
        due = max(now + rules.group_wait, last + rules.group_interval)
        return _Wait(_GROUP + news.group, due, Why.GROUPED)
    return None if _may_be_alone(plan, rules, now) else _Wait(_CAPPED, now + rules.group_interval, Why.CAPPED)


def _gathering(plan: Plan, wait: _Wait, news: News, now: int) -> Gathering:
    """Return the gathering that a notice joins, which is made if there is none."""
    key, groups = wait.key, sum(one.startswith(_GROUP) for one in plan.gathered)
    if key.startswith(_GROUP) and key not in plan.gathered and groups >= _GROUPS_KEPT:
        key = _CAPPED
    found = plan.gathered.get(key)
    if found is None:
        found = plan.gathered[key] = Gathering(make_id("digest", news.delivery_id, key, now), wait.due)
    found.due = min(found.due, wait.due)
    return found


def gathered_as(plan: Plan, digest_id: str) -> str | None:
    """Return the key of the gathering that will be this digest; None if the digest is closed.

    A notice may leave a gathering or join it. A digest that is closed is waiting for the mail server.
    """
    return next((key for key, one in plan.gathered.items() if one.digest_id == digest_id), None)


def hold_back(plan: Plan, silence_id: str, version: int, until: int, delivery_id: str) -> Gathering:
    """Gather a notice that a silence holds back. Return the gathering of the silence, which is due when that is over.

    `delivery_id`: the id of the notice's mail. An older version of the silence than the known one changes nothing.
    """
    key = _SILENCE + silence_id
    found = plan.gathered.get(key)
    if found is None:
        digest_id = make_id("digest", delivery_id, key, version)
        found = plan.gathered[key] = Gathering(digest_id, until, version)
    change_silence(plan, silence_id, version, until)
    return found


def give_back(plan: Plan, planned: int, *, is_critical: bool) -> None:
    """Note that a mail of its own, which was counted when it was planned, is not sent after all."""
    counted = plan.critical if is_critical else plan.mails
    if planned in counted:
        counted.remove(planned)


def change_silence(plan: Plan, silence_id: str, version: int, until: int) -> None:
    """Note another state of a silence: what it holds back is due when it is over now."""
    found = plan.gathered.get(_SILENCE + silence_id)
    if found is not None and version > found.version:
        found.due, found.version = until, version


def silences_in(plan: Plan) -> dict[str, int]:
    """Return the versions of the silences by which something waits, by their ids."""
    waiting = ((key, one.version) for key, one in plan.gathered.items() if key.startswith(_SILENCE))
    return {key.removeprefix(_SILENCE): version for key, version in waiting}


class Due(NamedTuple):
    """Gatherings that are sent now, as one digest."""

    gathered: Sequence[Gathering]
    #: Whether its notices are critical ones. Its mails are not counted, and there is no limit of them.
    is_critical: bool = False

    @property
    def may_be_alone(self) -> bool:
        """Whether its notice is a mail of its own, and no digest, if it is the only one."""
        return not self.is_critical and not any(one.version for one in self.gathered)


def take_due(plan: Plan, rules: Bundling, now: int) -> list[Due]:
    """Take the gatherings that are sent now out of the plan.

    If more of them are due than there are mails left in the hour, they become one digest.
    """
    forget_old(plan, rules, now)
    taken: list[Due] = []
    if CRITICAL in plan.gathered and plan.gathered[CRITICAL].due <= now:
        taken.append(Due([plan.gathered.pop(CRITICAL)], is_critical=True))
        plan.critical_digest = now
    keys = sorted(
        (key for key, one in plan.gathered.items() if key != CRITICAL and one.due <= now),
        key=lambda key: (plan.gathered[key].due, key),
    )
    left = mails_left(plan, rules)
    if not keys or left == 0:
        return taken
    plan.groups |= {key.removeprefix(_GROUP): now for key in keys if key.startswith(_GROUP)}
    found = [plan.gathered.pop(key) for key in keys]
    return taken + ([Due(found)] if left is not None and len(found) > left else [Due([one]) for one in found])


def put_off(plan: Plan, rules: Bundling, now: int) -> list[Gathering]:
    """Let what is due wait until the cap leaves a mail for it. Return these gatherings.

    `take_due` has to be called before.
    """
    found = [one for key, one in plan.gathered.items() if key != CRITICAL and one.due <= now]
    if mails_left(plan, rules) != 0:
        return []
    for one in found:
        one.due = plan.mails[-(rules.mails_per_hour or 0)] + HOUR
    return found


def mails_left(plan: Plan, rules: Bundling) -> int | None:
    """Return how many mails may still be planned in this hour; None if there is no limit."""
    return None if rules.mails_per_hour is None else max(0, rules.mails_per_hour - len(plan.mails))


def admits(plan: Plan, rules: Bundling, now: int) -> bool:
    """Say whether a mail that no digest can list may be planned, and note it in the plan if so."""
    forget_old(plan, rules, now)
    is_admitted = _may_be_alone(plan, rules, now)
    if is_admitted:
        note_mails(plan, rules, 1, now)
    return is_admitted


def note_mails(plan: Plan, rules: Bundling, count: int, now: int) -> None:
    """Note that mails are planned which count for the cap of the hour."""
    if rules.mails_per_hour is not None:
        plan.mails += [now] * count


def keep_rest(plan: Plan, digest_id: str, now: int) -> Gathering:
    """Gather what did not fit into the mails that are left in this hour, under a new id."""
    rest = plan.gathered.setdefault(_CAPPED, Gathering(make_id("digest-rest", digest_id, now), now))
    rest.due = min(rest.due, now)
    return rest


def note_drop(plan: Plan, incident_id: str, segment: str) -> None:
    """Note a drop about which the receiver gets a mail."""
    plan.drops[incident_id] = segment
    while len(plan.drops) > _INCIDENTS_KEPT:
        del plan.drops[next(iter(plan.drops))]


def forget_old(plan: Plan, rules: Bundling, now: int) -> None:
    """Forget what does not matter any more: mails of more than an hour ago, and groups that may be mailed at once."""
    plan.mails = [at for at in plan.mails if at > now - HOUR]
    plan.critical = [at for at in plan.critical if at > now - HOUR]
    if plan.critical_digest <= now - CRITICAL_INTERVAL:
        plan.critical_digest = 0
    known = {group: at for group, at in plan.groups.items() if at > now - rules.group_interval}
    plan.groups = dict([*known.items()][-_GROUPS_KEPT:])


def next_tick(plan: Plan) -> int:
    """Return when a tick is needed next; 0 if nothing waits."""
    return min((one.due for one in plan.gathered.values()), default=0)


def _drop_above(plan: Plan, news: News) -> str | None:
    """Return the id of an open drop of the segment, or of one above it; None if there is none."""
    return next((incident_id for incident_id, path in plan.drops.items() if is_below(news.segment, path)), None)


def _may_be_alone(plan: Plan, rules: Bundling, now: int) -> bool:
    """Say whether a notice that is not critical is a mail of its own.

    Half of the mails of an hour are kept for digests. If a digest waits for a mail, nothing overtakes it.
    """
    if rules.mails_per_hour is None:
        return True
    if _CAPPED in plan.gathered or any(one.due <= now for key, one in plan.gathered.items() if key != CRITICAL):
        return False
    return len(plan.mails) < (rules.mails_per_hour + 1) // 2
