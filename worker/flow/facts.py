"""What a rule may know about a response, and what it may answer."""

from typing import NamedTuple

from schemas.alert import Alert
from schemas.decision import Category
from schemas.invitation import Invitation
from schemas.response import Response
from worker.flow.contact import Answer, Contact
from worker.flow.policy import Policy


class Facts(NamedTuple):
    """`before`: this response's earlier revision, if any; `contact`: the customer before this response; `now` in ms."""

    response: Response
    segment: str
    category: Category
    before: Answer | None
    contact: Contact
    now: int
    policy: Policy


class Ruling(NamedTuple):
    """What one rule says: a verdict with its reason, and the event it wants sent, if any, with that event's id."""

    rule: str
    verdict: str
    reason: str
    event: Alert | Invitation | None = None
    event_id: str = ""


#: The verdict of a rule that does nothing.
NONE = "none"
