"""How a record changes answers that were decided earlier: those of a burst, or one that another customer now has.

Only the customer's row is known of these answers. So an alert that is withdrawn or opened here has no names.
"""

from typing import NamedTuple

from msgspec.structs import replace

from schemas.alert import AlertReason
from schemas.decision import Outcome
from worker.flow.policy import Policy
from worker.flow.responses.bursts import Burst
from worker.flow.responses.customer import DOUBLE_CLICK, MOVED, SCANNER, Answer
from worker.flow.responses.facts import Ruling
from worker.flow.responses.moved import Claim
from worker.flow.responses.rules.detractor_alert import opening, withdrawal
from worker.flow.timestamps import DAY
from worker.nps.histogram import PASSIVE_FROM

#: The outcome of a decision, by why the answer does not count; 0 if it counts.
OUTCOMES = {0: Outcome.ACCEPTED, DOUBLE_CLICK: Outcome.DOUBLE_CLICK, SCANNER: Outcome.SUSPECT_SCANNER}


class Amendment(NamedTuple):
    """A change of an answer that was decided earlier."""

    before: Answer
    after: Answer
    #: The step of the answer's alert; None if its alert stays as it is.
    ruling: Ruling | None
    #: The outcome of the new decision, and the revision that this decision is about.
    outcome: Outcome
    revision: int


def of_burst(burst: Burst, customer_id: str, now: int, policy: Policy) -> list[Amendment]:
    """Return what the newest answer of a burst changes about the others; `now`: its record's Kafka time in ms."""
    found = []
    for answer, exclusion in zip(burst.answers[:-1], burst.exclusions[:-1], strict=True):
        ruling, after = None, replace(answer, exclusion=exclusion, counted=not exclusion)
        if exclusion and answer.has_alert:
            ruling = withdrawal(answer, customer_id, AlertReason.SUSPECT_SCANNER, now)
            after = replace(after, alerted=False)
        elif burst.is_shared and _needs_alert(answer, now, policy):
            ruling = opening(answer, customer_id, now)
            after = replace(after, alerted=True)
        if exclusion != answer.exclusion or ruling is not None:
            found.append(Amendment(answer, after, ruling, OUTCOMES[exclusion], answer.revision))
    return found


def of_move(answer: Answer, claim: Claim, customer_id: str, now: int) -> Amendment:
    """Return how a customer's answer changes because another customer claims its response.

    `now`: the Kafka time of the record with the claim, in ms. The row keeps the highest revision that would not win the
    response back. This is the claim's revision, or the one below it if this customer's claim to the same revision would
    outrank the other one.
    """
    own = Claim(claim.survey_id, customer_id, claim.revision)
    revision = claim.revision - own.outranks(claim)
    ruling = withdrawal(answer, customer_id, AlertReason.MOVED, now) if answer.has_alert else None
    after = replace(answer, revision=revision, counted=False, alerted=False, exclusion=MOVED)
    return Amendment(answer, after, ruling, Outcome.MOVED, claim.revision)


def _needs_alert(answer: Answer, now: int, policy: Policy) -> bool:
    is_old = now - answer.at > policy.alerts.max_age_days * DAY
    return answer.score < PASSIVE_FROM and not (answer.has_alert or is_old or answer.is_history)
