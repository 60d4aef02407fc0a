"""Which receivers hear of an alert: routes, matched by segment prefix and severity."""

from collections.abc import Iterable

from pydantic import Field, field_validator

from schemas.alert import Alert, Severity
from worker.address import check_address
from worker.flow.policy import Section

_RANK = {Severity.WARNING: 0, Severity.ERROR: 1, Severity.CRITICAL: 2}


class Route(Section):
    """One route: alerts of this part of the tree, from this severity up, go to these receivers."""

    name: str = Field(min_length=1, max_length=100)
    segment: str = Field(default="", description="Path prefix, such as 'fr/shop-3'; empty matches every segment.")
    min_severity: Severity = Severity.WARNING
    to: list[str] = Field(min_length=1, description="Receivers; they share one mail.")
    then_continue: bool = Field(default=False, description="Look at the following routes as well.")

    @field_validator("to")
    @classmethod
    def _addresses(cls, to: list[str]) -> list[str]:
        return [check_address(address) for address in to]

    @field_validator("segment")
    @classmethod
    def _path(cls, segment: str) -> str:
        # 'fr/shop-3/' would match nothing, in silence.
        return segment.strip("/")

    def matches(self, alert: Alert) -> bool:
        """Say whether the alert's segment lies under this route's, and is severe enough."""
        under = not self.segment or alert.segment == self.segment or alert.segment.startswith(self.segment + "/")
        return under and _RANK[alert.severity] >= _RANK[self.min_severity]


def routes_for(alert: Alert, routes: Iterable[Route]) -> list[Route]:
    """Return the routes an alert takes: the first that matches, and later ones while `then_continue` says so."""
    taken: list[Route] = []
    for route in routes:
        if route.matches(alert):
            taken.append(route)
            if not route.then_continue:
                break
    return taken
