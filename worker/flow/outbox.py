"""What a batch sends: records for topics, in the order they were decided."""

from typing import NamedTuple

from pydantic import BaseModel

from schemas import cloudevents
from schemas.cloudevents import Headers

RESPONSES = "responses"
ALERTS = "alerts"
INVITATIONS = "invitations"
DECISIONS = "decisions"
DEAD_LETTERS = "dead-letters"
TALLIES = "tallies"
SCORES = "scores"
DELIVERIES = "deliveries"


class Output(NamedTuple):
    """One record to send: the topic without its prefix, and the Kafka timestamp in ms (None: the time of sending)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = []  # noqa: RUF012 - never changed; aiokafka takes lists only
    timestamp: int | None = None


def event(topic: str, key: bytes, body: BaseModel, event_type: str, event_id: str, time: str) -> Output:
    """Return an event as a binary-mode CloudEvent; `time` is RFC 3339."""
    headers: Headers = cloudevents.binary_headers(event_type, event_id, time)
    return Output(topic, key, body.__pydantic_serializer__.to_json(body), headers)
