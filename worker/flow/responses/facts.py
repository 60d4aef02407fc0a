"""What a rule is given about a response (the facts), and what it returns (the ruling)."""

from functools import lru_cache

import msgspec

from schemas.base import Event
from schemas.decision import Category, Outcome, RuleDecision
from schemas.emitted import emitted
from worker.flow.events import Kind
from worker.flow.policy import Policy
from worker.flow.responses.content import Content
from worker.flow.responses.customer import Answer, Contact
from worker.flow.responses.plain import PlainResponse
from worker.flow.timestamps import DAY


class Facts(msgspec.Struct, frozen=True, gc=False):
    """What is known of a response."""

    response: PlainResponse
    #: The path of its segment.
    segment: str
    category: Category
    #: When the answer was given, in ms.
    at: int
    #: The previous revision of the response, if there is one.
    previous: Answer | None
    #: The customer's row, as it was before this response.
    contact: Contact
    #: When the response arrived, by Kafka's time in ms.
    now: int
    policy: Policy
    content: Content
    #: Why the answer does not count although it is no test; None if there is no such reason.
    exclusion: Outcome | None = None
    #: Whether an alert is open about another answer of the same burst.
    has_alert_in_burst: bool = False

    @property
    def identity(self) -> tuple[str, ...]:
        """What the ids of the response's alert and of its invitation are made of."""
        customer_id, response_id = self.response.customer_id, self.response.response_id
        return (customer_id, response_id) if self.previous is None else self.previous.identity(customer_id)

    @property
    def step(self) -> tuple[str | int, ...]:
        """What the id of this step of the response's alert is made of.

        If the same revision comes twice, and says more the second time, these are two steps.
        """
        response, previous = self.response, self.previous
        if previous is not None and previous.revision == response.revision:
            return *self.identity, response.revision, self.content.checksum
        return *self.identity, response.revision

    @property
    def is_old(self) -> bool:
        """Whether the answer arrived so late that nobody is called or invited because of it."""
        return self.now - self.at > self.policy.alerts.max_age_days * DAY


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """What one rule decides about a response."""

    #: The verdict with its reason, for the decision event.
    decision: RuleDecision
    #: The event to send, with its kind and its id; None if there is none.
    kind: Kind | None = None
    event: Event | None = None
    event_id: str = ""


#: The verdict of a rule that causes nothing.
NONE = "none"

_RuleDecision = emitted(RuleDecision)


@lru_cache(maxsize=1024)
def rule_decision(rule: str, verdict: str, reason: str) -> RuleDecision:
    """Return what a rule decided; there are few different ones."""
    return _RuleDecision(rule=rule, verdict=verdict, reason=reason)


@lru_cache(maxsize=1024)
def nothing(rule: str, reason: str) -> Ruling:
    """Return the ruling of a rule that causes nothing, with the reason."""
    return Ruling(rule_decision(rule, NONE, reason))
