"""The ping: somebody tries whether events reach an endpoint. Only webhooks get it."""

from pydantic import Field

from schemas.base import AwareDatetime, Event


class Ping(Event):
    """Somebody tries whether events arrive. Receivers acknowledge it, and do nothing else."""

    occurred_at: AwareDatetime = Field(description="When the event was made.")
