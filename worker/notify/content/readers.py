"""For whom a text is written: the language that they read, and the time zone in which they are. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator

from worker.notify.content.language import Language, Words


def zone(name: str) -> ZoneInfo:
    """Return the time zone with this name of the IANA database; raise ValueError if there is none."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("is not a time zone of the IANA database, such as 'Europe/Paris'") from None


#: The name of a time zone, in a model.
TimeZoneName = Annotated[str, AfterValidator(lambda name: zone(name).key)]


@dataclass(frozen=True)
class Readers:
    """The language of texts that have no language of their own, and the time zone of the readers."""

    default_language: Language
    time_zone: tzinfo | None = None  # None: each moment is shown in the zone that it came with

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
