"""The servers of a channel, each with a dispatcher of its own: the outage of one server does not hold back the others.

All mails go to one mail server. A webhook or a chat has a server for each of its receivers. Pure, like dispatcher.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from worker.errors import DeliveryError
from worker.notify import mailbox
from worker.notify.dispatcher import Dispatcher, Limits, Moment, Slow, Verdict
from worker.notify.mailbox import Mail
from worker.notify.outage import Outages
from worker.notify.schedule import MailRef, Standing


class Servers:
    """The dispatchers of a channel's servers, by the name of the server.

    `server_of` returns the name of the server to which a mail of a route goes. `limits` and `longest_wait` are those of
    each dispatcher. `outages`: those of the servers, if others send to them, too.
    """

    def __init__(
        self, limits: Limits, longest_wait: int, server_of: Callable[[str], str], outages: Outages | None = None
    ) -> None:
        self._limits = limits
        self._longest_wait = longest_wait
        self._server_of = server_of
        self._outages = outages or Outages()
        self._dispatchers: dict[str, Dispatcher] = {}
        # The names of the servers to which the open mails of a row go, by the row's partition and key.
        self._named_in: dict[tuple[int, bytes], frozenset[str]] = {}
        # The name of the server to which a mail in flight goes.
        self._in_flight: dict[MailRef, str] = {}
        # Mails that were taken for a server while the last attempt, to another server, was not over yet. They wait for
        # that.
        self._held: dict[MailRef, Dispatcher] = {}
        self._is_paused = False

    # -- Partitions and their rows.

    def note_rows(self, partition: int, rows: Mapping[bytes, bytes | None], now: Moment) -> None:
        """Note which mails of these rows are open now, and when each may be sent."""
        for key, row in rows.items():
            mails: dict[str, list[Mail]] = defaultdict(list)
            if row and mailbox.has_open(row):
                for mail in mailbox.decode(row).mails:
                    if mail.is_tried:
                        mails[self._server_of(mail.addressee)].append(mail)
            for name in self._named_in.pop((partition, key), frozenset()) - mails.keys():
                self.of(name).put(partition, key, [], now)
            for name, some in mails.items():
                self.of(name).put(partition, key, some, now)
            if mails:
                self._named_in[partition, key] = frozenset(mails)

    def pause(self) -> None:
        """Return no more mails until `resume`, since other workers own the partitions now, or will soon."""
        self._is_paused = True
        for dispatcher in self._dispatchers.values():
            dispatcher.pause()

    def forget_all(self) -> None:
        """Forget the mails of all partitions. Their next owner reads the open ones from the rows."""
        self._named_in.clear()
        for dispatcher in self._dispatchers.values():
            dispatcher.forget_all()

    def resume(self) -> None:
        """Return mails again."""
        self._is_paused = False
        for dispatcher in self._dispatchers.values():
            dispatcher.resume()

    def is_open(self, ref: MailRef) -> bool:
        """Say whether a mail is open."""
        names = self._named_in.get((ref.partition, ref.key), frozenset())
        return any(self.of(name).schedule.is_open(ref) for name in names)

    def hold(self, ref: MailRef, until: int, now: Moment) -> None:
        """Let a mail in flight wait until a time of the wall clock, because of its receiver's quiet hours."""
        self.of(self.name_of(ref)).hold(ref, until, now)

    def hasten_silenced(self, silence_id: str, now: int) -> None:
        """Let all mails be tried now that a silence holds back, since the silence has changed."""
        for dispatcher in self._dispatchers.values():
            dispatcher.schedule.hasten_silenced(silence_id, now)

    def hasten_shortened(self, over_at: Callable[[str], int | None], now: int, partition: int | None = None) -> None:
        """Let all mails be tried now whose rows name a later time than that at which their silence is over."""
        for dispatcher in self._dispatchers.values():
            dispatcher.schedule.hasten_shortened(over_at, now, partition)

    def hasten(self, ref: MailRef, now: int) -> None:
        """Let a mail in flight be tried again at once, if it is still open then."""
        self.of(self.name_of(ref)).schedule.hasten(ref, now)

    def forget(self, ref: MailRef) -> None:
        """Remove a mail in flight that is not open any more."""
        self.of(self.name_of(ref)).schedule.forget(ref)

    # -- The next mails.

    def take_due(self, now: int) -> list[MailRef]:
        """Return the due mails that the limits of each server allow. They are in flight from now on."""
        taken: list[MailRef] = []
        for name, dispatcher in self._dispatchers.items():
            for ref in dispatcher.take_due(now):
                if ref in self._in_flight:
                    self._held[ref] = dispatcher
                else:
                    self._in_flight[ref] = name
                    taken.append(ref)
        return taken

    def next_at(self, now: int) -> int | None:
        """Return when to call `take_due` again if nothing happens before; None if only an event can matter."""
        return _earliest(dispatcher.next_at(now) for dispatcher in self._dispatchers.values())

    def pending(self, now: int) -> int:
        """Return how many mails are due or in flight. Deferred mails count once they are due."""
        return sum(dispatcher.pending(now) for dispatcher in self._dispatchers.values())

    def idle_until(self, now: int) -> int | None:
        """Return when the next mail is tried; None if there is no open mail, or while a mail is in flight."""
        if any(dispatcher.is_sending for dispatcher in self._dispatchers.values()):
            return None
        return _earliest(dispatcher.idle_until(now) for dispatcher in self._dispatchers.values())

    def standing(self, now: int) -> Standing:
        """Return how many mails are to be sent, and how many are held back. `now`: by the wall clock."""
        found = [dispatcher.schedule.standing(now) for dispatcher in self._dispatchers.values()]
        oldest = _earliest(standing.oldest for standing in found)
        return Standing(sum(one.unsent for one in found), sum(one.held for one in found), oldest)

    def in_outage(self) -> list[str]:
        """Return the names of the servers that have an outage."""
        return [name for name, dispatcher in self._dispatchers.items() if dispatcher.outage.until is not None]

    def slow_to_warn_of(self, now: int) -> list[tuple[str, Slow]]:
        """Return the slow mails that a warning is due about, with the name of their server."""
        found = ((name, dispatcher.slow_to_warn_of(now)) for name, dispatcher in self._dispatchers.items())
        return [(name, slow) for name, slow in found if slow is not None]

    # -- The mails in flight.

    def note_answered(self, ref: MailRef, now: int) -> bool:
        """Note that its server has answered about a mail. Return whether an outage has ended."""
        return self._sent_by(ref).note_answered(ref, now)

    def note_attempt_end(self, ref: MailRef) -> None:
        """Note that the attempt has ended: the mail was accepted or refused, or there was no answer."""
        self._sent_by(ref).note_attempt_end(ref)

    def note_accepted(self, ref: MailRef, now: int) -> bool:
        """Note that a mail was accepted. Return whether an outage of its server has ended."""
        return self._sent_by(ref).note_accepted(ref, now)

    def judge(self, ref: MailRef, error: DeliveryError, now: int) -> Verdict:
        """Note an attempt that failed for every receiver, and return what it means."""
        return self._sent_by(ref).judge(ref, error, now)

    def note_end(self, ref: MailRef) -> None:
        """End the flight of a mail. If the mail is still open, it will be tried again."""
        self._sent_by(ref).note_end(ref)
        self._in_flight.pop(ref, None)
        held = self._held.pop(ref, None)
        if held is not None:
            held.note_end(ref)

    def name_of(self, ref: MailRef) -> str:
        """Return the name of the server to which a mail in flight goes."""
        return self._in_flight.get(ref, "")

    def of(self, name: str) -> Dispatcher:
        """Return the dispatcher of the server with this name."""
        found = self._dispatchers.get(name)
        if found is None:
            found = self._dispatchers[name] = Dispatcher(self._limits, self._longest_wait, self._outages.of(name))
            if self._is_paused:
                found.pause()
        return found

    def _sent_by(self, ref: MailRef) -> Dispatcher:
        return self.of(self.name_of(ref))


def _earliest(times: Iterable[int | None]) -> int | None:
    return min((time for time in times if time is not None), default=None)
