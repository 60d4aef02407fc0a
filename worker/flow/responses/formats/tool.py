"""What is known of a survey tool: how its deliveries are read, and what its settings need."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from worker.flow.responses.formats.outcome import Fetch, Outcomes
from worker.flow.responses.formats.source import Source

#: Reads a delivery: its body and its headers, whose names are in lower case. It never raises.
Read = Callable[[bytes, Mapping[str, str], Source], Outcomes]
#: Reads what was fetched: what the outcome Fetch says, and the bodies by the names of its requests. It never raises if
#: the outcome is one of the tool (`Tool.has_made`).
ReadFetched = Callable[[Fetch, Mapping[str, bytes], Source], Outcomes]


class Listing(NamedTuple):
    """How an API is asked for the answers that are new, if a delivery does not say which those are."""

    #: Returns what has to be fetched if all answers up to a time are known, which is in ms.
    since: Callable[[Fetch, int], Fetch]
    #: Returns up to which time all answers are known after some bodies, in ms; None if further pages follow.
    known_until: Callable[[Fetch, Mapping[str, bytes]], int | None]


class Questions(Enum):
    """Whether the settings have to say which question asks for the score."""

    #: The tool's answers have one score and one comment.
    FIXED = auto()
    #: The adapter finds the score, and can be told where to look.
    OPTIONAL = auto()
    #: Only the settings can say which question asks for the score.
    NEEDED = auto()
    #: Each delivery has one question, and only its id says whether it asks for the score or for the comment. An
    #: expression of the mapping cannot, since it would find its value in the deliveries of both.
    ALONE = auto()


@dataclass(frozen=True)
class Tool:
    """A survey tool. Everything here is pure; HTTP is the matter of the caller."""

    #: The name in the settings, with which the ids of its responses begin.
    name: str
    #: The name that people know.
    title: str
    read: Read
    #: None if the tool's deliveries have the answers.
    read_fetched: ReadFetched | None = None
    questions: Questions = Questions.FIXED
    #: None if each delivery names its answers.
    listing: Listing | None = None
    #: The names of the requests in each outcome Fetch of the tool.
    fetches: AbstractSet[str] = frozenset()
    #: What each outcome Fetch of the tool knows: the types, by the names.
    knows: Mapping[str, type[str] | type[int]] = field(default_factory=dict)

    def has_made(self, fetch: Fetch) -> bool:
        """Return whether an outcome is one of this tool: it may be older than the settings, which have changed."""
        known = (isinstance(fetch.known.get(name), of_type) for name, of_type in self.knows.items())
        return fetch.gets.keys() == self.fetches and all(known)
