"""What a rule may know about a response, and what it may answer."""

from functools import lru_cache

import msgspec

from schemas.base import Event
from schemas.decision import Category, Outcome, RuleDecision
from schemas.emitted import emitted
from schemas.response import Response
from worker.flow.events import Kind
from worker.flow.policy import Policy
from worker.flow.responses.content import Content
from worker.flow.responses.customer import Answer, Contact
from worker.flow.timestamps import DAY


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What is known of a response. `at`: when it was given, `now`: when it arrived, in ms.

    `previous`: this response's earlier revision, if any; `contact`: the customer before this response.
    """

    response: Response
    segment: str
    category: Category
    at: int
    previous: Answer | None
    contact: Contact
    now: int
    policy: Policy
    content: Content
    held: Outcome | None = None  # why the answer does not count, though it is no trial
    is_followed: bool = False  # an alert is open about an answer that the same customer gave a moment ago

    @property
    def identity(self) -> tuple[str, ...]:
        """What the ids of the response's alert and invitation are made of."""
        customer_id, response_id = self.response.customer_id, self.response.response_id
        return (customer_id, response_id) if self.previous is None else self.previous.identity(customer_id)

    @property
    def step(self) -> tuple[str | int, ...]:
        """What the id of this step of the response's alert is made of.

        A revision that came twice, and said more the second time, makes two steps.
        """
        response, previous = self.response, self.previous
        if previous is not None and previous.revision == response.revision:
            return *self.identity, response.revision, self.content.whole
        return *self.identity, response.revision

    @property
    def is_old(self) -> bool:
        """Whether the answer was given too long before it arrived to call anybody about it."""
        return self.now - self.at > self.policy.alerts.max_age_days * DAY


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """What one rule says: a verdict with its reason, and the event it wants sent, if any, with that event's id."""

    said: RuleDecision
    kind: Kind | None = None
    event: Event | None = None
    event_id: str = ""


#: The verdict of a rule that does nothing.
NONE = "none"

_RuleDecision = emitted(RuleDecision)


@lru_cache(maxsize=1024)
def said(rule: str, verdict: str, reason: str) -> RuleDecision:
    """Return what a rule said; there are few such things."""
    return _RuleDecision(rule=rule, verdict=verdict, reason=reason)


@lru_cache(maxsize=1024)
def nothing(rule: str, reason: str) -> Ruling:
    """Return the ruling of a rule that does nothing, and why not."""
    return Ruling(said(rule, NONE, reason))
