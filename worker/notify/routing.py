"""Routes: which receivers get an alert or an incident, by its kind, its segment and its severity."""

from collections.abc import Iterable
from typing import Literal, Protocol

from pydantic import Field, field_validator

from schemas.alert import Severity
from worker.lineage import canonical_path
from worker.section import Section

Kind = Literal["detractor", "segment_drop", "no_responses", "too_many_segments"]

_RANK = {Severity.WARNING: 0, Severity.ERROR: 1, Severity.CRITICAL: 2}


class Routable(Protocol):
    """The properties by which a route matches an alert or an incident."""

    @property
    def kind(self) -> str:
        """The kind of the alert or incident."""

    @property
    def segment(self) -> str:
        """The path of its segment."""

    @property
    def severity(self) -> Severity:
        """Its severity."""


class Route(Section):
    """One route. It takes notices of a part of the tree, of some kinds and from a severity on, to its receivers.

    The channel defines what a receiver is. It may derive a class from this one, to check its receivers.
    """

    name: str = Field(min_length=1, max_length=100, description="The name of the route, which no other route has.")
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
    to: list[str] = Field(min_length=1, description="The receivers, who share one mail.")
    then_continue: bool = Field(default=False, description="Whether the worker also tries the routes after this one.")

    @field_validator("segment")
    @classmethod
    def _path(cls, segment: str) -> str:
        # As answers are spelled: "fr/shop-3/" or another writing of "Montréal" would match nothing, in silence.
        return canonical_path(segment)

    def identity(self, receiver: str) -> str:
        """Return a text that is equal for all spellings of a receiver; by default the receiver itself."""
        return receiver

    def matches(self, notice: Routable) -> bool:
        """Say whether the route takes a notice, by its kind, its severity and its segment, which may be a lower one."""
        asked_for = not self.kinds or notice.kind in self.kinds
        under = not self.segment or f"{canonical_path(notice.segment)}/".startswith(f"{self.segment}/")
        return asked_for and under and _RANK[notice.severity] >= _RANK[self.min_severity]


def routes_for(notice: Routable, routes: Iterable[Route]) -> list[Route]:
    """Return the routes that take a notice: the first that matches, and later ones while `then_continue` is set."""
    taken: list[Route] = []
    for route in routes:
        if route.matches(notice):
            taken.append(route)
            if not route.then_continue:
                break
    return taken
