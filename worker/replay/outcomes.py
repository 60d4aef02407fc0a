"""What becomes of the notices that one configuration causes."""

from typing import NamedTuple

#: In place of a channel: nobody gets a step of an alert or an incident. The reason is in place of the receiver.
NOBODY = "nobody"


class Received(NamedTuple):
    """A notice that a receiver gets on a channel, or a step of an alert or an incident that nobody gets."""

    #: The id of the alert or the incident; for the erasure of a customer, an id of its own.
    alert_id: str
    channel: str
    receiver: str
    #: The kind of the alert or the incident; "case" for a reminder or an escalation, or "erasure".
    kind: str
    segment: str
    #: Empty for an erasure.
    severity: str
    #: The step that the notice reports, such as "opened".
    action: str
    #: When the notice is sent, in ms.
    at: int
    #: Whether it still waits for that time at the end of the replay.
    waits: bool = False


class NotReceived(NamedTuple):
    """Why a receiver does not get a notice, or why there is no notice. Without a channel, it is about all receivers."""

    alert_id: str
    channel: str
    receiver: str
    #: A stable word, as in the delivery log or in a decision.
    reason: str


Outcome = Received | NotReceived
