"""Outages of the server of a channel. An outage is not the fault of any mail, so no mail gets a long wait for it.

During an outage, one mail at a time is tried from time to time. Once the server can be used again, all mails that are
due are sent at once. (This is the circuit breaker of "Release It!", 2nd edition, chapter 5. Postfix calls such a
destination dead.)

A server that refuses every mail permanently ("relay access denied") has an outage too, although each reply is about a
single mail. So a permanent refusal only counts once the server has accepted another mail afterwards: `Refusals`.
"""

from collections import defaultdict
from collections.abc import Hashable
from enum import Enum, auto

#: The first and the longest wait before the server is tried again, in ms. Each wait is twice as long as the last one.
_FIRST_MS = 1_000
_LONGEST_MS = 30_000
#: If this many different mails were refused permanently with the same reply, and no mail was accepted in between, the
#: server refuses every mail.
_EVERY_MAIL = 3


class Outage:
    """Whether a server has an outage, and when it is tried next. Times are in ms, of a monotonic clock."""

    def __init__(self) -> None:
        self._wait = 0
        self._until = 0
        self._refusing = False
        # Until when the server has asked to be left alone. Until then, no answer to an earlier attempt ends this.
        self._asked_until = 0

    @property
    def until(self) -> int | None:
        """When the server is tried again; None if there is no outage."""
        return self._until if self._wait else None

    def begins(self, now: int, *, refusing: bool = False, at_least: int = 0, asked: bool = False) -> bool:
        """Note that the server could not be used. `refusing`: it answers, but refuses every mail.

        `asked`: the server has asked to be left alone; `at_least`: for how long, in ms, if it has said so. Return
        whether an outage, or its next wait, begins. That is not so if the attempt had begun before.
        """
        is_news = not self._wait or now >= self._until
        if is_news:
            self._refusing = refusing
            self._wait = min(self._wait * 2, _LONGEST_MS) or _FIRST_MS
        self._until = now + max(self._wait, at_least) if is_news else max(self._until, now + at_least)
        if asked:
            self._asked_until = self._until
        return is_news

    def ends(self, now: int, *, accepted: bool) -> bool:
        """Note that the server has answered about a mail. Return whether that ends an outage.

        `accepted`: the server has accepted the mail. Only that ends an outage in which it refuses every mail. While the
        server has asked to be left alone, nothing ends it: other attempts had begun before.
        """
        if not self._wait or now < self._asked_until or (self._refusing and not accepted):
            return False
        self._wait = 0
        return True

    def limit(self, usual: int, now: int) -> int:
        """Return how many mails may be in flight now. `usual`: the limit without an outage."""
        if not self._wait:
            return usual
        return 1 if now >= self._until else 0


class Outages:
    """The outages of the servers of a channel, by the server's name.

    What sends to the same server for several reasons, each with connections of its own, shares what is known of it.
    """

    def __init__(self) -> None:
        self._of: defaultdict[str, Outage] = defaultdict(Outage)

    def of(self, name: str) -> Outage:
        """Return the outage of a server; one that has not begun if nothing is known of it."""
        return self._of[name]


class Refusal(Enum):
    """What a permanent refusal (5xx) of a mail means."""

    IN_DOUBT = auto()  # the mail is tried again, as after a 4xx
    OUTAGE = auto()  # the server refuses every mail
    FINAL = auto()  # the server refuses this mail: since its last refusal, it has accepted another one


class Refusals:
    """The mails that the server has refused permanently while it is not known whether it refuses every mail."""

    def __init__(self) -> None:
        # The refused mails, with whether the server has accepted another mail since.
        self._in_doubt: dict[Hashable, bool] = {}
        # The mails that were refused since the last success, by the reason.
        self._in_a_row: dict[str, set[Hashable]] = defaultdict(set)

    def refused(self, mail: Hashable, reason: str) -> Refusal:
        """Note a permanent refusal, and return what it means."""
        if self._in_doubt.get(mail, False):
            del self._in_doubt[mail]
            return Refusal.FINAL
        self._in_doubt[mail] = False
        self._in_a_row[reason].add(mail)
        return Refusal.OUTAGE if len(self._in_a_row[reason]) >= _EVERY_MAIL else Refusal.IN_DOUBT

    def accepted(self, mail: Hashable) -> list[Hashable]:
        """Note that a mail was accepted. Return the mails in doubt that may be tried now: the next attempt decides."""
        self._in_doubt.pop(mail, None)
        self._in_a_row.clear()
        waiting = [other for other, since in self._in_doubt.items() if not since]
        self._in_doubt.update(dict.fromkeys(waiting, True))
        return waiting

    def clear(self) -> None:
        """Forget all mails, since other workers send them from now on."""
        self._in_doubt.clear()
        self._in_a_row.clear()
