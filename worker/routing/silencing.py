"""Which notices a silence holds back: its matchers, with the meaning that they have in routes. Pure.

A silence has two matchers more than a route. `receivers` names the receivers whose notices wait. `severities` lists
severities, since a silence is rather about the less severe notices: without it, critical ones are not held back.
"""

from collections.abc import Collection

from pydantic import ValidationError

from schemas.dead_letter import Reason
from schemas.silence import USUAL_SEVERITIES, SilenceMatch
from worker.errors import Rejected
from worker.routing.comment import plain
from worker.routing.matching import Matchers
from worker.routing.routable import Routable


class Silencing:
    """The matchers of a silence. Raise Rejected if one of them is wrong, or if there is none."""

    def __init__(self, match: SilenceMatch) -> None:
        matchers = _matchers(match)
        #: The matchers in the form in which they are compared.
        self.match = match.model_copy(update={"segment": matchers.segment})
        self._tests = matchers.tests()
        self._severities = frozenset(match.severities or USUAL_SEVERITIES)
        self._receivers = frozenset(map(plain, match.receivers))

    def fits(self, event: Routable, receivers: Collection[str]) -> bool:
        """Say whether a notice is held back. `receivers`: the names in the settings of the one who would get it."""
        return (
            event.severity in self._severities
            and (not self._receivers or not self._receivers.isdisjoint(map(plain, receivers)))
            and all(fits(event) for fits in self._tests)
        )


def _matchers(match: SilenceMatch) -> Matchers:
    try:
        found = Matchers(
            segment=match.segment,
            kinds=match.kinds,
            tiers=match.tiers,
            languages=match.languages,
            surveys=match.surveys,
        )
    except ValidationError as error:
        field, message = error.errors(include_input=False)[0]["loc"][0], "has an empty text, which no event has"
        raise Rejected(Reason.WRONG_TYPE, f"match: {field} {message}") from None
    if not (found.set_keys or match.severities or match.receivers):
        raise Rejected(Reason.MISSING_FIELD, "match: needs at least one matcher, or it would hold back everything")
    return found
