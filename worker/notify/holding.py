"""What silences make of a mail that would be sent now. Pure.

What the silences of a receiver hold back comes in a digest of the receiver's plan. So the outbox hands such a mail
over, in two steps: its row notes the silence first, and from then on it is handed over even if the silence is over
meanwhile. Otherwise a crash in between could have a notice sent twice, alone and in the digest.

The report of an erasure is always handed over, so that it comes after what the receiver's plan has sent about the
customer, too.
"""

from dataclasses import dataclass

from schemas.alert import Severity
from schemas.case import CaseAction, CaseStep
from schemas.erasure import Erasure
from worker.notify.attempts import Fate, Silenced
from worker.notify.digest import Member, Opened
from worker.notify.forwarded import Spread
from worker.notify.mailbox import Mail
from worker.notify.notice import Sent, Shown, urgency
from worker.notify.schedule import MailRef
from worker.notify.silenced import NOT_HELD, Hold, KnownSilences
from worker.routing.routing import Routing


@dataclass(frozen=True)
class Holding:
    """The silences, and what can become of the mails of one table that they hold back."""

    known: KnownSilences
    routing: Routing
    #: Whether the table has the plans of receivers.
    has_plans: bool = False
    #: Where the plans of receivers are, if they are in another table; None if they are here, or if there are none.
    spread: Spread | None = None

    def silenced(self, ref: MailRef, mail: Mail, notice: Sent, now: int) -> Silenced | None:
        """Return what silences make of a mail about one notice at a time, in ms; None if they do not hold it back.

        A mail that some receivers may have got is not held back.
        """
        if mail.left is not None or mail.unsure:
            return None
        if isinstance(notice, Erasure):
            return self._reported(mail, now)
        hold = self.known.holding(notice, mail.addressee, self.routing, now)
        if self.spread is not None and mail.silence and not mail.is_about_case:
            hold = hold or self._held_no_more(mail.silence, now)
            return Silenced(Fate.HAND_OVER, hold, place=self.spread.place_of(mail.addressee))
        return None if hold is None else self._held(ref, notice, hold)

    def _held(self, ref: MailRef, notice: Shown, hold: Hold) -> Silenced:
        """Return what becomes of a mail that a silence holds back."""
        if self.has_plans:
            member = Member(ref.key, ref.delivery_id)
            return Silenced(Fate.GATHER, members={member: hold}, is_critical=urgency(notice) is Severity.CRITICAL)
        if isinstance(notice, CaseStep):
            return Silenced(Fate.DROP if notice.action == CaseAction.REMINDED else Fate.WAIT, hold)
        return Silenced(Fate.WAIT if self.spread is None else Fate.MARK, hold)

    def silenced_members(self, digest: Mail, found: Opened, now: int) -> Silenced | None:
        """Return which notices of a digest are held back at a time, in ms; None if it can be sent as it is."""
        if digest.left is not None or digest.unsure:
            return None
        notices = zip(found.listed, (item.notice for item in found.items), strict=True)
        holds = {member: self.known.holding(notice, digest.addressee, self.routing, now) for member, notice in notices}
        held = {member: hold for member, hold in holds.items() if hold is not None}
        return Silenced(Fate.GATHER, members=held) if held else None

    def _reported(self, mail: Mail, now: int) -> Silenced | None:
        """Return that the report of an erasure is handed over; None if it is sent from here.

        If its receiver was removed, it is looked for here who else gets it.
        """
        if self.spread is None or mail.addressee not in self.routing.receivers:
            return None
        return Silenced(Fate.HAND_OVER, Hold("", NOT_HELD, now), place=self.spread.place_of(mail.addressee))

    def _held_no_more(self, silence_id: str, now: int) -> Hold:
        """Return what a mail is handed over with that was marked, and that its silence does not hold back any more.

        If the silence is not over, it does not fit the notice any more, for instance since that has become critical.
        """
        known = self.known.find(silence_id)
        if known is not None and known.hold.until > now:
            return Hold(silence_id, NOT_HELD, now)
        return Hold(silence_id, 1 if known is None else known.hold.version, now)
