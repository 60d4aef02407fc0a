"""The planning: a batch of alerts and incidents plans, changes and cancels mails. Pure: it returns rows and log lines.

Each mail reports the newest state that is known: a later step of the same alert changes the content of an open mail. A
withdrawal of an alert, or the end of an incident, cancels it. So does the resolution of the alert's case, unless the
mail reports a step of the alert that is newer. Other steps of a case change no mail, since no receiver of an open mail
has heard of the alert yet.

A reminder or an escalation of a case has mails of its own. An acknowledgement, or the end of the case, cancels those
that still wait. Who has got a mail about the alert also gets one about what people have done since then. These mails
are planned where the mails about the alert are: in the outbox, or in the table of the receivers' plans.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec
from pydantic import ValidationError

from schemas.alert import Alert, AlertAction, Severity
from schemas.case import CaseAction, CaseReason, CaseStep
from schemas.dead_letter import Reason
from schemas.delivery import DeliveryStatus
from schemas.erasure import Erasure
from schemas.incident import Incident, IncidentAction, IncidentReason
from worker.errors import Rejected
from worker.flow.batch import Decided, Output, Overlay, Record
from worker.flow.dead_letter import dead_letter_in_place
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.flow.record import header
from worker.flow.timestamps import from_ms, to_ms
from worker.notify.deliveries import MERGED, NO_LONGER_NEWS, SILENCED, Deliveries
from worker.notify.forwarded import Spread, To, forward
from worker.notify.mailbox import (
    CASE_ACTIONS,
    CASE_NEWS,
    Mail,
    Mailbox,
    box_key,
    decode,
    encode,
    erasure_key,
    pending_case_step,
    pending_notice_key,
    read_pending_notice,
)
from worker.notify.notice import Notice, case_step_in, check_record, notice_in, urgency
from worker.routing.places import FOR_PEOPLE
from worker.routing.receiver import EMAIL, Receiver
from worker.routing.routable import ENDS, Routable, routables, routables_of_parts
from worker.routing.routing import Decision, Reached, Routing

#: The largest number of open mails of one customer or segment. A real customer does not give that many unhappy answers
#: while a mail server is away.
OPEN_KEPT = 2_000
#: The reason in the delivery log for a mail beyond that number.
TOO_MANY_WAITING = "too_many_waiting"
#: The reason for an escalation whose receivers are not in the settings any more.
RECEIVERS_REMOVED = "receivers_removed"
#: The reason for a reminder about an alert that nobody has got.
NOBODY_INFORMED = "nobody_informed"
#: The reason for the news of a step of a case that its only reader has taken.
OWN_STEP = "own_step"
#: The reason for such news if the cap of the receiver's plan is reached. A digest lists no steps of cases.
CAPPED = "capped"
#: The reasons of updates that are mailed whatever `email.actions` says. Survey tools send the comment after the score,
#: and a changed consent says whether the customer may still be called.
_ALWAYS_MAILED = frozenset({"comment_added", "comment_changed", "consent_changed"})
#: The number of merged steps that a mail keeps.
MERGED_KEPT = 4


class Planner(msgspec.Struct, frozen=True):
    """The settings by which the mails of one channel are planned."""

    #: The channel's name, as in Deliveries.
    channel: str
    #: Who gets which alerts and incidents.
    routing: Routing
    #: The steps that are mailed: the actions of alerts and incidents, and the reasons of updates of incidents.
    actions: Sequence[str]
    intake: IntakePolicy
    #: Returns a text that is equal for all spellings of an address. By default, each spelling is an address of its own.
    identity: Callable[[str], str] = str
    #: Whether every receiver learns that a customer was erased.
    reports_erasures: bool = False
    #: Whether a record that is neither an alert nor an incident becomes a dead letter, and whether a line of the
    #: delivery log says so if nobody gets a notice. One channel is enough for that.
    reports_refusals: bool = True
    #: The largest number of open mails of one customer or segment to each receiver; None if they share OPEN_KEPT.
    open_kept_each: int | None = None
    #: Returns by when somebody has to act on an alert that is opened at a time, both in ms; None without a time limit.
    time_limit: Callable[[Routable, int], int | None] | None = None
    #: The steps of cases about which those get mails who have got the alert; each is one of CASE_NEWS.
    case_actions: Sequence[str] = ()
    #: The largest number of bytes of the notices in one digest; None if only their number is limited.
    digest_bytes: int | None = None

    @property
    def deliveries(self) -> Deliveries:
        """The channel's deliveries."""
        return Deliveries(self.channel)

    @property
    def most_open(self) -> int:
        """The largest number of open mails of one customer or segment, on the whole or to each receiver."""
        return OPEN_KEPT if self.open_kept_each is None else self.open_kept_each

    def without_bundling(self) -> "Planner":
        """Return the planner of the same settings without the caps and groups of receivers."""
        known = {name: replace(receiver, bundling=None) for name, receiver in self.routing.receivers.items()}
        return msgspec.structs.replace(self, routing=replace(self.routing, receivers=known))

    def is_overfull(self, box: Mailbox, receiver: str) -> bool:
        """Say whether a mailbox has too many open mails for a further one to a receiver, which it has already."""
        shares = self.open_kept_each is None
        return sum(mail.is_open and (shares or mail.addressee == receiver) for mail in box.mails) > self.most_open

    def targets(self, receiver: Receiver) -> Sequence[str]:
        """Return the addresses of a receiver on this channel; none if it does not use this channel."""
        return receiver.targets.get(self.channel, ())

    def reached(self, notice: Notice) -> Decision:
        """Return who gets an alert or an incident on this channel. If the routes name nobody at all, say why.

        The routes decide for each segment that an incident is about. A receiver gets it once.
        """
        decisions = [self.routing.decide(event) for event in routables(notice)]
        reached = [one for decision in decisions for one in decision.reached]
        return Decision(self._once_each(reached), None if reached else decisions[0].nobody)

    def receivers_of_parts(self, notice: Notice) -> list[Reached]:
        """Return who has got notices on this channel about the incidents that have become part of this one.

        Their mails are in other mailboxes, perhaps in other partitions. So this is whom the routes name for their
        segments. The incident is at least as severe as they were.
        """
        if IncidentAction.OPENED not in self.actions:
            return []
        return self._once_each(
            one for event in routables_of_parts(notice) for one in self.routing.decide(event).reached
        )

    def _once_each(self, reached: Iterable[Reached]) -> list[Reached]:
        """Return each receiver on this channel once, with the first route that names it."""
        found: dict[str, Reached] = {}
        for one in reached:
            found.setdefault(one.receiver.name, one)
        return [one for one in found.values() if self.targets(one.receiver)]


class PlanState:
    """The state while a batch of alerts and incidents is planned: the mailboxes, and what has been decided so far."""

    def __init__(self, planner: Planner, receivers: "Receivers", read: Callable[[bytes], bytes | None]) -> None:
        self.planner = planner
        self.receivers = receivers
        self.deliveries = planner.deliveries
        self.outputs: list[Output] = []
        self.pending_notices: dict[bytes, bytes | None] = {}
        self._read = read
        self._boxes = Overlay(read, decode, encode)

    def box(self, key: bytes) -> Mailbox:
        """Return the mailbox with this key, or a new one. Changes of it become a row of the result."""
        box = self._boxes.get(key)
        if box is None:
            box = Mailbox()
            self._boxes.put(key, box)
        return box

    def has_box(self, key: bytes) -> bool:
        """Say whether there is a mailbox with this key."""
        return self._boxes.get(key) is not None

    def reported_at(self, key: bytes, mail: Mail) -> int:
        """Return the time, in ms, of the step that an open mail reports; 0 if its pending notice was lost."""
        pending_notice = self.pending_notice(pending_notice_key(key, mail.delivery_id))
        return 0 if pending_notice is None else to_ms(read_pending_notice(key, pending_notice).occurred_at)

    def pending_notice(self, key: bytes) -> bytes | None:
        """Return the pending notice of an open mail; None if it was lost."""
        return self.pending_notices.get(key) or self._read(key)

    def erase(self, key: bytes) -> None:
        """Erase the mails of a customer, including open ones."""
        for mail in self.box(key).mails:
            self.pending_notices[pending_notice_key(key, mail.delivery_id)] = None
        self._boxes.erase(key)

    def decided(self) -> Decided:
        """Return the outputs and the rows. Pending notices precede mailboxes, in case only some rows are written."""
        return Decided(self.outputs, {**self.pending_notices, **self._boxes.rows()}, {})


class Receivers(Protocol):
    """Who gets a step, and what a mail to a receiver becomes: a pending mail, or something else."""

    def reached(self, notice: Notice, earlier: Sequence[Mail], state: PlanState) -> Decision:
        """Return the receivers of a step, or why there are none. `earlier`: the mails about earlier steps."""

    def add(self, mail: Mail, receiver: Receiver, step: "Step", state: PlanState) -> None:
        """Decide what becomes of a new mail, which is in its mailbox already."""

    def note_later_step(self, mail: Mail, step: "Step", state: PlanState) -> None:
        """Note that an open mail now reports a later step, whose severity may be another one."""

    def note_end(self, earlier: Sequence[Mail], step: "Step", state: PlanState) -> None:
        """Note that a step ends its alert or incident. `earlier`: the mails about earlier steps."""

    def share(self, here: "Sequence[Got]", about: Sequence[Mail]) -> "Sequence[Got]":
        """Return those out of `here` who get the news of a case by this table. No other table has news for them.

        `here`: the receivers that have got something about an alert by this table; `about`: all mails about it.
        """

    def informs(self, name: str, about: Sequence[Mail]) -> bool:
        """Say whether a receiver that has got nothing about an alert gets the news of its case by this table.

        `about`: all mails about the alert.
        """

    def admits(self, receiver: Receiver, now: int) -> bool:
        """Say whether a receiver may get a mail that cannot wait for a digest, and note that it does. `now`: in ms."""


class Got(NamedTuple):
    """A receiver that has got something about an alert, and its last mail about it."""

    mail: Mail
    receiver: Receiver


class Step(NamedTuple):
    """One step of an alert or an incident, as it is planned."""

    notice: Notice
    record: Record
    #: The id of the step.
    event_id: str

    @property
    def key(self) -> bytes:
        """The key of its mailbox."""
        return box_key(self.notice, self.record.key or b"")

    @property
    def now(self) -> int:
        """The time at which it is planned, in ms."""
        return self.record.timestamp


class _ByRoutes:
    """The receivers are those that the routes name, and their mails are sent from this outbox.

    The plans of some receivers decide about their notices. These are forwarded to the partitions of the plans. With
    `spread` of None, nothing is forwarded, since it has been done before.
    """

    def __init__(self, spread: Spread | None) -> None:
        self._spread = spread
        self._to: list[To] = []
        # The names of the receivers of the step that is planned.
        self._reached: list[str] = []

    def reached(self, notice: Notice, earlier: Sequence[Mail], state: PlanState) -> Decision:
        decision = _reached(notice, earlier, state.planner)
        self._reached = [one.receiver.name for one in decision.reached]
        return decision

    def add(self, mail: Mail, receiver: Receiver, step: Step, state: PlanState) -> None:
        before = _before(mail, state.box(step.key))
        # The plan that has an earlier mail also gets the later ones, since it knows what the receiver has got. But it
        # knows only what it has got itself. If a later step has become obsolete there, it would take the end for no
        # news, although the receiver has got the beginning from this outbox, before a silence or before it had caps.
        is_for_plan = receiver.bundling is not None or any(one.forwarded for one in before)
        is_end_of_sent = step.notice.action in ENDS and any(map(_is_sent, before))
        if is_for_plan and not is_end_of_sent:
            mail.status, mail.forwarded = DeliveryStatus.SENT, True
            self._to.append(To(receiver.name, mail.route))
        else:
            add_pending(mail, step, state)
            if (until := receiver.held_until(step.notice.severity, step.now)) is not None:
                state.outputs.append(state.deliveries.hold(mail, until, step.now))

    def note_later_step(self, mail: Mail, step: Step, state: PlanState) -> None:
        end_hold(mail, state.planner.routing.receivers.get(mail.addressee), step)

    def note_end(self, earlier: Sequence[Mail], step: Step, state: PlanState) -> None:
        """Do nothing: no mail of this outbox waits for the end of something."""

    def share(self, here: "Sequence[Got]", about: Sequence[Mail]) -> "Sequence[Got]":
        """Return `here`. The plans of other receivers know whether these have got something."""
        known = {receiver.name for _, receiver in here}
        elsewhere = {mail.addressee: mail.route for mail in about if mail.forwarded and mail.addressee not in known}
        self._to += [To(name, route) for name, route in elsewhere.items()]
        return here

    def informs(self, name: str, about: Sequence[Mail]) -> bool:
        """Return True, unless a plan may know something else about the receiver."""
        return not any(mail.forwarded and mail.addressee == name for mail in about)

    def admits(self, receiver: Receiver, now: int) -> bool:
        """Return True: the mails of this outbox have no cap."""
        del receiver, now
        return True

    def forward(self, record: Record, event_id: str, known: Iterable[Mail], state: PlanState) -> None:
        """Forward a record to the plans of the receivers that shall get it, and of those that know its alert.

        `known`: the mails about earlier steps of the alert.
        """
        to, self._to = self._to, []
        reached, self._reached = self._reached, []
        if self._spread is None:
            return
        # A mail that a silence holds back is perhaps in the plan already: the worker may have ended in between.
        receivers = [*to, *(To(mail.addressee, "") for mail in known if mail.forwarded or mail.silence)]
        for place in sorted({self._spread.place_of(one.receiver) for one in receivers}):
            here = [one for one in to if self._spread.place_of(one.receiver) == place]
            state.outputs.append(forward(record, event_id, here, place, reached))

    def forward_erasure(self, record: Record, state: PlanState) -> None:
        """Forward the erasure of a customer to all plans."""
        if self._spread is not None:
            state.outputs += [forward(record, "", [], place) for place in self._spread.all_places()]


def _before(mail: Mail, box: Mailbox) -> list[Mail]:
    """Return the mails to a mail's receiver about the same alert, with the mail itself, which is not sent yet."""
    return [one for one in box.mails if (one.alert_id, one.addressee) == (mail.alert_id, mail.addressee)]


def end_hold(mail: Mail, receiver: Receiver | None, step: Step) -> None:
    """Let a mail be tried that waits because of its receiver's quiet hours, if the severity now allows that.

    Silences are asked again, too, if the notice has become critical.
    """
    is_urgent = bool(mail.silence) and mail.is_open and step.notice.severity is Severity.CRITICAL
    is_quiet = mail.quiet and receiver is not None and receiver.held_until(step.notice.severity, step.now) is not None
    if is_urgent or (mail.quiet and not is_quiet):
        mail.status, mail.due, mail.quiet = DeliveryStatus.PENDING, 0, False


def add_pending(mail: Mail, step: Step, state: PlanState) -> None:
    """Let a new mail be sent as soon as possible. Its notice becomes a pending notice."""
    state.pending_notices[pending_notice_key(step.key, mail.delivery_id)] = step.record.value
    mail.note_trace(step.record)
    state.outputs.append(state.deliveries.line(mail, "planned", step.now))


def plan(
    records: Iterable[Record],
    planner: Planner,
    read: Callable[[bytes], bytes | None],
    spread: Spread | None = None,
) -> Decided:
    """Plan the mails of a batch of alerts and incidents. A null value erases all mails about a customer.

    `read` returns the row with a key, or None. `spread`: where the plans of receivers are; None if nothing is forwarded
    to them.
    """
    receivers = _ByRoutes(spread)
    state = PlanState(planner, receivers, read)
    for record in records:
        try:
            check_record(record)
            known = take(record, state)
            if record.value is None:
                receivers.forward_erasure(record, state)
            else:
                receivers.forward(record, event_id_of(record), known, state)
        except (Rejected, ValidationError) as error:
            if planner.reports_refusals:
                state.outputs.append(refusal(record, error, planner.intake))
    return state.decided()


def refusal(record: Record, error: Rejected | ValidationError, intake: IntakePolicy) -> Output:
    """Return the dead letter about a record that is no notice."""
    if isinstance(error, ValidationError):
        error = Rejected(Reason.WRONG_TYPE, "value: is not an alert, an incident or a step of a case of this version")
    return dead_letter_in_place(record, error, intake)


def take(record: Record, state: PlanState) -> list[Mail]:
    """Take in a valid record: an erasure, a step of a case, or one of an alert or an incident.

    Return the mails about earlier steps of the same alert or incident. Raise Rejected or ValidationError if the record
    is something else.
    """
    key = record.key or b""
    if record.value is None:
        state.erase(key)
        if state.planner.reports_erasures:
            _report_erasure(record, state)
        return []
    if (case_step := case_step_in(record)) is not None:
        return _take_case_step(case_step, record, state)
    notice = notice_in(record.value, header(record, "ce_type"))
    return _take_step(Step(notice, record, event_id_of(record, notice.alert_id)), state)


def event_id_of(record: Record, otherwise: str = "") -> str:
    """Return the id of a record's event. `otherwise`: the id if the record does not say it."""
    return (header(record, "ce_id") or otherwise.encode()).decode(errors="replace")


def _report_erasure(record: Record, state: PlanState) -> None:
    """Plan that each receiver learns of the erasure of a customer, also if it has got nothing about the customer."""
    now = record.timestamp
    try:
        erasure = Erasure(customer_id=(record.key or b"").decode(), occurred_at=from_ms(now))
    except ValueError:
        return  # another program has written it, and no customer has this id
    event_id = make_id("erasure", record.topic, record.partition, record.offset)
    key = erasure_key(record.key or b"")
    box = state.box(key)
    for name, receiver in state.planner.routing.receivers.items():
        if not state.planner.targets(receiver):
            continue
        mail = Mail(state.deliveries.id_of(event_id, name), event_id, name, DeliveryStatus.PENDING, 0, now, 0)
        box.mails.append(mail)
        state.pending_notices[pending_notice_key(key, mail.delivery_id)] = erasure.model_dump_json().encode()
        state.outputs.append(state.deliveries.line(mail, "planned", now))


def _take_step(step: Step, state: PlanState) -> list[Mail]:
    """Apply one step of an alert or an incident: cancel open mails, merge the step into them, or plan further mails.

    Return the mails about earlier steps.
    """
    notice = step.notice
    earlier = _earlier(state.box(step.key), notice, step.event_id, state.deliveries)
    is_mailed = _is_notice_mailed(notice, state.planner)
    if notice.action in ENDS:
        _cancel(earlier, notice.action, step.key, step.now, state)
        state.receivers.note_end(earlier, step, state)
    elif isinstance(notice, Alert) and notice.action == AlertAction.UPDATED:
        _merge(earlier, notice, step, state, is_mailed=is_mailed)
    if is_mailed:
        _plan(step, earlier, state)
    return earlier


def _take_case_step(step: CaseStep, record: Record, state: PlanState) -> list[Mail]:
    """Plan the mails of a step of a case, and cancel those that it has made obsolete.

    Return the mails about the alert if the step concerns receivers of mails elsewhere, too.
    """
    if step.action in CASE_ACTIONS:
        _plan_case_step(step, record, state)
    elif step.action in CASE_NEWS:
        about = _end_case(step, record, state)
        is_mailed = _is_mailed(step, state.planner)
        if is_mailed:
            _plan_case_news(step, record, about, state)
        return about if is_mailed or step.action == CaseAction.RESOLVED else []
    return []


def _plan_case_step(step: CaseStep, record: Record, state: PlanState) -> None:
    """Plan the mails of a reminder or an escalation.

    A reminder goes to those who have got a mail about the alert, and an escalation to the receivers of its step. These
    mails are sent one by one, whatever else is grouped or capped.
    """
    key, now, deliveries = record.key or b"", record.timestamp, state.deliveries
    event_id = event_id_of(record, make_id("case-step", step.alert_id, step.step))
    is_escalation = step.action == CaseAction.ESCALATED
    mails = state.box(key).mails if state.has_box(key) else []
    receivers = _asked(step, state.planner) if is_escalation else _informed(step, mails, state.planner)
    if not receivers:
        # Another channel may reach somebody. That one receiver has no address on this channel is nothing to report.
        reason = RECEIVERS_REMOVED if is_escalation else NOBODY_INFORMED
        if receivers is None and state.planner.reports_refusals:
            state.outputs.append(deliveries.nobody(step.alert_id, event_id, reason, now))
        return
    for one in receivers:
        _add_case_mail(step, record, one, event_id, state)


def _add_case_mail(
    step: CaseStep, record: Record, to: Reached, event_id: str, state: PlanState, left: list[str] | None = None
) -> None:
    """Plan a mail about a step of a case, unless it is planned already. `left`: as in Mail."""
    key, now, deliveries = record.key or b"", record.timestamp, state.deliveries
    receiver, route = to
    box, delivery_id = state.box(key), deliveries.id_of(event_id, receiver.name)
    if box.find(delivery_id) is not None:
        return
    mail = Mail(delivery_id, step.alert_id, route, DeliveryStatus.PENDING, 0, now, 0, left)
    mail.address_to(receiver.name, route)
    mail.action, mail.reason = step.action, step.reason
    box.mails.append(mail)
    if state.planner.is_overfull(box, receiver.name):
        state.outputs.append(deliveries.settle(mail, DeliveryStatus.FAILED, TOO_MANY_WAITING, now))
        return
    if mail.is_case_news and step.reason == CaseReason.COMMAND and not state.receivers.admits(receiver, now):
        state.outputs.append(deliveries.cancel(mail, CAPPED, now))
        return
    state.pending_notices[pending_notice_key(key, delivery_id)] = pending_case_step(record.value or b"")
    state.outputs.append(deliveries.line(mail, "planned", now))
    if (until := receiver.held_until(urgency(step), now)) is not None:
        state.outputs.append(deliveries.hold(mail, until, now))


def _is_mailed(step: CaseStep, planner: Planner) -> bool:
    """Say whether the settings ask for the news of a step. Older versions do not say who learns of a new answer."""
    return step.action in planner.case_actions and (
        step.reason != CaseReason.DETRACTOR_AGAIN or step.revision is not None
    )


def _plan_case_news(step: CaseStep, record: Record, about: Sequence[Mail], state: PlanState) -> None:
    """Plan the mails which say what has become of a case, to those who have got something about its alert.

    `about`: all mails about the alert. Who has taken the step needs no mail about it, nor who gets one about the answer
    that has reopened the case.
    """
    event_id = event_id_of(record, make_id("case-step", step.alert_id, step.step))
    got = state.receivers.share(_who_got(about, state.planner), about)
    for to in _newly_named(step, got, about, state):
        _add_case_mail(step, record, to, event_id, state)
    for mail, receiver in got:
        if _has_answer(step, receiver.name, about):
            continue
        delivery_id = state.deliveries.id_of(event_id, receiver.name)
        if mail.is_open and mail.silence:  # who has got nothing because of a silence hears of nothing
            state.outputs.append(state.deliveries.leave_out(delivery_id, mail, SILENCED, record.timestamp))
            continue
        targets = state.planner.targets(receiver)
        left = [target for target in targets if not _is_own_step(step, target, receiver, state.planner)]
        if left:
            to = Reached(receiver, mail.route)
            _add_case_mail(step, record, to, event_id, state, None if len(left) == len(targets) else left)
        else:
            state.outputs.append(state.deliveries.leave_out(delivery_id, mail, OWN_STEP, record.timestamp))


def _newly_named(step: CaseStep, got: Sequence[Got], about: Sequence[Mail], state: PlanState) -> list[Reached]:
    """Return the receivers that the routes name for a case which an answer has reopened, and that have got nothing.

    `got`: those who have got something about the alert by this table; `about`: all mails about it.
    """
    planner, known = state.planner, {receiver.name for _, receiver in got}
    found = {
        receiver.name: receiver
        for name in step.routed_to or ()
        if (receiver := planner.routing.called(name)) is not None and planner.targets(receiver)
    }
    return [
        Reached(receiver, name)
        for name, receiver in found.items()
        if name not in known and state.receivers.informs(name, about)
    ]


def _has_answer(step: CaseStep, receiver: str, about: Iterable[Mail]) -> bool:
    """Say whether a receiver gets, or has got, a mail about the answer that has reopened a case, or a newer one."""
    return step.revision is not None and any(
        mail.revision >= step.revision and mail.status is not DeliveryStatus.CANCELLED and not mail.is_about_case
        for mail in about
        if mail.addressee == receiver
    )


def _who_got(about: Sequence[Mail], planner: Planner) -> list[Got]:
    """Return the receivers on this channel that have got a mail about an alert by this table, or still get one."""
    waiting = {mail.addressee: mail for mail in about if mail.is_open}
    found = waiting | {mail.addressee: mail for mail in about if _is_sent(mail)}
    known = planner.routing.receivers
    return [Got(mail, known[name]) for name, mail in found.items() if name in known and planner.targets(known[name])]


def _is_sent(mail: Mail) -> bool:
    return mail.status is DeliveryStatus.SENT and not mail.forwarded


def _is_own_step(step: CaseStep, target: str, receiver: Receiver, planner: Planner) -> bool:
    """Say whether the reader at a mail address has taken a step.

    It is so if the actor is that address, or the receiver without the name of a person, and the receiver has no other
    address. If there are several readers, as in a chat, nobody knows which of them it was.
    """
    if step.actor is None or planner.channel != EMAIL:
        return False
    is_address = planner.identity(step.actor) == planner.identity(target)
    return is_address or (step.actor == receiver.name and len(planner.targets(receiver)) == 1)


def _asked(step: CaseStep, planner: Planner) -> list[Reached] | None:
    """Return the receivers of an escalation's step on this channel; None if the settings have none of them any more."""
    found = {name: planner.routing.called(name) for name in step.escalated_to or ()}
    known = {receiver.name: receiver for receiver in found.values() if receiver is not None}
    route = f"{step.service_level or ''} (escalation {step.escalation_step or 0})".lstrip()
    reached = [Reached(receiver, route) for receiver in known.values() if planner.targets(receiver)]
    return reached if known or planner.routing.places is not None else None


def _informed(step: CaseStep, mails: Iterable[Mail], planner: Planner) -> list[Reached] | None:
    """Return the receivers on this channel of what was sent about the alert itself; None if there are none."""
    routes = {
        mail.addressee: mail.route
        for mail in mails
        if mail.alert_id == step.alert_id and mail.status is not DeliveryStatus.CANCELLED and not mail.is_about_case
    }
    known = planner.routing.receivers
    return [
        Reached(known[name], route) for name, route in routes.items() if name in known and planner.targets(known[name])
    ] or None


def _end_case(step: CaseStep, record: Record, state: PlanState) -> list[Mail]:
    """Cancel the open mails that a step of a case has made obsolete. Return all mails about the alert.

    These are the mails about earlier steps of the case, and all open mails of an alert whose case is resolved.

    The alert's own steps are published without waiting for its case. So one of them may come before the resolution
    although the resolution does not know it yet. It reopens the case, and a mail that reports it is sent.
    """
    key = record.key or b""
    if not state.has_box(key):
        return []
    about = [mail for mail in state.box(key).mails if mail.alert_id == step.alert_id]
    obsolete = [mail for mail in about if mail.is_open and _is_obsolete(mail, step, key, state)]
    _cancel(obsolete, step.action, key, record.timestamp, state)
    return about


def _is_obsolete(mail: Mail, step: CaseStep, key: bytes, state: PlanState) -> bool:
    """Say whether a step of a case has made an open mail about the case or its alert obsolete."""
    if mail.is_case_news:
        # A step that comes again, because of a crash, must not cancel the mail about itself or about a later one.
        return _number_of_step(mail, key, state) < step.step
    if mail.is_about_case:
        return True
    return step.action == CaseAction.RESOLVED and state.reported_at(key, mail) <= to_ms(step.alert_occurred_at)


def _number_of_step(mail: Mail, key: bytes, state: PlanState) -> int:
    """Return the number of the step that an open mail about a case reports; 0 if its pending notice was lost."""
    pending_notice = state.pending_notice(pending_notice_key(key, mail.delivery_id))
    reported = None if pending_notice is None else read_pending_notice(key, pending_notice)
    return reported.step if isinstance(reported, CaseStep) else 0


def _cancel(mails: Iterable[Mail], reason: str, key: bytes, now: int, state: PlanState) -> None:
    for mail in mails:
        if mail.is_open:
            state.outputs.append(state.deliveries.cancel(mail, reason, now))
        state.pending_notices[pending_notice_key(key, mail.delivery_id)] = None


def _merge(earlier: Iterable[Mail], notice: Alert, step: Step, state: PlanState, *, is_mailed: bool) -> None:
    """Give the content of a later step to open mails. `is_mailed`: whether the step is mailed itself.

    A mail that waits may be sent at once if the step is so severe that it would not have to wait.
    """
    for mail in earlier:
        if not mail.is_open or mail.is_about_case or notice.revision < mail.revision:
            continue
        mail.revision = notice.revision
        state.pending_notices[pending_notice_key(step.key, mail.delivery_id)] = step.record.value
        mail.note_trace(step.record)
        # If some receivers may have got the mail already, the step is not merged into it, and gets a mail of its own.
        if is_mailed and mail.left is None and not mail.unsure:
            delivery_id = state.deliveries.id_of(step.event_id, mail.addressee)
            mail.merged = [*mail.merged, delivery_id][-MERGED_KEPT:]
            state.outputs.append(state.deliveries.leave_out(delivery_id, mail, MERGED, step.now))
            if mail.action == AlertAction.UPDATED:
                mail.reason = notice.reason
        state.receivers.note_later_step(mail, step, state)


def _plan(step: Step, earlier: Sequence[Mail], state: PlanState) -> None:
    notice, now = step.notice, step.now
    box = state.box(step.key)
    reached, nobody = state.receivers.reached(notice, earlier, state)
    if nobody is not None and state.planner.reports_refusals:
        state.outputs.append(state.deliveries.nobody(notice.alert_id, step.event_id, nobody, now))
    for receiver, route in reached:
        delivery_id = state.deliveries.id_of(step.event_id, receiver.name)
        if box.find(delivery_id) is not None or _is_merged(delivery_id, earlier):
            continue
        if (cancelled := _is_no_news(notice, receiver, earlier)) is not None:
            state.outputs.append(state.deliveries.leave_out(delivery_id, cancelled, NO_LONGER_NEWS, now))
            continue
        mail = Mail(delivery_id, notice.alert_id, route, DeliveryStatus.PENDING, 0, now, 0)
        mail.address_to(receiver.name, route)
        if isinstance(notice, Alert):
            mail.action, mail.reason, mail.revision = notice.action, notice.reason, notice.revision
        elif _is_first_news(notice, receiver, earlier, state.planner):
            mail.action, mail.reason = IncidentAction.OPENED, IncidentReason.NPS_FELL
        box.mails.append(mail)
        if state.planner.is_overfull(box, receiver.name):
            state.outputs.append(state.deliveries.settle(mail, DeliveryStatus.FAILED, TOO_MANY_WAITING, now))
            continue
        state.receivers.add(mail, receiver, step, state)


def _is_notice_mailed(notice: Notice, planner: Planner) -> bool:
    """Say whether the settings ask for a mail about a step, or whether such a step is mailed in any case."""
    if _is_incident_update(notice):
        return notice.reason in planner.actions
    return notice.action in planner.actions or _is_always_mailed(notice)


def _is_incident_update(notice: Notice) -> bool:
    return isinstance(notice, Incident) and notice.action == IncidentAction.UPDATED


def _is_first_news(notice: Notice, receiver: Receiver, earlier: Iterable[Mail], planner: Planner) -> bool:
    """Say whether an update of an incident is the first that a person learns of it, so that it has to read as one.

    Programs get the update as it is.
    """
    if planner.channel not in FOR_PEOPLE or not _is_incident_update(notice):
        return False
    return not any(mail.addressee == receiver.name and mail.status is not DeliveryStatus.CANCELLED for mail in earlier)


def _is_always_mailed(notice: Notice) -> bool:
    return notice.action == AlertAction.UPDATED and notice.reason in _ALWAYS_MAILED


def _is_merged(delivery_id: str, earlier: Iterable[Mail]) -> bool:
    return any(delivery_id in mail.merged for mail in earlier)


def _reached(notice: Notice, earlier: Sequence[Mail], planner: Planner) -> Decision:
    """Return the receivers of a step, or why there are none.

    An update that is always mailed, and the end of an alert or an incident, go to the receivers that have got mails
    about it. If there are none, or for other steps, the routes decide. An incident's update goes to both: the incident
    may be about another segment by now. If other incidents have become part of it, its end also goes to those who have
    got mails about these.
    """
    decision = planner.reached(notice)
    is_end = notice.action in ENDS
    is_update = _is_incident_update(notice)
    if not is_end and not is_update and not _is_always_mailed(notice):
        return decision
    # An end is no news for those whose mails were all cancelled. The delivery log says so (`_is_no_news`).
    about = [mail for mail in earlier if is_end or mail.status is not DeliveryStatus.CANCELLED]
    routes = {mail.addressee: mail.route for mail in about}
    if is_end:
        routes = {receiver.name: route for receiver, route in planner.receivers_of_parts(notice)} | routes
    elif is_update or notice.action in planner.actions:
        routes |= {receiver.name: route for receiver, route in decision.reached}
    known = [
        Reached(receiver, routes[name])
        for name, receiver in planner.routing.receivers.items()
        if name in routes and planner.targets(receiver)
    ]
    return Decision(known, None) if known else decision


def _earlier(box: Mailbox, notice: Notice, event_id: str, deliveries: Deliveries) -> list[Mail]:
    """Return the mails about earlier steps of the same alert or incident, without those about this step itself."""
    return [
        mail
        for mail in box.mails
        if mail.alert_id == notice.alert_id and mail.delivery_id != deliveries.id_of(event_id, mail.addressee)
    ]


def _is_no_news(notice: Notice, receiver: Receiver, earlier: Iterable[Mail]) -> Mail | None:
    """Return a mail that was cancelled if the notice ends something, and every mail about it to the receiver was so."""
    known = [mail for mail in earlier if mail.addressee == receiver.name]
    is_no_news = notice.action in ENDS and all(mail.status is DeliveryStatus.CANCELLED for mail in known)
    return known[-1] if known and is_no_news else None
