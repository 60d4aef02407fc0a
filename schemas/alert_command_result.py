"""The answer to an alert command: whether it was carried out, and if not, why."""

from enum import StrEnum

from pydantic import Field

from schemas.base import AwareDatetime, Event


class CommandOutcome(StrEnum):
    """What became of a command. An unchanged case had already been in the state that the command asks for."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


class AlertCommandResult(Event):
    """The answer to one record on `nps.alert-commands`. It has nothing that a person wrote, except ids."""

    command_id: str
    alert_id: str | None = Field(
        default=None, description="The id of the alert; null if the command does not name it correctly."
    )
    customer_id: str
    outcome: CommandOutcome = Field(
        description="'applied'; 'unchanged' if there was nothing to do; or 'refused'. Words may be added."
    )
    reason: str | None = Field(
        default=None, description="Why it was refused, as a stable word of a dead letter; null if it was not."
    )
    detail: str = Field(default="", description="Why it was refused, in words for the person who acted.")
    state: str | None = Field(
        default=None,
        description="The state of the case when the command was decided: 'open', 'acknowledged', 'resolved' or "
        "'withdrawn'. It is null if no case is known.",
    )
    step: int | None = Field(default=None, description="The number of the case's last step; null if no case is known.")
    opening: int | None = Field(default=None, description="How often the case has been opened; null likewise.")
    decided_at: AwareDatetime = Field(description="The Kafka time at which the command was decided.")
