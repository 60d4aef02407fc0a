"""The results of attempts to send mails, as lines of the delivery log and as rows. Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from worker.errors import DeliveryError
from worker.flow.batch import Output
from worker.notify import mailbox
from worker.notify.deliveries import Deliveries
from worker.notify.mailbox import Mail, Mailbox, pending_notice_key
from worker.notify.retry import RetryPolicy
from worker.notify.schedule import Errand


class Outcome(NamedTuple):
    """What came of an attempt.

    `route`: the one that the mail went to. `known`: what had been merged into the mail when it was composed.
    `nobody_left`: why it was not sent at all.
    """

    error: DeliveryError | None
    route: str
    known: list[str]
    nobody_left: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether some receivers have got the mail."""
        return self.nobody_left is None and (self.error is None or self.error.partly)

    @property
    def may_be_accepted(self) -> bool:
        """Whether some may have."""
        return self.is_accepted or (self.error is not None and self.error.unsure)


class Written(NamedTuple):
    """The log's lines, and the rows that stand for them (None erases a row)."""

    lines: list[Output]
    rows: dict[bytes, bytes | None]


def write_down(
    outcomes: Mapping[Errand, Outcome],
    read: Callable[[bytes], bytes | None],
    now: int,
    deliveries: Deliveries,
    policy: RetryPolicy,
) -> Written:
    """Write down what came of a channel's mails of one partition. Those erased or cancelled meanwhile stay so."""
    boxes: dict[bytes, Mailbox] = {}
    lines: list[Output] = []
    pending_notices: dict[bytes, bytes | None] = {}
    for errand, outcome in outcomes.items():
        row = read(errand.key)
        if row is None:
            continue
        box = boxes.get(errand.key) or mailbox.decode(row)
        mail = box.find_open(errand.delivery_id)
        if mail is None:
            continue
        boxes[errand.key] = box
        lines.append(_applied(outcome, mail, now, deliveries, policy))
        pending_notice = pending_notice_key(errand.key, mail.delivery_id)
        later = mailbox.follow_up(box, mail, outcome.known, now) if outcome.may_be_accepted else None
        if later is not None:
            pending_notices[pending_notice_key(errand.key, later.delivery_id)] = read(pending_notice)
            lines.append(deliveries.line(later, "planned", now))
        if not mail.is_open:
            pending_notices[pending_notice] = None
    return Written(lines, pending_notices | {key: mailbox.encode(box) for key, box in boxes.items()})


def _applied(outcome: Outcome, mail: Mail, now: int, deliveries: Deliveries, policy: RetryPolicy) -> Output:
    mail.route = outcome.route
    if outcome.nobody_left is not None:
        return deliveries.cancel(mail, outcome.nobody_left, now)
    if outcome.error is None:
        return deliveries.succeed(mail, now)
    return deliveries.fail(mail, outcome.error, now, policy)
