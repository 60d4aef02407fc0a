"""The silence command: somebody wants notices to be held back for a while, or not any more."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.accepted import AcceptedId, AcceptedIdIfAny, AcceptedTimeIfAny, AcceptedTimeOrNull
from schemas.base import Event
from schemas.silence import SilenceMatch

#: The largest number of characters of a reason.
LONGEST_REASON = 500


class SilenceAction(StrEnum):
    """What a command does to a silence."""

    ADD = "add"
    END = "end"


class SilenceCommand(Event):
    """One command. The worker answers each record on `nps.silence-command-results`."""

    command_id: AcceptedId = Field(
        description="An id that the writer chooses, such as a UUID. A command that comes again with the same id "
        "changes nothing, and gets the same answer."
    )
    silence_id: AcceptedId = Field(
        description="The id of the silence, which the writer chooses. It should also be the record's key, so that "
        "commands about one silence are carried out in their order."
    )
    action: SilenceAction = Field(
        description="'add': a new silence, or other matchers, another time or another reason of one that is not over. "
        "'end': the silence is over now. It cannot be added again under the same id."
    )
    actor: AcceptedId = Field(description="Who acts: a name, an address or an id.")
    at: AcceptedTimeIfAny = Field(
        default=None,
        description="When the person acted, by the writer's clock. The worker computes with the record's Kafka time. "
        "A value that is not a time is ignored.",
    )
    via: AcceptedIdIfAny = Field(default=None, description="How the command was given, such as 'command line'.")
    match: SilenceMatch | None = Field(
        default=None, description="Which notices are held back. 'add' needs it, with at least one matcher."
    )
    until: AcceptedTimeOrNull = Field(
        default=None, description="When the silence is over, at most 366 days from now. 'add' needs it."
    )
    reason: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_REASON)] | None = Field(
        default=None, description="Why. Receivers read it in the digest at the end. 'add' needs it."
    )
