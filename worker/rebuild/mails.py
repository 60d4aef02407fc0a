"""The outbox again: alerts say which mails had to be sent, and the delivery log says what became of each mail.

A mail that was sent, failed or was cancelled is settled, and never sent again. A mail that still waits goes on waiting
if it is young enough. An older one is cancelled, with a line in the delivery log, since a late mail does more harm than
good. If the worker had already planned an alert without a mail that the routes ask for now, this mail is not sent.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from schemas.delivery import Delivery, DeliveryStatus
from worker.flow import events
from worker.flow.batch import Decided, Output, Record
from worker.flow.timestamps import to_ms
from worker.notify import mailbox, planning, receiver_planning
from worker.notify.deliveries import HANDED_OVER, MERGED, RELEASED
from worker.notify.digest import Member, Members
from worker.notify.forwarded import Spread
from worker.notify.mailbox import Mail, Mailbox
from worker.notify.planning import Planner
from worker.rebuild.records import apply

#: In the delivery log: why a mail that waited is not sent any more.
TOO_OLD = "too_old_at_rebuild"
_OPEN = frozenset({DeliveryStatus.PENDING, DeliveryStatus.DEFERRED})


class _Outcome(NamedTuple):
    """What has become of a mail so far."""

    status: DeliveryStatus
    #: The number of attempts to send it.
    attempts: int
    #: When it is tried next, in ms; 0 if it has not been tried, or if it is settled.
    due: int
    #: Whether the plan of its receiver has it, since a silence has held it back, or since it reports an erasure.
    is_in_plan: bool = False
    #: The id of the silence that holds it back where it is; empty if none does.
    silence: str = ""


class Mails:
    """The outbox of one partition, planned from its alerts; or its plans of receivers, from forwarded notices.

    `planned_until`: the offset up to which the worker had planned the records; `oldest`: the time, in ms, before which
    an alert is too old for its mails to be sent; `now`: in ms. `spread`: where the plans of receivers are. `rows` are
    those of the outbox, and `outputs` are the records to publish, which are not on their topics yet. `settled` and
    `suppressed` are numbers of mails.
    """

    def __init__(
        self, planner: Planner, planned_until: int, oldest: int, now: int, spread: Spread | None = None
    ) -> None:
        self._planner = planner
        self._spread = spread
        self._planned_until = planned_until
        self._oldest = oldest
        self._now = now
        self._outcomes: dict[str, _Outcome] = {}
        self._known: set[tuple[str, int, str]] = set()
        self.rows: dict[bytes, bytes] = {}
        self.outputs: list[Output] = []
        self.settled = self.suppressed = 0

    @property
    def waiting(self) -> int:
        """The number of mails that wait to be sent."""
        open_boxes = [row for row in self.rows.values() if mailbox.has_open(row)]
        return sum(mail.is_open for row in open_boxes for mail in mailbox.decode(row).mails)

    def learn(self, records: Iterable[Record]) -> None:
        """Take in lines of the delivery log. All lines must be taken in before the alerts are."""
        for record in records:
            if record.value is None:
                continue
            try:
                line = Delivery.model_validate_json(record.value)
            except ValidationError:
                continue  # somebody else has written it, so it says nothing about a mail of the worker
            self._known.add(_identity(line))
            if line.reason == MERGED:
                continue  # another mail has reported the step, or a later one of this id still does
            last = self._outcomes.get(line.delivery_id)
            # A mail that is settled stays so, since a later line may be a replay, or one that a zombie has written.
            if last is None or last.status in _OPEN:
                due = 0 if line.next_attempt_at is None else to_ms(line.next_attempt_at)
                is_of_plan = line.digest_id is not None or line.reason == RELEASED
                is_in_plan = (line.silence_id is not None and is_of_plan) or line.reason == HANDED_OVER
                is_in_plan |= last is not None and last.is_in_plan
                silence = "" if is_of_plan or line.status is not DeliveryStatus.DEFERRED else line.silence_id or ""
                self._outcomes[line.delivery_id] = _Outcome(line.status, line.attempt, due, is_in_plan, silence)

    def take(self, records: Iterable[Record]) -> None:
        """Take in alerts and incidents in their order."""
        for record in records:
            self._take(record)

    def _plan(self, record: Record) -> Decided:
        return planning.plan([record], self._planner, self.rows.get, self._spread)

    def _take(self, record: Record) -> None:
        decided = self._plan(record)
        boxes = [key for key, row in decided.rows.items() if row is not None and mailbox.is_box(key)]
        earlier = {
            mail.delivery_id for key in boxes if key in self.rows for mail in mailbox.decode(self.rows[key]).mails
        }
        apply(self.rows, decided.rows)
        for output in decided.outputs:
            if output.topic != events.DELIVERIES:
                if record.offset >= self._planned_until:
                    self.outputs.append(output)  # a dead letter, or a forwarded notice
            elif record.offset >= self._planned_until or self._is_of(output, earlier):
                self._publish(output)
        for key in boxes:
            self._settle(key, earlier, record)
        self._note(decided.rows)

    def _note(self, changed: Iterable[bytes]) -> None:
        """Note which rows have changed."""

    def _is_of(self, output: Output, mails: set[str]) -> bool:
        return Delivery.model_validate_json(output.value or b"").delivery_id in mails

    def _publish(self, output: Output) -> None:
        """Publish a line of the delivery log unless it is there. A line is missing if a crash came before it."""
        if _identity(Delivery.model_validate_json(output.value or b"")) not in self._known:
            self.outputs.append(output)

    def _settle(self, key: bytes, earlier: set[str], record: Record) -> None:
        """Bring the mails that a record has added in line with the delivery log."""
        box = mailbox.decode(self.rows[key])
        added = [mail for mail in box.mails if mail.delivery_id not in earlier]
        for mail in added:
            outcome = self._outcomes.get(mail.delivery_id)
            if outcome is not None and outcome.is_in_plan and self._spread is not None:
                mail.status, mail.forwarded = DeliveryStatus.SENT, True
                self.rows.pop(mailbox.pending_notice_key(key, mail.delivery_id), None)
            if mail.forwarded:
                continue  # what became of it is known where the receiver's plan is
            if outcome is None and record.offset < self._planned_until and not mailbox.is_digest(key):
                # A digest may have another id than the first time. It only lists what still waits.
                box.mails.remove(mail)
                _merge(mail, box)
            elif outcome is not None and outcome.status not in _OPEN:
                self.settled += 1
                mail.status, mail.attempts, mail.due = outcome[:3]
            elif mail.is_open:
                # The erasure of a customer is never too old.
                self._wait(mail, outcome, is_old=record.timestamp < self._oldest and not mailbox.is_erasure(key))
            if not (mail in box.mails and mail.is_open):
                self.rows.pop(mailbox.pending_notice_key(key, mail.delivery_id), None)
        if added:
            self._keep(key, box)

    def _wait(self, mail: Mail, outcome: _Outcome | None, *, is_old: bool) -> None:
        if outcome is not None:
            mail.status, mail.attempts, mail.due = outcome[:3]
            mail.quiet = mail.quiet and mail.status is DeliveryStatus.DEFERRED and not mail.attempts
            if outcome.silence:
                mail.silence, mail.quiet = outcome.silence, False
        if is_old:
            self.suppressed += 1
            self.outputs.append(self._planner.deliveries.cancel(mail, TOO_OLD, self._now))

    def _keep(self, key: bytes, box: Mailbox) -> None:
        row = mailbox.row_of(key, box) if box.mails else None
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row


class PlannedMails(Mails):
    """The plans of receivers of one partition, and their mails, from the forwarded notices and the ticks.

    `arrived` has the highest offset that has arrived from each partition of the alerts.
    """

    def __init__(self, planner: Planner, planned_until: int, oldest: int, now: int) -> None:
        super().__init__(planner, planned_until, oldest, now)
        self.arrived: Mapping[int, int] = {}
        self._members = Members()

    def _plan(self, record: Record) -> Decided:
        batch = receiver_planning.Batch([record], self.arrived, self._members_of)
        decided = receiver_planning.plan(batch, self._planner, self.rows.get)
        self.arrived = decided.rerouted
        return decided

    def _members_of(self, digest_id: str) -> list[Member]:
        return self._members.of(0, digest_id)

    def _note(self, changed: Iterable[bytes]) -> None:
        self._members.note_rows(0, {key: self.rows.get(key) for key in changed})


def _merge(step: Mail, box: Mailbox) -> None:
    """Note that an earlier mail about the same alert has reported this step, so that a replay of it plans no mail."""
    earlier = [mail for mail in box.mails if (mail.alert_id, mail.addressee) == (step.alert_id, step.addressee)]
    if earlier:
        earlier[-1].merged = [*earlier[-1].merged, step.delivery_id][-planning.MERGED_KEPT :]


def _identity(line: Delivery) -> tuple[str, int, str]:
    return line.delivery_id, line.attempt, line.status
