"""For whom a text is written: the language that they read, and the time zone in which they are. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from worker.notify.content.language import Words, language_of
from worker.routing.hours import zone_name
from worker.routing.receiver import Language, Receiver


def zone(name: str) -> ZoneInfo:
    """Return the time zone with this name of the IANA database; raise ValueError if there is none."""
    return ZoneInfo(zone_name(name))


#: The name of a time zone, in a model.
TimeZoneName = Annotated[str, AfterValidator(zone_name)]


@dataclass(frozen=True)
class Readers:
    """The language of texts that have no language of their own, the time zone of the readers, and their language."""

    default_language: Language
    time_zone: tzinfo | None = None  # None: each moment is shown in the zone that it came with
    language: Language | None = None  # None: texts are in the language of the response, or in the default one

    def language_of(self, tag: str | None) -> Language:
        """Return the language of a text about a response with this BCP 47 tag; None if there is no response."""
        return self.language or language_of(tag, self.default_language)

    def for_receiver(self, receiver: Receiver) -> "Readers":
        """Return what texts for a receiver are written by, who may have a language and a time zone."""
        return replace(self, language=receiver.language, time_zone=receiver.zone or self.time_zone)

    def moment(self, words: Words) -> Callable[[datetime], str]:
        """Return the function that formats a moment, in the language of `words` and in the readers' time zone."""
        return lambda moment: words.moment(self.local(moment))

    def local(self, moment: datetime) -> datetime:
        """Return a moment in the readers' time zone."""
        if self.time_zone is None:
            return moment
        try:
            return moment.astimezone(self.time_zone)
        except OverflowError:  # the moment is on the first or the last day that a datetime can have
            return moment
