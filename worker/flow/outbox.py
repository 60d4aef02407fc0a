"""What a batch sends: records for topics, in the order they were decided."""

from typing import NamedTuple

import msgspec

from schemas import cloudevents
from schemas.base import Event
from schemas.cloudevents import Headers
from schemas.emitted import to_json

RESPONSES = "responses"
ALERTS = "alerts"
INVITATIONS = "invitations"
DECISIONS = "decisions"
DEAD_LETTERS = "dead-letters"
TALLIES = "tallies"
HOURS = "hours"
SCORES = "scores"
DELIVERIES = "deliveries"


class Output(msgspec.Struct, frozen=True, gc=False):
    """One record to send: the topic without its prefix, and the Kafka timestamp in ms (None: the time of sending).

    `partition`: None for that of the batch which causes it, since what is about a customer stays together.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = []  # aiokafka takes lists only
    timestamp: int | None = None
    partition: int | None = None


class Kind(NamedTuple):
    """A kind of event: its topic, and its type as CloudEvents has it, as a header."""

    topic: str
    type: bytes


ALERT = Kind(ALERTS, cloudevents.ALERT.encode())
INCIDENT = Kind(ALERTS, cloudevents.INCIDENT.encode())
INVITATION = Kind(INVITATIONS, cloudevents.INVITATION.encode())
DECISION = Kind(DECISIONS, cloudevents.DECISION.encode())
DEAD_LETTER = Kind(DEAD_LETTERS, cloudevents.DEAD_LETTER.encode())
SCORE = Kind(SCORES, cloudevents.SCORES.encode())
DELIVERY = Kind(DELIVERIES, cloudevents.DELIVERY.encode())


def event(kind: Kind, key: bytes, body: Event, event_id: str, time: bytes) -> Output:
    """Return an emitted event (schemas/emitted.py) as a binary-mode CloudEvent; `time` is RFC 3339."""
    return Output(kind.topic, key, to_json(body), cloudevents.binary_headers(kind.type, event_id, time))
