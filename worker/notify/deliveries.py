"""The deliveries of a channel: ids of mails, changes of their status, and the lines of the delivery log. Pure."""

from typing import NamedTuple

from schemas.delivery import Delivery, DeliveryStatus
from schemas.emitted import emitted
from worker.errors import DeliveryError
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.ids import make_id
from worker.flow.timestamps import from_ms, rfc3339
from worker.notify.mailbox import Mail
from worker.notify.retry import RetryPolicy

#: The reason in the delivery log for a mail that waits for its receiver's next working time.
QUIET_HOURS = "quiet_hours"
#: The reason for a mail that a silence holds back, and for a reminder that is not sent because of one.
SILENCED = "silenced"
#: The reason for a mail that has waited for a digest, and goes out alone after all.
RELEASED = "released"
#: The reason for a mail whose notice was listed in a digest that was accepted.
IN_DIGEST = "in_digest"
#: The reason for a notice that such a digest has only counted, since it was too long to list all of them.
COUNTED_IN_DIGEST = "counted_in_digest"
#: The reason for a mail that the outbox has handed over to the plan of its receiver, because of a silence, or since it
#: reports an erasure.
HANDED_OVER = "handed_over"
#: The reason for a notice that is not true, or not of use, any more when it would be sent.
NO_LONGER_NEWS = "no_longer_news"
#: The reason for a step of an alert that a waiting mail reports, so that it is no mail of its own.
MERGED = "merged"

_Delivery = emitted(Delivery)


def final_reason(error: DeliveryError) -> str:
    """Return the reason of a mail that is not tried again after this error."""
    return f"gave_up_{error.reason}" if error.retry else error.reason


class Deliveries(NamedTuple):
    """The deliveries of one channel.

    Each method that changes a mail returns the line of the delivery log about the change. `now` is in ms.
    """

    #: The channel's name in the delivery log. The ids of deliveries depend on it.
    channel: str

    def id_of(self, event_id: str, receiver: str) -> str:
        """Return the id of the delivery of an event to a receiver. It is the same at each attempt and replay."""
        return make_id("delivery", self.channel, event_id, receiver)

    def succeed(self, mail: Mail, now: int) -> Output:
        """Settle a mail that was accepted."""
        mail.attempts += 1
        return self.settle(mail, DeliveryStatus.SENT, "accepted", now)

    def fail(self, mail: Mail, error: DeliveryError, now: int, policy: RetryPolicy) -> Output:
        """Defer a mail that was not accepted, or settle it if it is not tried again."""
        mail.attempts += 1
        mail.unsure = mail.unsure or error.unsure
        delay = policy.delay(mail.attempts) if error.retry else None
        if delay is None:
            return self.settle(mail, DeliveryStatus.FAILED, final_reason(error), now)
        mail.status, mail.quiet, mail.silence = DeliveryStatus.DEFERRED, False, ""
        if error.retry_to is not None:
            mail.left = list(error.retry_to)
        mail.due = now + int(max(delay.total_seconds(), error.retry_after) * 1_000)
        return self.line(mail, error.reason, now)

    def hold(self, mail: Mail, until: int, now: int) -> Output:
        """Defer a mail because of its receiver's quiet hours. `until`: when they end."""
        mail.status, mail.due, mail.quiet, mail.silence = DeliveryStatus.DEFERRED, until, True, ""
        return self.line(mail, QUIET_HOURS, now, until)

    def silence(self, mail: Mail, silence_id: str, until: int, now: int) -> Output:
        """Defer a mail because of a silence. `until`: when it is over, or when the digest about it is due."""
        mail.status, mail.due, mail.quiet, mail.silence = DeliveryStatus.DEFERRED, until, False, silence_id
        digest_id = mail.digest or None
        return self.line(mail, SILENCED, now, until, digest_id=digest_id, silence_id=silence_id)

    def hand_over(self, mail: Mail, silence_id: str, now: int) -> Output:
        """Defer a mail until the plan of its receiver decides about it. `silence_id`: empty without a silence."""
        mail.status, mail.due = DeliveryStatus.DEFERRED, now
        return self.line(mail, HANDED_OVER, now, HANDED_OVER, silence_id=silence_id or None)

    def drop(self, mail: Mail, silence_id: str, now: int) -> Output:
        """Settle a reminder that a silence holds back, which nobody would need later."""
        mail.status, mail.left, mail.silence = DeliveryStatus.CANCELLED, None, silence_id
        return self.line(mail, SILENCED, now, silence_id=silence_id)

    def cancel(self, mail: Mail, reason: str, now: int) -> Output:
        """Settle a mail that must not be sent any more."""
        return self.settle(mail, DeliveryStatus.CANCELLED, reason, now)

    def settle(
        self, mail: Mail, status: DeliveryStatus, reason: str, now: int, *, digest_id: str | None = None
    ) -> Output:
        """Set the final status of a mail. `digest_id`: the digest that its notice was listed in."""
        mail.status, mail.left, mail.others = status, None, []
        return self.line(mail, reason, now, digest_id=digest_id)

    def gather(self, mail: Mail, reason: str, now: int, *, inhibited_by: str | None = None) -> Output:
        """Defer a mail whose notice waits for a digest, which `mail.digest` and `mail.due` are about.

        `inhibited_by`: the open incident because of which it waits.
        """
        mail.status, mail.quiet = DeliveryStatus.DEFERRED, False
        return self.line(mail, reason, now, now, digest_id=mail.digest, inhibited_by=inhibited_by)

    def release(self, mail: Mail, now: int, silence_id: str | None = None) -> Output:
        """Let a mail that has waited for a digest be sent alone.

        `silence_id`: the silence because of which the receiver's plan has it, if it has not waited there.
        """
        mail.status, mail.due, mail.digest, mail.silence, mail.quiet = DeliveryStatus.PENDING, 0, "", "", False
        return self.line(mail, RELEASED, now, now, silence_id=silence_id)

    def leave_out(self, delivery_id: str, earlier: Mail, reason: str, now: int) -> Output:
        """Return a line which says that a step is no mail of its own, or not news for the receiver of an earlier mail.

        `delivery_id`: the id that its mail would have had.
        """
        mail = Mail(delivery_id, earlier.alert_id, earlier.route, DeliveryStatus.CANCELLED, 0, now, 0)
        mail.address_to(earlier.addressee, earlier.route)
        return self.line(mail, reason, now, reason)

    def nobody(self, alert_id: str, event_id: str, reason: str, now: int) -> Output:
        """Return a line which says that an event has no receiver."""
        unaddressed = Mail(self.id_of(event_id, ""), alert_id, "", DeliveryStatus.NOBODY, 0, now, 0)
        return self.line(unaddressed, reason, now)

    def line(
        self,
        mail: Mail,
        reason: str,
        now: int,
        *more: int | str,
        digest_id: str | None = None,
        inhibited_by: str | None = None,
        silence_id: str | None = None,
    ) -> Output:
        """Return a line about the current state of a mail. `more` distinguishes lines with the same state.

        The key of the record is the alert's id, since a customer's id would stay after the erasure of the customer.
        """
        body = _Delivery(
            delivery_id=mail.delivery_id,
            alert_id=mail.alert_id,
            channel=self.channel,
            route=mail.route,
            receiver=mail.addressee,
            status=mail.status,
            attempt=mail.attempts,
            reason=reason,
            at=from_ms(now),
            next_attempt_at=from_ms(mail.due) if mail.status is DeliveryStatus.DEFERRED else None,
            digest_id=digest_id,
            inhibited_by=inhibited_by,
            silence_id=silence_id,
        )
        event_id = make_id("delivery-log", mail.delivery_id, mail.attempts, mail.status, *more)
        return events.output(events.DELIVERY, mail.alert_id.encode(), body, event_id, rfc3339(now))
