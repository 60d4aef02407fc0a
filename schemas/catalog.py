"""Every event: its topic, its key, its model, and one complete example.

Topics are called `<prefix>.<topic>`; the prefix is a setting, whose default is `nps`. If events share a topic,
the header `ce_type` says which one a record has, and without this header the field `kind` does.
"""

from dataclasses import dataclass, field
from typing import Any

from schemas import cloudevents, examples
from schemas.alert import Alert
from schemas.alert_command import AlertCommand
from schemas.alert_command_result import AlertCommandResult
from schemas.audit import Audit
from schemas.base import Event
from schemas.case import CaseStep
from schemas.dead_letter import DeadLetter
from schemas.decision import Decision
from schemas.delivery import Delivery
from schemas.digest import Digest
from schemas.erasure import Erasure
from schemas.incident import Incident
from schemas.invitation import Invitation
from schemas.ping import Ping
from schemas.recovery import Recovery
from schemas.response import Response
from schemas.scores import Scores
from schemas.silence import Silence
from schemas.silence_command import SilenceCommand
from schemas.silence_command_result import SilenceCommandResult

_ERASED = "The customer was erased. Receivers erase what they keep about this customer."


@dataclass(frozen=True)
class Contract:
    """What an event promises to those who read or write it."""

    name: str  # names the JSON Schema's file
    topic: str  # what follows the prefix and its dot
    key: str  # what the record's key is, in words
    compacted: bool  # Kafka keeps the newest record of each key only
    model: type[Event]
    event_type: str  # CloudEvents' type; its last part is the version
    summary: str
    public: bool  # others may rely on it: no breaking change within a version
    example: dict[str, Any]  # every field, as JSON
    tombstone: str | None = None  # what a null value says, where one is sent
    later_examples: dict[str, dict[str, Any]] = field(default_factory=dict)  # of later steps, by what they are

    @property
    def consumed(self) -> bool:
        """Say whether the worker reads this topic and others write it."""
        return self.model in {Response, AlertCommand, SilenceCommand}

    @property
    def carries_trace(self) -> bool:
        """Say whether the event carries the trace context of a response: it is one, or a single one has caused it."""
        return self.model in {Response, Alert, Invitation}

    @property
    def structured(self) -> bool:
        """Say whether the worker also reads the event in a CloudEvent in structured mode."""
        return self.model is Response

    @property
    def version(self) -> str:
        """Return the version's number, such as '1'."""
        return self.event_type.rpartition(".v")[2]


CONTRACTS: tuple[Contract, ...] = (
    Contract(
        name="response",
        topic="responses",
        key="The customer's id.",
        compacted=False,
        model=Response,
        event_type=cloudevents.RESPONSE,
        summary="An NPS answer, or a correction of one, as an upstream system publishes it.",
        public=True,
        example=examples.RESPONSE,
        tombstone="The customer is to be erased. The worker erases what it keeps about this customer.",
    ),
    Contract(
        name="alert",
        topic="alerts",
        key="The customer's id.",
        compacted=False,
        model=Alert,
        event_type=cloudevents.ALERT,
        summary="One step of an alert about an unhappy customer: it was opened, updated or withdrawn.",
        public=True,
        example=examples.ALERT,
        tombstone=_ERASED,
    ),
    Contract(
        name="incident",
        topic="alerts",
        key="`incident:` and the segment's path.",
        compacted=False,
        model=Incident,
        event_type=cloudevents.INCIDENT,
        summary="One step of an incident: it was opened, updated or resolved. A segment's NPS fell, its responses "
        "stopped coming, or there are too many segments.",
        public=True,
        example=examples.INCIDENT,
        later_examples={"an update": examples.INCIDENT_UPDATED, "the end": examples.INCIDENT_RESOLVED},
    ),
    Contract(
        name="case",
        topic="alerts",
        key="The customer's id.",
        compacted=False,
        model=CaseStep,
        event_type=cloudevents.CASE,
        summary="One step of the case of an alert: somebody acknowledged, assigned, noted, resolved or reopened it, "
        "or one of its time limits ends soon or has passed.",
        public=True,
        example=examples.CASE,
    ),
    Contract(
        name="alert-command",
        topic="alert-commands",
        key="The customer's id.",
        compacted=False,
        model=AlertCommand,
        event_type=cloudevents.ALERT_COMMAND,
        summary="What a person, or a program such as a CRM, does about an alert.",
        public=True,
        example=examples.ALERT_COMMAND,
    ),
    Contract(
        name="alert-command-result",
        topic="alert-command-results",
        key="The customer's id.",
        compacted=False,
        model=AlertCommandResult,
        event_type=cloudevents.ALERT_COMMAND_RESULT,
        summary="The answer to an alert command: whether it was carried out, and if not, why.",
        public=True,
        example=examples.ALERT_COMMAND_RESULT,
    ),
    Contract(
        name="silence-command",
        topic="silence-commands",
        key="The silence's id.",
        compacted=False,
        model=SilenceCommand,
        event_type=cloudevents.SILENCE_COMMAND,
        summary="Somebody wants notices to be held back until a time, or not any more.",
        public=True,
        example=examples.SILENCE_COMMAND,
    ),
    Contract(
        name="silence-command-result",
        topic="silence-command-results",
        key="The silence's id.",
        compacted=False,
        model=SilenceCommandResult,
        event_type=cloudevents.SILENCE_COMMAND_RESULT,
        summary="The answer to a silence command: whether it was carried out, and if not, why.",
        public=True,
        example=examples.SILENCE_COMMAND_RESULT,
    ),
    Contract(
        name="silence",
        topic="silences",
        key="The silence's id.",
        compacted=True,
        model=Silence,
        event_type=cloudevents.SILENCE,
        summary="The newest state of a silence: which notices are held back, until when, by whom and why.",
        public=True,
        example=examples.SILENCE,
        tombstone="The worker has forgotten the silence, which was over long ago.",
    ),
    Contract(
        name="recovery",
        topic="recoveries",
        key="The customer's id.",
        compacted=False,
        model=Recovery,
        event_type=cloudevents.RECOVERY,
        summary="How long the work on an alert took, and what its customer thinks when they answer again.",
        public=True,
        example=examples.RECOVERY,
        tombstone=_ERASED,
    ),
    Contract(
        name="invitation",
        topic="invitations",
        key="The customer's id.",
        compacted=False,
        model=Invitation,
        event_type=cloudevents.INVITATION,
        summary="A customer whom marketing may ask for a review, a referral or a testimonial.",
        public=True,
        example=examples.INVITATION,
        tombstone=_ERASED,
    ),
    Contract(
        name="decision",
        topic="decisions",
        key="The customer's id.",
        compacted=False,
        model=Decision,
        event_type=cloudevents.DECISION,
        summary="What was decided about a response, and the reason that each rule gave, also for a 'no'.",
        public=True,
        example=examples.DECISION,
    ),
    Contract(
        name="scores",
        topic="scores",
        key="The segment's path: its names, joined by slashes; empty for the root segment.",
        compacted=True,
        model=Scores,
        event_type=cloudevents.SCORES,
        summary="A segment's NPS over each window, with its number of answers and its interval.",
        public=True,
        example=examples.SCORES,
        tombstone="The worker has forgotten the segment or survey, since it had no answer for 365 days.",
    ),
    Contract(
        name="dead-letter",
        topic="dead-letters",
        key="The refused record's key, at most its first 1,000 bytes; empty if it had none.",
        compacted=False,
        model=DeadLetter,
        event_type=cloudevents.DEAD_LETTER,
        summary="A record that the worker refused, with its place and the reason.",
        public=True,
        example=examples.DEAD_LETTER,
    ),
    Contract(
        name="audit",
        topic="audit",
        key="The session, as the event names it; empty without a session.",
        compacted=False,
        model=Audit,
        event_type=cloudevents.AUDIT,
        summary="What somebody has done on the page, or was refused: logins, commands, corrections and exports.",
        public=True,
        example=examples.AUDIT,
    ),
    Contract(
        name="delivery",
        topic="deliveries",
        key="The id of the alert or the incident, so that no customer's id stays after an erasure.",
        compacted=False,
        model=Delivery,
        event_type=cloudevents.DELIVERY,
        summary="What happened to the mail of an alert or an incident. Internal: it may change without notice.",
        public=False,
        example=examples.DELIVERY,
    ),
)

#: Only webhooks get this event. On Kafka, the null value on `alerts` says the same.
ERASURE = Contract(
    name="erasure",
    topic="alerts",
    key="The customer's id.",
    compacted=False,
    model=Erasure,
    event_type=cloudevents.ERASURE,
    summary="A customer was erased. Receivers of webhooks erase what they keep about this customer.",
    public=True,
    example=examples.ERASURE,
)

#: Only webhooks get this event, when somebody tries whether events arrive.
PING = Contract(
    name="ping",
    topic="",
    key="",
    compacted=False,
    model=Ping,
    event_type=cloudevents.PING,
    summary="Somebody tries whether events arrive. Receivers of webhooks acknowledge it, and do nothing else.",
    public=True,
    example=examples.PING,
)

#: Only webhooks get this event, if their receiver has caps, groups or a silence.
DIGEST = Contract(
    name="digest",
    topic="",
    key="",
    compacted=False,
    model=Digest,
    event_type=cloudevents.DIGEST,
    summary="Many alerts and incidents in one event. Receivers of webhooks get it if they have caps or groups, and "
    "when a silence is over.",
    public=True,
    example=examples.DIGEST,
)

#: The events that are not on Kafka.
POSTED = (ERASURE, PING, DIGEST)
