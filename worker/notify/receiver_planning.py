"""The planning of mails to receivers that have plans: which notices are mails of their own, and which wait.

Pure. The records are those of the topic of the plans (forwarded.py). Steps of alerts and incidents, and their ends, are
treated as in the outbox (planning.py). Only the receivers are given, and their plans decide what becomes of a new mail.
"""

from collections.abc import Iterable, Mapping, Sequence
from sys import maxsize
from typing import NamedTuple

import msgspec
from pydantic import ValidationError

from schemas.alert import Alert, AlertAction, Severity
from schemas.delivery import DeliveryStatus
from schemas.erasure import Erasure
from schemas.incident import Incident, IncidentAction, IncidentKind
from worker.errors import Rejected
from worker.flow.batch import Decided, Overlay, Read, Record
from worker.flow.ids import make_id
from worker.flow.timestamps import to_ms
from worker.lineage import canonical_path
from worker.notify import forwarded, mailbox, planning, receiver_plan
from worker.notify.digest import LAST, Member, MembersOf, Order, order, split
from worker.notify.forwarded import HELD_KEY, SILENCE_KEY, TICK_KEY, Held, To
from worker.notify.mailbox import Mail, digests_key, pending_notice_key
from worker.notify.notice import Notice
from worker.notify.planning import MERGED_KEPT, TOO_MANY_WAITING, Got, Planner, PlanState, Step, add_pending, end_hold
from worker.notify.receiver_plan import Due, Gathering, News, Plan, Why, plan_key
from worker.notify.silenced import NOT_HELD
from worker.routing.bundling import Bundling
from worker.routing.receiver import Receiver
from worker.routing.routable import routable
from worker.routing.routing import Decision, Reached

#: The largest number of a receiver's digests that may wait for the mail server, about 60 kB of its row. The notices of
#: further ones stay gathered.
_MOST_OPEN = 500
#: About how many bytes a digest has for each notice, besides the notice itself.
_AROUND_NOTICE = 600
#: How the mails of a receiver are bundled that the settings do not bundle, or not any more: each notice is a mail of
#: its own, and what waits is sent when it is due.
_NO_RULES = Bundling(critical_per_hour=maxsize)


class Batch(NamedTuple):
    """Records of one partition of the plans, and what is needed to decide them."""

    #: The records, in the order of their offsets.
    records: Sequence[Record]
    #: The highest offset that has arrived from each partition of the alerts.
    arrived: Mapping[int, int]
    #: Returns the members of a digest that were there before the batch.
    members: MembersOf


class _ByPlans:
    """The receivers are those that a message names, and their plans decide what becomes of their mails."""

    def __init__(self, read: Read, members: MembersOf) -> None:
        self.to: Sequence[To] = []
        #: The names of all receivers that get the notice, also by other plans and outside of plans.
        self.reached_in_all: Sequence[str] = []
        self._read = read
        self._plans = Overlay(read, receiver_plan.decode, receiver_plan.encode)
        self._members = members
        # The members of each digest that have joined it in this batch.
        self._joined: dict[str, list[Member]] = {}

    def plan(self, receiver: str) -> Plan:
        """Return the plan of a receiver. Changes of it are kept."""
        key = plan_key(receiver)
        found = self._plans.get(key)
        if found is None:
            found = Plan()
            self._plans.put(key, found)
        return found

    # -- What the planning asks (planning.Receivers).

    def reached(self, notice: Notice, earlier: Sequence[Mail], state: PlanState) -> Decision:
        """Return the receivers that the message names.

        If the settings do not have one any more, the courier finds another one for the mail, as for every waiting mail.
        """
        del notice, earlier
        known = state.planner.routing.receivers
        found = [(known.get(one.receiver) or Receiver(one.receiver, {}), one.route) for one in self.to]
        return Decision([Reached(receiver, route) for receiver, route in found], None)

    def add(self, mail: Mail, receiver: Receiver, step: Step, state: PlanState) -> None:
        """Plan a mail of its own, or let the notice wait for a digest."""
        add_pending(mail, step, state)
        mail.act_by = _act_by(mail, step, state)
        mail.others = [name for name in self.reached_in_all if name != receiver.name]
        self._place(mail, receiver, step.notice, step.key, step.now, state)
        notice = step.notice
        is_drop = isinstance(notice, Incident) and notice.kind == IncidentKind.SEGMENT_DROP
        if is_drop and notice.action != IncidentAction.RESOLVED:
            receiver_plan.note_drop(self.plan(receiver.name), notice.alert_id, canonical_path(notice.segment))

    def note_later_step(self, mail: Mail, step: Step, state: PlanState) -> None:
        """Decide again about a notice that waits, if it has become critical or may be sent at any hour."""
        receiver = state.planner.routing.receivers.get(mail.addressee)
        if not mail.digest:
            end_hold(mail, receiver, step)
            return
        plan, severity = self.plan(mail.addressee), step.notice.severity
        gathered_as = receiver_plan.gathered_as(plan, mail.digest)
        if gathered_as is None:
            _note_update(mail, step, state)
            return
        is_urgent = severity is Severity.CRITICAL and gathered_as != receiver_plan.CRITICAL
        if receiver is None or not (is_urgent or gathered_as == receiver_plan.QUIET):
            return
        if receiver.held_until(severity, step.now) is None:
            state.outputs.append(state.deliveries.release(mail, step.now))
            self._place(mail, receiver, step.notice, step.key, step.now, state)

    def note_end(self, earlier: Sequence[Mail], step: Step, state: PlanState) -> None:
        """Note that an incident has ended, which then inhibits nothing any more."""
        del state
        if not isinstance(step.notice, Incident):
            return
        for receiver in {mail.addressee for mail in earlier}:
            self.plan(receiver).drops.pop(step.notice.alert_id, None)

    def share(self, here: Sequence[Got], about: Sequence[Mail]) -> Sequence[Got]:
        """Return those whom the outbox has left to their plans."""
        del about
        left = {one.receiver for one in self.to}
        return [one for one in here if one.receiver.name in left]

    def informs(self, name: str, about: Sequence[Mail]) -> bool:
        """Say whether the outbox has left a receiver to its plan."""
        del about
        return any(one.receiver == name for one in self.to)

    def admits(self, receiver: Receiver, now: int) -> bool:
        """Say whether the cap of a receiver leaves room for a mail about a step of a case, and count it."""
        return receiver_plan.admits(self.plan(receiver.name), receiver.bundling or _NO_RULES, now)

    def _place(self, mail: Mail, receiver: Receiver, notice: Notice, key: bytes, now: int, state: PlanState) -> None:
        rules, event = receiver.bundling or _NO_RULES, routable(notice)
        is_alert = not isinstance(notice, Incident)
        held_until = receiver.held_until(event.severity, now)
        news = News(mail.delivery_id, event.severity, event.segment, is_alert, rules.group_of(event), held_until)
        placed = receiver_plan.place(self.plan(receiver.name), rules, news, now)
        if placed is None:
            return
        mail.digest, mail.due = placed.digest_id, placed.due
        self._joined.setdefault(placed.digest_id, []).append(Member(key, mail.delivery_id))
        state.outputs.append(state.deliveries.gather(mail, placed.why, now, inhibited_by=placed.inhibited_by))

    # -- Silences.

    def hold(self, message: Held, now: int, state: PlanState) -> None:
        """Let a notice of the outbox that a silence holds back wait for the silence's digest.

        If the silence does not hold it back any more, but is not over, the plan decides as about any other notice. The
        report of an erasure waits for nothing.
        """
        # It raises ValidationError if nobody can show the notice.
        notice = mailbox.read_pending_notice(message.key, message.content)
        box, mail = state.box(message.key), message.mail
        about = [other for other in box.mails if other.alert_id == mail.alert_id]
        if any(mail.delivery_id in (other.delivery_id, *other.merged) for other in about):
            return  # it has come before
        box.mails.append(mail)
        if state.planner.is_overfull(box, mail.addressee):
            state.outputs.append(state.deliveries.settle(mail, DeliveryStatus.FAILED, TOO_MANY_WAITING, now))
            return
        state.pending_notices[pending_notice_key(message.key, mail.delivery_id)] = message.content
        if isinstance(notice, Erasure):
            return
        if message.version == NOT_HELD and isinstance(notice, Notice):
            receiver = state.planner.routing.receivers.get(mail.addressee) or Receiver(mail.addressee, {})
            state.outputs.append(state.deliveries.release(mail, now, message.silence_id))
            self._place(mail, receiver, notice, message.key, now, state)
            return
        plan = self.plan(mail.addressee)
        gathering = receiver_plan.hold_back(plan, message.silence_id, message.version, message.until, mail.delivery_id)
        mail.digest = gathering.digest_id
        self._joined.setdefault(mail.digest, []).append(Member(message.key, mail.delivery_id))
        state.outputs.append(state.deliveries.silence(mail, message.silence_id, gathering.due, now))

    def change_silence(self, record: Record) -> None:
        """Take in that a silence has changed. Raise Rejected if the record says nothing of this kind."""
        change = forwarded.read_change(record)
        receiver_plan.change_silence(self.plan(change.receiver), change.silence_id, change.version, change.until)

    # -- The passing of time.

    def tick(self, name: str, now: int, state: PlanState) -> None:
        """Close the digests of a receiver that are due, unless too many of them wait for the mail server."""
        # What is only looked at must not be opened, since all opened rows are written.
        row = self._read(digests_key(name))
        if row is not None and sum(mail.is_open for mail in mailbox.decode(row).mails) >= _MOST_OPEN:
            return
        plan, rules = self.plan(name), _rules(name, state.planner)
        found = receiver_plan.take_due(plan, rules, now)
        for number, one in enumerate(found):
            later = len(found) - number - 1
            left = None if one.is_critical else receiver_plan.mails_left(plan, rules)
            planned = self._close(name, one, None if left is None else left - later, now, state)
            if not one.is_critical:
                receiver_plan.note_mails(plan, rules, planned, now)
        for gathering in receiver_plan.put_off(plan, rules, now):
            self._put_off(gathering, now, state)

    def _put_off(self, gathering: Gathering, now: int, state: PlanState) -> None:
        """Say of each notice of a digest which is due that it waits for the cap, and until when."""
        waiting = self._waiting([gathering], state)
        self._joined[gathering.digest_id] = [one.member for one in waiting]
        for one in waiting:
            one.mail.due = gathering.due
            state.outputs.append(state.deliveries.gather(one.mail, Why.CAPPED, now))

    def _close(self, name: str, due: Due, most: int | None, now: int, state: PlanState) -> int:
        """Plan the mails of a digest, at most `most` of them. Return how many there are."""
        waiting = self._waiting(due.gathered, state)
        parts = [waiting[part] for part in split([one.size for one in waiting], state.planner.digest_bytes)]
        digest_id = due.gathered[0].digest_id
        for number, part in enumerate(parts[:most]):
            if len(part) == 1 and due.may_be_alone:
                state.outputs.append(state.deliveries.release(part[0].mail, now))
                continue
            part_id = make_id("digest-part", digest_id, number, now)
            digest = Mail(part_id, part_id, part[0].mail.route, DeliveryStatus.PENDING, 0, now, 0)
            digest.address_to(name, part[0].mail.route)
            state.box(digests_key(name)).mails.append(digest)
            state.outputs.append(state.deliveries.line(digest, "planned", now))
            for one in part:
                one.mail.digest = part_id
        rest = [one for part in parts[most:] for one in part] if most is not None else []
        if rest:
            gathering = receiver_plan.keep_rest(self.plan(name), digest_id, now)
            for one in rest:
                one.mail.digest = gathering.digest_id
                self._joined.setdefault(gathering.digest_id, []).append(one.member)
        return len(parts[:most])

    def _waiting(self, gathered: Iterable[Gathering], state: PlanState) -> list["_Waiting"]:
        """Return the members of gatherings that still wait, in the order in which they are listed."""
        found: dict[Member, _Waiting] = {}
        for one in gathered:
            for member in (*self._members(one.digest_id), *self._joined.pop(one.digest_id, ())):
                mail = state.box(member.key).find_open(member.delivery_id) if state.has_box(member.key) else None
                if mail is not None and mail.digest == one.digest_id:
                    pending_notice = state.pending_notice(pending_notice_key(member.key, member.delivery_id))
                    found[member] = _waiting(member, mail, pending_notice)
        return sorted(found.values(), key=lambda one: one[:2])

    # -- The result.

    def rows(self) -> dict[bytes, bytes | None]:
        """Return the rows of the plans, with the times of their next ticks."""
        for key, plan in self._plans.opened():
            plan.wake = receiver_plan.next_tick(plan)
            if plan.is_empty:
                self._plans.erase(key)
        return self._plans.rows()


class _Waiting(NamedTuple):
    """A member of a digest that is closed, with its mail."""

    order: Order
    member: Member
    mail: Mail
    #: About how many bytes it takes in a digest that repeats notices as they are.
    size: int


def plan(batch: Batch, planner: Planner, read: Read) -> Decided:
    """Plan the mails of a batch. `read` returns the row with a key, or None."""
    receivers = _ByPlans(read, batch.members)
    # The outbox has planned the reports of erasures already, and hands them over.
    state = PlanState(msgspec.structs.replace(planner, reports_erasures=False), receivers, read)
    arrived = dict(batch.arrived)
    for record in batch.records:
        if record.key == TICK_KEY:
            receivers.tick((record.value or b"").decode(errors="replace"), record.timestamp, state)
            continue
        try:
            if record.key == HELD_KEY:
                receivers.hold(forwarded.read_held(record), record.timestamp, state)
                continue
            if record.key == SILENCE_KEY:
                receivers.change_silence(record)
                continue
            message = forwarded.read(record)
            if message.offset <= arrived.get(message.partition, -1):
                continue
            arrived[message.partition] = message.offset
            original = forwarded.original(message, record)
            receivers.to, receivers.reached_in_all = message.to, message.reached
            planning.take(original, state)
        except (Rejected, ValidationError) as error:
            state.outputs.append(planning.refusal(record, error, planner.intake))
    decided = state.decided()
    return Decided(decided.outputs, {**decided.rows, **receivers.rows()}, arrived)


def _rules(name: str, planner: Planner) -> Bundling:
    receiver = planner.routing.receivers.get(name)
    return (receiver.bundling if receiver is not None else None) or _NO_RULES


def _waiting(member: Member, mail: Mail, pending_notice: bytes | None) -> _Waiting:
    """Return a member; one whose content was lost comes last."""
    if pending_notice is None:
        return _Waiting(LAST, member, mail, 0)
    return _Waiting(order(mail, pending_notice), member, mail, len(pending_notice) + _AROUND_NOTICE)


def _note_update(mail: Mail, step: Step, state: PlanState) -> None:
    """Let a digest that is closed already be sent under another id, since one of its notices has changed.

    The mail server may have accepted the digest before a crash. A mailbox would drop the repeat, and with it what is
    new, if it came under the same id.
    """
    key, update = digests_key(mail.addressee), state.deliveries.id_of(step.event_id, mail.addressee)
    digest = state.box(key).find_open(mail.digest) if state.has_box(key) else None
    if digest is not None and update in mail.merged:
        digest.merged = [*digest.merged, make_id("digest-update", digest.delivery_id, update)][-MERGED_KEPT:]


def _act_by(mail: Mail, step: Step, state: PlanState) -> int:
    """Return by when somebody has to act on the alert that a new mail reports, in ms; 0 without a time limit.

    The time limit of a case is computed when the alert is opened, as the role `process` does. So a later step has that
    of the first one, if the receiver has got the first one.
    """
    notice, time_limit = step.notice, state.planner.time_limit
    if time_limit is None or not isinstance(notice, Alert) or notice.action == AlertAction.WITHDRAWN:
        return 0
    if notice.action == AlertAction.OPENED:
        return time_limit(routable(notice), to_ms(notice.occurred_at)) or 0
    earlier = (one.act_by for one in reversed(state.box(step.key).mails) if one.alert_id == mail.alert_id)
    return next(filter(None, earlier), 0)
