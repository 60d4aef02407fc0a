"""CloudEvents 1.0 on Kafka: what is emitted (binary mode) and what is accepted besides (structured mode).

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from schemas.base import Event
from schemas.response import Response

SPEC_VERSION = "1.0"
SOURCE = "/detractor-worker"
STRUCTURED_CONTENT_TYPE = b"application/cloudevents+json"

Headers = list[tuple[str, bytes | None]]

RESPONSE = "nps.response.v1"
ALERT = "nps.alert.v1"
INCIDENT = "nps.incident.v1"
INVITATION = "nps.invitation.v1"
DECISION = "nps.decision.v1"
SCORES = "nps.scores.v1"
DEAD_LETTER = "nps.dead-letter.v1"
DELIVERY = "nps.delivery.v1"
#: Only webhooks get it. On Kafka, a null value erases.
ERASURE = "nps.erasure.v1"
#: Only webhooks get it, by `python -m worker check-config --send-test-event`.
PING = "nps.ping.v1"
#: Only webhooks get it: one event in place of many.
DIGEST = "nps.digest.v1"
CASE = "nps.case.v1"
ALERT_COMMAND = "nps.alert-command.v1"
ALERT_COMMAND_RESULT = "nps.alert-command-result.v1"
RECOVERY = "nps.recovery.v1"
SILENCE_COMMAND = "nps.silence-command.v1"
SILENCE_COMMAND_RESULT = "nps.silence-command-result.v1"
SILENCE = "nps.silence.v1"
AUDIT = "nps.audit.v1"


class StructuredResponse(Event):
    """A response inside a structured-mode CloudEvent; the other attributes are not needed."""

    specversion: str
    id: str
    source: str
    type: str
    data: Response


_SPEC_VERSION = ("ce_specversion", SPEC_VERSION.encode())
_SOURCE = ("ce_source", SOURCE.encode())
_CONTENT_TYPE = ("content-type", b"application/json")


def binary_headers(event_type: bytes, event_id: str, time: bytes) -> Headers:
    """Return the headers of a binary-mode event; `time` is RFC 3339. No personal data goes here."""
    return [
        _SPEC_VERSION,
        ("ce_id", event_id.encode()),
        _SOURCE,
        ("ce_type", event_type),
        ("ce_time", time),
        _CONTENT_TYPE,
    ]
