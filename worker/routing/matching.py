"""What a route asks of an alert or an incident. Each of its matchers has to fit; one that is not set always fits."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import Field, field_validator

from schemas.alert import Severity
from worker.lineage import SEPARATOR, canonical_path
from worker.routing.comment import LONGEST_EXPRESSION, contains, expression, fits, plain
from worker.routing.routable import Routable
from worker.section import Section

Kind = Literal["detractor", "segment_drop", "no_responses", "too_many_segments"]

#: How severe each severity is, compared with the others.
RANK: Mapping[Severity, int] = MappingProxyType({Severity.WARNING: 0, Severity.ERROR: 1, Severity.CRITICAL: 2})


class Matchers(Section):
    """The matchers of a route."""

    segment: str = Field(
        default="",
        description="The route matches this segment, such as 'fr/shop-3', and all segments below it. Empty: every "
        "segment.",
    )
    kinds: list[Kind] = Field(
        default=[], description="The kinds of alerts and incidents that the route matches. Empty: every kind."
    )
    min_severity: Severity = Field(
        default=Severity.WARNING, description="The lowest severity that the route matches: warning, error or critical."
    )
    tiers: list[str] = Field(
        default=[],
        description="The customer tiers that the route matches, such as 'vip'. Empty: every tier, and customers "
        "without one.",
    )
    languages: list[str] = Field(
        default=[],
        description="The languages of responses that the route matches: 'pt' also matches 'pt-BR', but 'pt-BR' does "
        "not match 'pt'. Empty: every language.",
    )
    surveys: list[str] = Field(default=[], description="The surveys that the route matches, by survey_id. Empty: all.")
    follow_up_requested: bool | None = Field(
        default=None,
        description="true: the route matches customers who have asked to be contacted; false: those who have not. "
        "Without it: all customers, and incidents.",
    )
    comment_contains: list[str] = Field(
        default=[],
        max_length=100,
        description="The route matches comments that contain one of these texts; upper and lower case make no "
        "difference. Empty: every comment, and answers without one.",
    )
    comment_matches: str | None = Field(
        default=None,
        max_length=LONGEST_EXPRESSION,
        description="The route matches comments in which this regular expression (RE2) is found; upper and lower case "
        "make no difference. Without it: every comment, and answers without one.",
    )

    @field_validator("segment")
    @classmethod
    def _path(cls, segment: str) -> str:
        # As answers are spelled: "fr/shop-3/" or another writing of "Montréal" would match nothing, in silence.
        return canonical_path(segment)

    @field_validator("tiers", "languages", "surveys", "comment_contains")
    @classmethod
    def _texts(cls, texts: list[str]) -> list[str]:
        if not all(plain(text) for text in texts):
            raise ValueError("has an empty text, which no event has")
        return texts

    @field_validator("comment_matches")
    @classmethod
    def _expression(cls, text: str | None) -> str | None:
        if text is not None:
            expression(text)
        return text

    def tests(self) -> list[Callable[[Routable], bool]]:
        """Return the test of each matcher that is set. An alert or an incident matches if all of them say so."""
        return [partial(_MATCHERS[key].fits, getattr(self, key)) for key in self.set_keys]

    def checks(self, event: Routable) -> list["Check"]:
        """Return what each matcher that is set says about an alert or an incident."""
        return [
            Check(key, getattr(self, key), _MATCHERS[key].found(event), _MATCHERS[key].fits(getattr(self, key), event))
            for key in self.set_keys
        ]

    @property
    def set_keys(self) -> Sequence[str]:
        """The names of the matchers that are set, in the order of the settings. Without any, everything matches."""
        return [key for key in _MATCHERS if getattr(self, key) != Matchers.model_fields[key].default]

    def covers(self, other: "Matchers") -> bool:
        """Say whether these matchers surely fit everything that the other ones fit."""
        return all(
            key in other.set_keys and _MATCHERS[key].covers(getattr(self, key), getattr(other, key))
            for key in self.set_keys
        )

    def excludes(self, other: "Matchers") -> str | None:
        """Return the name of a matcher by which nothing can fit both; None if there is none."""
        both = (key for key in self.set_keys if key in other.set_keys)
        return next((key for key in both if _MATCHERS[key].excludes(getattr(self, key), getattr(other, key))), None)


class Check(NamedTuple):
    """What one matcher says about an alert or an incident."""

    #: The matcher's name.
    key: str
    #: Its value in the settings.
    wanted: Any
    #: What the event has in its place; None if it has nothing. It never quotes a comment.
    found: str | bool | None
    fits: bool


class _Matcher(NamedTuple):
    """One kind of matcher, as functions of its value in the settings."""

    fits: Callable[[Any, Routable], bool]
    found: Callable[[Routable], str | bool | None]
    #: Whether what the second value fits surely fits the first one.
    covers: Callable[[Any, Any], bool]
    #: Whether nothing can fit both values.
    excludes: Callable[[Any, Any], bool]


def _is_below(path: str, segment: str) -> bool:
    return f"{path}{SEPARATOR}".startswith(f"{segment}{SEPARATOR}")


def _is_among(wanted: Sequence[str], found: str | None) -> bool:
    return found is not None and plain(found) in map(plain, wanted)


def _speaks(wanted: Sequence[str], found: str | None) -> bool:
    if found is None:
        return False
    tags = set(_prefixes(found))
    return any(_tag(tag) in tags for tag in wanted)


def _tag(text: str) -> str:
    return text.strip().casefold().replace("_", "-")


def _prefixes(tag: str) -> Iterator[str]:
    """Yield a tag, and what is left of it without its last parts: zh-hant-tw, zh-hant, zh."""
    parts = re.split("-", _tag(tag))
    return ("-".join(parts[:length]) for length in range(len(parts), 0, -1))


def _is_subset(wanted: Sequence[str], other: Sequence[str]) -> bool:
    return {plain(text) for text in other} <= {plain(text) for text in wanted}


def _are_disjoint(wanted: Sequence[str], other: Sequence[str]) -> bool:
    return not {plain(text) for text in other} & {plain(text) for text in wanted}


def _about_comment(event: Routable) -> str:
    return "no comment" if event.comment is None else f"a comment of {len(event.comment)} characters"


def _never(wanted: Any, other: Any) -> bool:
    del wanted, other
    return False


def _equal(wanted: Any, other: Any) -> bool:
    return bool(wanted == other)


def _differ(wanted: Any, other: Any) -> bool:
    return bool(wanted != other)


_MATCHERS: Mapping[str, _Matcher] = MappingProxyType(
    {
        "segment": _Matcher(
            fits=lambda wanted, event: _is_below(event.segment, wanted),
            found=lambda event: event.segment,
            covers=lambda wanted, other: _is_below(other, wanted),
            excludes=lambda wanted, other: not (_is_below(other, wanted) or _is_below(wanted, other)),
        ),
        "kinds": _Matcher(
            fits=lambda wanted, event: event.kind in wanted,
            found=lambda event: event.kind,
            covers=_is_subset,
            excludes=_are_disjoint,
        ),
        "min_severity": _Matcher(
            fits=lambda wanted, event: RANK[event.severity] >= RANK[wanted],
            found=lambda event: event.severity.value,
            covers=lambda wanted, other: RANK[other] >= RANK[wanted],
            excludes=_never,
        ),
        "tiers": _Matcher(
            fits=lambda wanted, event: _is_among(wanted, event.tier),
            found=lambda event: event.tier,
            covers=_is_subset,
            excludes=_are_disjoint,
        ),
        "languages": _Matcher(
            fits=lambda wanted, event: _speaks(wanted, event.language),
            found=lambda event: event.language,
            covers=lambda wanted, other: all(_speaks(wanted, tag) for tag in other),
            excludes=lambda wanted, other: (
                not any(_speaks(wanted, tag) or _speaks([tag], one) for tag in other for one in wanted)
            ),
        ),
        "surveys": _Matcher(
            fits=lambda wanted, event: event.survey in wanted,
            found=lambda event: event.survey,
            covers=lambda wanted, other: {*other} <= {*wanted},
            excludes=lambda wanted, other: not {*other} & {*wanted},
        ),
        "follow_up_requested": _Matcher(
            fits=lambda wanted, event: event.follow_up_requested is wanted,
            found=lambda event: event.follow_up_requested,
            covers=_equal,
            excludes=_differ,
        ),
        "comment_contains": _Matcher(
            fits=lambda wanted, event: event.comment is not None and contains(event.comment, wanted),
            found=_about_comment,
            covers=_is_subset,
            excludes=_never,
        ),
        "comment_matches": _Matcher(
            fits=lambda wanted, event: event.comment is not None and fits(event.comment, wanted),
            found=_about_comment,
            covers=_equal,
            excludes=_never,
        ),
    }
)
