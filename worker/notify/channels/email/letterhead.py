"""The properties that all mails share: the sender, the address for replies, the language, the time zone. Pure."""

from dataclasses import dataclass
from datetime import tzinfo

from worker.notify.content.language import Language, Words
from worker.notify.content.readers import Readers


@dataclass(frozen=True)
class Letterhead:
    """The properties of all mails. Addresses are plain ones. Without `reply_to`, replies go to the sender."""

    sender: str
    default_language: Language
    sender_name: str = ""  # what mail programs show in place of the sender's address
    reply_to: str | None = None
    time_zone: tzinfo | None = None  # None: each moment is shown in the zone that it came with

    @property
    def readers(self) -> Readers:
        """For whom mails are written."""
        return Readers(self.default_language, self.time_zone)

    @property
    def domain(self) -> str:
        """The sender's domain, for Message-IDs."""
        return self.sender.rpartition("@")[2]

    def replies(self, words: Words) -> str:
        """Say that the mail was sent by a program, and whether anybody reads the replies to it."""
        return words.unread if self.reply_to is None else words.answerable.format(address=self.reply_to)
