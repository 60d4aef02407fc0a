"""The properties that all mails share: the sender, the address for replies, the language, the time zone. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo

from worker.notify.channels.email.language import Language, Words


@dataclass(frozen=True)
class Letterhead:
    """The properties of all mails. Addresses are plain ones. Without `reply_to`, replies go to the sender."""

    sender: str
    default_language: Language
    sender_name: str = ""  # what mail programs show in place of the sender's address
    reply_to: str | None = None
    time_zone: tzinfo | None = None  # None: each moment is shown in the zone that it came with

    @property
    def domain(self) -> str:
        """The sender's domain, for Message-IDs."""
        return self.sender.rpartition("@")[2]

    def replies(self, words: Words) -> str:
        """Say that the mail was sent by a program, and whether anybody reads the replies to it."""
        return words.unread if self.reply_to is None else words.answerable.format(address=self.reply_to)

    def moment(self, words: Words) -> Callable[[datetime], str]:
        """Return the function that formats a moment, in the language of `words` and in the readers' time zone."""
        return lambda moment: words.moment(self._local(moment))

    def _local(self, moment: datetime) -> datetime:
        if self.time_zone is None:
            return moment
        try:
            return moment.astimezone(self.time_zone)
        except OverflowError:  # the moment is on the first or the last day that a datetime can have
            return moment
