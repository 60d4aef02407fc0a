"""The properties that all mails share: the sender, the address for replies, the language, the time zone. Pure."""

from dataclasses import dataclass, replace
from datetime import tzinfo

from worker.links.signing import Links
from worker.notify.content.language import Words
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language, Receiver


@dataclass(frozen=True)
class Letterhead:
    """The properties of all mails. Addresses are plain ones. Without `reply_to`, replies go to the sender."""

    sender: str
    default_language: Language
    sender_name: str = ""  # what mail programs show in place of the sender's address
    reply_to: str | None = None
    time_zone: tzinfo | None = None  # None: each moment is shown in the zone that it came with
    language: Language | None = None  # the receiver's language; None: the response's, or the default
    links: Links | None = None  # what makes the links to acknowledge and resolve an alert; None: mails have none

    @property
    def readers(self) -> Readers:
        """For whom mails are written."""
        return Readers(self.default_language, self.time_zone, self.language)

    @property
    def domain(self) -> str:
        """The sender's domain, for Message-IDs."""
        return self.sender.rpartition("@")[2]

    def for_receiver(self, receiver: Receiver) -> "Letterhead":
        """Return the properties of the mails to a receiver, who may have a language and a time zone."""
        if receiver.language is None and receiver.zone is None:
            return self
        return replace(self, language=receiver.language, time_zone=receiver.zone or self.time_zone)

    def replies(self, words: Words) -> str:
        """Say that the mail was sent by a program, and whether anybody reads the replies to it."""
        return words.unread if self.reply_to is None else words.answerable.format(address=self.reply_to)
