"""The settings of the chat."""

from typing import Literal

from pydantic import Field, model_validator

from schemas.incident import UPDATES_OF_INCIDENTS, IncidentUpdate
from worker.notify.content.readers import Readers, TimeZoneName, zone
from worker.notify.endpoint import Endpoint, EndpointName
from worker.notify.retry import RetryPolicy, days_until_given_up
from worker.routing.bundling import (
    CRITICAL_PER_HOUR,
    GROUP_INTERVAL_SECONDS,
    CriticalPerHour,
    GroupBy,
    GroupIntervalSeconds,
    GroupWaitSeconds,
    NoticesPerHour,
    check,
)
from worker.section import Section

Format = Literal["slack", "mattermost", "rocketchat", "teams"]


class ChatEndpoint(Endpoint):
    """A room that gets messages, by its incoming webhook."""

    format: Format = Field(
        default="slack", description="The kind of chat, which decides how messages are written. Teams means a workflow."
    )


class MessageRetry(RetryPolicy):
    """When a message is posted again that a chat has not taken."""

    give_up_days: float = days_until_given_up("a message")


class ChatSettings(Section):
    """Short messages about alerts and incidents in the rooms of a chat."""

    endpoints: dict[EndpointName, ChatEndpoint] = Field(
        default={}, description="The rooms that get messages, each under a name of your choice."
    )
    actions: list[Literal["opened", "updated", "withdrawn", "resolved", IncidentUpdate]] = Field(
        default=["opened", "withdrawn", "resolved", "wider", "deeper", "worse", "mix_changed"],
        description="The steps that are posted. Two updates of an alert are posted in any case: a comment that is "
        "added or changed later, and a changed consent. Alerts can be opened, updated and withdrawn; incidents can be "
        f"opened and resolved. {UPDATES_OF_INCIDENTS}",
    )
    case_actions: list[Literal["acknowledged", "resolved", "reopened"]] = Field(
        default=["acknowledged", "resolved", "reopened"],
        description="The steps that people take on cases and that are posted where the alert was posted.",
    )
    default_language: Literal["fr", "en"] = Field(
        default="en",
        description="Language of messages about incidents, and of messages about responses that name no language, or a "
        "language that messages cannot be in.",
    )
    time_zone: TimeZoneName | None = Field(
        default=None,
        description="Time zone in which messages show times, such as 'Europe/Paris'. Without it, messages show each "
        "time in the time zone that it came with.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=120.0, description="Seconds within which the chat has to answer."
    )
    connections: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Largest number of messages that are posted to one room at the same time. For what plans and "
        "silences have gathered, there may be as many again. Most chats accept about one message a second.",
    )
    # How what is posted to each room is bundled, if there are no receivers. Receivers have keys of their own.
    notices_per_hour: NoticesPerHour = None
    critical_per_hour: CriticalPerHour = CRITICAL_PER_HOUR
    group_by: GroupBy = Field(default=[])
    group_wait_seconds: GroupWaitSeconds = 0.0
    group_interval_seconds: GroupIntervalSeconds = GROUP_INTERVAL_SECONDS
    retry: MessageRetry = MessageRetry()

    @model_validator(mode="after")
    def _bundling_has_effect(self) -> "ChatSettings":
        check(self)
        return self

    @property
    def readers(self) -> Readers:
        """For whom messages are written."""
        return Readers(self.default_language, None if self.time_zone is None else zone(self.time_zone))
