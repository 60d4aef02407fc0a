"""An outage of the mail server: nobody's mail is to blame, so none of them waits for long.

While it lasts, one mail at a time is tried now and then, in case the server is back; then everything that is due goes
out at once. (Release It!'s circuit breaker, 2nd edition, chapter 5; Postfix calls such a destination dead.)

A server that refuses every mail for good ("relay access denied") is out as well, though each single reply is about one
mail. So such a reply is not believed until the server has accepted another mail since: `Refusals`.
"""

from collections import defaultdict
from collections.abc import Hashable
from enum import Enum, auto

_FIRST_MS = 1_000
_LONGEST_MS = 30_000
#: So many different mails, refused for good with the same reply and with no success between, are everybody's fate.
_EVERYBODY = 3


class Outage:
    """Whether there is one, and when the server is tried next. Times in ms, of a clock that only moves forward."""

    def __init__(self) -> None:
        self._wait = 0
        self._until = 0
        self._refusing = False

    @property
    def until(self) -> int | None:
        """When to try again; None if there is no outage."""
        return self._until if self._wait else None

    def begins(self, now: int, *, refusing: bool = False) -> bool:
        """Take note that the server could not be used. Say whether that is news: what was under way already is not.

        `refusing`: it can be talked to, but refuses every mail.
        """
        if self._wait and now < self._until:
            return False
        self._refusing = refusing
        self._wait = min(self._wait * 2, _LONGEST_MS) or _FIRST_MS
        self._until = now + self._wait
        return True

    def ends(self, *, accepted: bool) -> bool:
        """Take note that the server has talked about a mail. Say whether that ends an outage.

        `accepted`: it has accepted the mail, which only an outage in which it refuses every mail waits for.
        """
        if not self._wait or (self._refusing and not accepted):
            return False
        self._wait = 0
        return True

    def hands(self, all_of_them: int, now: int) -> int:
        """Return how many mails may be in hand now."""
        if not self._wait:
            return all_of_them
        return 1 if now >= self._until else 0


class Refusal(Enum):
    """What a permanent refusal (5xx) of a mail means."""

    IN_DOUBT = auto()  # the mail is tried again, like after a 4xx
    EVERYBODY = auto()  # it is an outage
    FINAL = auto()  # the server has accepted another mail since it refused this one before


class Refusals:
    """The mails that the server has refused for good while it is not known whether it refuses every mail."""

    def __init__(self) -> None:
        # Whether the server has accepted another mail since.
        self._in_doubt: dict[Hashable, bool] = {}
        self._in_a_row: dict[str, set[Hashable]] = defaultdict(set)

    def refused(self, mail: Hashable, reason: str) -> Refusal:
        """Take note of a refusal for good, and say what it means."""
        if self._in_doubt.get(mail, False):
            del self._in_doubt[mail]
            return Refusal.FINAL
        self._in_doubt[mail] = False
        self._in_a_row[reason].add(mail)
        return Refusal.EVERYBODY if len(self._in_a_row[reason]) >= _EVERYBODY else Refusal.IN_DOUBT

    def accepted(self, mail: Hashable) -> list[Hashable]:
        """Take note of a success. Return the mails in doubt whose next attempt decides, and may be made at once."""
        self._in_doubt.pop(mail, None)
        self._in_a_row.clear()
        waiting = [other for other, since in self._in_doubt.items() if not since]
        self._in_doubt.update(dict.fromkeys(waiting, True))
        return waiting

    def clear(self) -> None:
        """Forget all mails, when they are others' to send."""
        self._in_doubt.clear()
        self._in_a_row.clear()
