"""The names of the topics, without the prefix, and the kinds of events that are sent to them."""

from typing import NamedTuple

from schemas import cloudevents
from schemas.base import Event
from schemas.cloudevents import Headers
from schemas.emitted import to_json
from worker.flow.batch import Output

RESPONSES = "responses"
ALERTS = "alerts"
INVITATIONS = "invitations"
DECISIONS = "decisions"
DEAD_LETTERS = "dead-letters"
TALLIES = "tallies"
HOURS = "hours"
SCORES = "scores"
DELIVERIES = "deliveries"
ALERT_COMMANDS = "alert-commands"
ALERT_COMMAND_RESULTS = "alert-command-results"
CASES = "cases"
RECOVERIES = "recoveries"
NOTICES = "notices"
WEBHOOK_NOTICES = "webhook-notices"
CHAT_NOTICES = "chat-notices"
SILENCE_COMMANDS = "silence-commands"
SILENCE_COMMAND_RESULTS = "silence-command-results"
SILENCES = "silences"
RESPONSE_PARTS = "response-parts"
FETCHES = "fetches"
AUDIT = "audit"


class Kind(NamedTuple):
    """A kind of event."""

    #: The name of its topic, without the prefix.
    topic: str
    #: The value of the CloudEvents header `ce_type`.
    type: bytes


ALERT = Kind(ALERTS, cloudevents.ALERT.encode())
INCIDENT = Kind(ALERTS, cloudevents.INCIDENT.encode())
INVITATION = Kind(INVITATIONS, cloudevents.INVITATION.encode())
DECISION = Kind(DECISIONS, cloudevents.DECISION.encode())
DEAD_LETTER = Kind(DEAD_LETTERS, cloudevents.DEAD_LETTER.encode())
SCORE = Kind(SCORES, cloudevents.SCORES.encode())
DELIVERY = Kind(DELIVERIES, cloudevents.DELIVERY.encode())
CASE = Kind(ALERTS, cloudevents.CASE.encode())
RECOVERY = Kind(RECOVERIES, cloudevents.RECOVERY.encode())
ALERT_COMMAND_RESULT = Kind(ALERT_COMMAND_RESULTS, cloudevents.ALERT_COMMAND_RESULT.encode())
SILENCE_COMMAND_RESULT = Kind(SILENCE_COMMAND_RESULTS, cloudevents.SILENCE_COMMAND_RESULT.encode())
SILENCE = Kind(SILENCES, cloudevents.SILENCE.encode())
AUDITED = Kind(AUDIT, cloudevents.AUDIT.encode())


def output(kind: Kind, key: bytes, body: Event, event_id: str, time: bytes, further: Headers | None = None) -> Output:
    """Return an event as a binary-mode CloudEvent.

    `body`: an emitted event (schemas/emitted.py); `time`: when it happened, as RFC 3339; `further`: other headers.
    """
    headers = cloudevents.binary_headers(kind.type, event_id, time)
    return Output(kind.topic, key, to_json(body), headers + further if further else headers)
