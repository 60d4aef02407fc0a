"""The silence: which notices are held back, until when, and who wants that for which reason."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from schemas.accepted import AcceptedId
from schemas.alert import Severity
from schemas.base import AwareDatetime, Event

#: The largest number of values of one matcher.
MOST_VALUES = 50
#: The severities of the notices that a silence holds back if it does not say which.
USUAL_SEVERITIES = (Severity.WARNING, Severity.ERROR)

_Texts = Annotated[list[AcceptedId], Field(max_length=MOST_VALUES)]


class SilenceState(StrEnum):
    """Whether somebody has ended a silence. One that was not ended is over at its time `until` all the same."""

    ADDED = "added"
    ENDED = "ended"


class SilenceMatch(Event):
    """Which notices a silence holds back: those that each matcher fits. An unknown matcher is an error."""

    model_config = ConfigDict(extra="forbid")

    segment: str = Field(
        default="", max_length=1_000, description="This segment, such as 'fr/shop-3', and all segments below it."
    )
    kinds: Annotated[
        list[Literal["detractor", "segment_drop", "no_responses", "too_many_segments"]], Field(max_length=MOST_VALUES)
    ] = Field(default=[], description="The kinds of alerts and incidents. Empty: every kind.")
    severities: Annotated[list[Severity], Field(max_length=MOST_VALUES)] = Field(
        default=[], description="The severities. Empty: 'warning' and 'error', but not 'critical'."
    )
    tiers: _Texts = Field(default=[], description="The customer tiers. Empty: every tier, and customers without one.")
    languages: _Texts = Field(
        default=[], description="The languages of responses: 'pt' also fits 'pt-BR'. Empty: every language."
    )
    surveys: _Texts = Field(default=[], description="The surveys, by survey_id. Empty: all.")
    receivers: _Texts = Field(
        default=[],
        description="The names of the receivers whose notices are held back, as the settings call them. Empty: all.",
    )


class Silence(Event):
    """The newest state of a silence."""

    silence_id: str
    version: int = Field(description="1 at first, and higher with each change. A lower version is obsolete.")
    state: str = Field(
        description="'added', or 'ended' if somebody has ended it before its time. It is over at `until` at the latest."
    )
    match: SilenceMatch
    until: AwareDatetime = Field(description="When the silence is over, or would have been over had nobody ended it.")
    reason: str = Field(description="Why somebody wants the silence.")
    created_by: str = Field(description="Who added it: a name, an address or an id.")
    created_at: AwareDatetime
    changed_by: str = Field(description="Who changed it last: added, prolonged, shortened or ended it.")
    changed_at: AwareDatetime
    ended_at: AwareDatetime | None = Field(default=None, description="When it was ended; null if it was not.")
