"""The digest: one event in place of many. Only webhooks get it, if their receiver has caps, groups or a silence."""

from pydantic import Field

from schemas.alert import Alert, Severity
from schemas.base import AwareDatetime, Event
from schemas.incident import Incident


class DigestEntry(Event):
    """An alert or an incident that the digest lists, as an event of its own would report it."""

    id: str = Field(
        description="The id that an event of its own would have. Handle each id once, whether it comes alone or in a "
        "digest."
    )
    type: str = Field(description="The type of `data`: 'nps.alert.v1' or 'nps.incident.v1'; types may be added.")
    data: Alert | Incident
    act_by: AwareDatetime | None = Field(
        default=None, description="By when somebody has to act on the alert, if it has a time limit that is known."
    )
    silence_id: str | None = Field(
        default=None, description="The silence that has held it back; null if it has waited for something else."
    )
    acknowledgeurl: str | None = Field(
        default=None, description="The address of the page on which a person acknowledges the alert, if there is one."
    )
    resolveurl: str | None = Field(
        default=None, description="The address of the page on which a person resolves the alert, if there is one."
    )


class DigestSilence(Event):
    """A silence that has held back some of the entries."""

    silence_id: str
    created_by: str = Field(description="Who has asked for it: a name, an address or an id.")
    reason: str = Field(description="Why somebody wanted the silence.")


class Digest(Event):
    """Many alerts and incidents in one event. What is true of each of them is true when the digest is posted."""

    digest_id: str
    occurred_at: AwareDatetime = Field(description="The Kafka time at which the digest was closed.")
    severity: Severity = Field(description="The highest severity of the entries.")
    silences: list[DigestSilence] = Field(
        default=[], description="The silences that have held entries back, as far as they are known."
    )
    entries: list[DigestEntry] = Field(
        description="At most 1,000 alerts and incidents: critical ones first, and then the earliest time limit first."
    )
