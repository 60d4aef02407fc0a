"""The answer to a silence command: whether it was carried out, and if not, why."""

from pydantic import Field

from schemas.base import AwareDatetime, Event


class SilenceCommandResult(Event):
    """The answer to one record on `nps.silence-commands`."""

    command_id: str
    silence_id: str = Field(
        description="The id of the silence; empty if the command does not name one correctly. The record's key is then "
        "the command's id."
    )
    outcome: str = Field(
        description="'applied'; 'unchanged' if there was nothing to do; or 'refused'. Words may be added."
    )
    reason: str | None = Field(
        default=None, description="Why it was refused, as a stable word of a dead letter; null if it was not."
    )
    detail: str = Field(default="", description="Why it was refused, in words for the person who acted.")
    version: int | None = Field(
        default=None, description="The version of the silence after the command; null if there is no such silence."
    )
    decided_at: AwareDatetime = Field(description="The Kafka time at which the command was decided.")
