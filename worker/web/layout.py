"""What stands around every page: its navigation, the other language, and how old the data is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from urllib.parse import urlencode

from worker.notify.content.language import WORDS
from worker.routing.receiver import Language
from worker.web.notation import DAY, HOUR, MINUTE, Notation
from worker.web.visit import Visit
from worker.web.words.layout import LAYOUT_WORDS, LayoutWords

#: The sections of the navigation: their addresses, and how the paths of their pages begin.
SECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "overview": ("/", ()),
    "tree": ("/tree", ("/tree", "/compare", "/heat")),
    "cases": ("/cases", ("/cases", "/case", "/loop")),
    "why": ("/answers", ("/answers", "/dead-letters", "/deliveries", "/digests", "/silences", "/incidents")),
}
#: From this age of the data on, the page says that it may be out of date, in ms.
_STALE = 2 * MINUTE


class Fresh(Protocol):
    """How old the data is."""

    @property
    def caught_up(self) -> bool:
        """Whether everything that is shown was read once."""

    @property
    def age_ms(self) -> int:
        """For how long it has not been known whether there is something newer, in ms."""


class Section(NamedTuple):
    """An entry of the navigation."""

    label: str
    address: str
    current: bool


@dataclass(frozen=True)
class Layout:
    """The values of layout.html.j2."""

    language: Language
    words: LayoutWords
    #: What stands between a name and what it names: in French, a space precedes the colon.
    colon: str
    sections: tuple[Section, ...]
    #: How old the data is, as a sentence.
    as_of: str
    #: A sentence to be shown above the page if the data is old; empty if not.
    stale: str
    caught_up: bool


def layout(visit: Visit, fresh: Fresh) -> Layout:
    """Return what stands around a page."""
    words, notation = LAYOUT_WORDS[visit.language], Notation(visit.language, visit.readers)
    age = fresh.age_ms
    return Layout(
        visit.language,
        words,
        WORDS[visit.language].colon,
        tuple(
            Section(words.sections[name], address, _is_current(visit.path, address, beginnings))
            for name, (address, beginnings) in SECTIONS.items()
        ),
        words.as_of.format(when=notation.moment(visit.now - age)),
        words.stale.format(age=age_in_words(age, words)) if age >= _STALE else "",
        fresh.caught_up,
    )


def address_of(path: str, query: Mapping[str, str], **changes: str | int | None) -> str:
    """Return the address of a page of this site. `changes`: parts of the query that are other ones; None omits one."""
    parts = {name: str(value) for name, value in {**query, **changes}.items() if value is not None and value != ""}
    return f"{path}?{urlencode(parts)}" if parts else path


def age_in_words(age: int, words: LayoutWords) -> str:
    """Return an age in its largest whole unit; `age`: in ms."""
    for unit, (one, more) in ((DAY, words.days), (HOUR, words.hours), (MINUTE, words.minutes)):
        if age >= unit:
            number = age // unit
            return one if number == 1 else more.format(n=number)
    return words.minutes[0]


def _is_current(path: str, address: str, beginnings: tuple[str, ...]) -> bool:
    return path == address or any(path == each or path.startswith(each + "/") for each in beginnings)
