"""The settings of the webhook."""

import binascii
from base64 import b64decode
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from schemas.incident import UPDATES_OF_INCIDENTS, IncidentUpdate
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
from worker.secret_files import secret_file
from worker.section import Section

_PREFIX = "whsec_"
#: The shortest and the longest secret, in bytes (Standard Webhooks, "Symmetric").
_SHORTEST, _LONGEST = 24, 64


class WebhookEndpoint(Endpoint):
    """An endpoint that gets events."""

    secrets: list[SecretStr] = Field(
        min_length=1,
        max_length=4,
        description="The secrets that sign each event: 'whsec_' and 24 to 64 random bytes in base64. While a secret is "
        "replaced, there are two: each signs, and a program accepts an event if it knows one of them. Set them in the "
        "environment, or name their file in secrets_file.",
    )
    secrets_file: Path | None = secret_file("the secrets, one a line")
    traceparent: bool = Field(
        default=False,
        description="Whether requests have the header traceparent of W3C Trace Context, by which the program that gets "
        "them can go on with the trace of the attempt. It needs tracing.enabled.",
    )

    @field_validator("secrets")
    @classmethod
    def _decodable(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        for secret in secrets:
            text = secret.get_secret_value().removeprefix(_PREFIX)
            try:
                size = len(b64decode(text + "=" * (-len(text) % 4), validate=True))
            except (binascii.Error, ValueError):
                size = 0
            if not _SHORTEST <= size <= _LONGEST:
                raise ValueError("must be 'whsec_' and 24 to 64 bytes in base64, as docs/channels.md makes them")
        return secrets


class EventRetry(RetryPolicy):
    """When an event is posted again that a server has not taken."""

    give_up_days: float = days_until_given_up("an event")


class WebhookSettings(Section):
    """Events about alerts and incidents that are posted to other programs."""

    endpoints: dict[EndpointName, WebhookEndpoint] = Field(
        default={}, description="The endpoints that get events, each under a name of your choice."
    )
    actions: list[Literal["opened", "updated", "withdrawn", "resolved", IncidentUpdate]] = Field(
        default=[
            "opened",
            "updated",
            "withdrawn",
            "resolved",
            "wider",
            "deeper",
            "worse",
            "mix_changed",
            "partly_recovered",
        ],
        description="The steps that are posted. Posted in any case are the erasure of a customer and two updates of an "
        "alert: a comment that is added or changed later, and a changed consent. Alerts can be opened, updated and "
        f"withdrawn; incidents can be opened and resolved. {UPDATES_OF_INCIDENTS}",
    )
    case_actions: list[Literal["acknowledged", "resolved", "reopened"]] = Field(
        default=["acknowledged", "resolved", "reopened"],
        description="The steps that people take on cases and that are posted where the alert was posted.",
    )
    timeout_seconds: float = Field(
        default=15.0, gt=0, le=120.0, description="Seconds within which an endpoint has to answer."
    )
    connections: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Largest number of events that are posted to one endpoint at the same time. For what plans and "
        "silences have gathered, there may be as many again.",
    )
    # How what is posted to each endpoint is bundled, if there are no receivers. Receivers have keys of their own.
    notices_per_hour: NoticesPerHour = None
    critical_per_hour: CriticalPerHour = CRITICAL_PER_HOUR
    group_by: GroupBy = Field(default=[])
    group_wait_seconds: GroupWaitSeconds = 0.0
    group_interval_seconds: GroupIntervalSeconds = GROUP_INTERVAL_SECONDS
    digest_kilobytes: int = Field(
        default=1_000,
        ge=10,
        le=10_000,
        description="Largest size of a digest, in units of 1,000 bytes. What does not fit comes in a further one. If a "
        "notice that waits for the digest grows, the digest may exceed it a little.",
    )
    retry: EventRetry = EventRetry()

    @model_validator(mode="after")
    def _bundling_has_effect(self) -> "WebhookSettings":
        check(self)
        return self
