"""Which receivers hear of an alert or an incident: routes, matched by kind, segment prefix and severity."""

from collections.abc import Iterable
from typing import Literal, Protocol

from pydantic import Field, field_validator

from schemas.alert import Severity
from worker.flow.lineage import canonical_path
from worker.flow.policy import Section

Kind = Literal["detractor", "segment_drop", "no_responses", "too_many_segments"]

_RANK = {Severity.WARNING: 0, Severity.ERROR: 1, Severity.CRITICAL: 2}


class Routable(Protocol):
    """What routes look at: alerts and incidents have it."""

    @property
    def kind(self) -> str:
        """What is wrong, in a word."""

    @property
    def segment(self) -> str:
        """Where, as a path."""

    @property
    def severity(self) -> Severity:
        """How bad it is."""


class Route(Section):
    """One route: events of this part of the tree, of these kinds and at least this severe, go to these receivers.

    What a receiver is, the channel says: it may derive its routes from this class, to check them.
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
        """Return a text that two spellings have in common if they name the same receiver: by default each its own."""
        return receiver

    def matches(self, notice: Routable) -> bool:
        """Say whether it is of one of this route's kinds, severe enough, and its segment lies under this route's."""
        asked_for = not self.kinds or notice.kind in self.kinds
        under = not self.segment or f"{canonical_path(notice.segment)}/".startswith(f"{self.segment}/")
        return asked_for and under and _RANK[notice.severity] >= _RANK[self.min_severity]


def routes_for(notice: Routable, routes: Iterable[Route]) -> list[Route]:
    """Return the routes that are taken: the first that matches, and later ones while `then_continue` says so."""
    taken: list[Route] = []
    for route in routes:
        if route.matches(notice):
            taken.append(route)
            if not route.then_continue:
                break
    return taken
