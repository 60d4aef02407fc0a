"""What a record changes about answers that were decided before: those of a burst, or one that another customer has now.

Of them only the customer's row is known, so an alert that is withdrawn or opened here names nobody.
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

#: What the decision says, by why an answer does not count.
OUTCOMES = {0: Outcome.ACCEPTED, DOUBLE_CLICK: Outcome.DOUBLE_CLICK, SCANNER: Outcome.SUSPECT_SCANNER}


class Amendment(NamedTuple):
    """An answer before and after, the step of its alert if it has one, and what its decision says.

    `revision`: the one that the decision is about.
    """

    before: Answer
    after: Answer
    ruling: Ruling | None
    outcome: Outcome
    revision: int


def of_burst(burst: Burst, customer_id: str, now: int, policy: Policy) -> list[Amendment]:
    """Return what the newest answer of a burst changes about the others; `now`: its record's Kafka time in ms."""
    found = []
    for answer, held in zip(burst.answers[:-1], burst.held[:-1], strict=True):
        ruling, after = None, replace(answer, held=held, counted=not held)
        if held and answer.has_alert:
            ruling = withdrawal(answer, customer_id, AlertReason.SUSPECT_SCANNER, now)
            after = replace(after, alerted=False)
        elif burst.is_shared and _needs_alert(answer, now, policy):
            ruling = opening(answer, customer_id, now)
            after = replace(after, alerted=True)
        if held != answer.held or ruling is not None:
            found.append(Amendment(answer, after, ruling, OUTCOMES[held], answer.revision))
    return found


def of_move(answer: Answer, claim: Claim, customer_id: str, now: int) -> Amendment:
    """Return what it means for an answer of a customer that another one claims it.

    The row keeps the highest revision that would not win the response back: the claim's own, or the one below it if the
    customer's claim to the same revision would outrank this one.
    """
    own = Claim(claim.survey_id, customer_id, claim.revision)
    revision = claim.revision - own.outranks(claim)
    ruling = withdrawal(answer, customer_id, AlertReason.MOVED, now) if answer.has_alert else None
    after = replace(answer, revision=revision, counted=False, alerted=False, held=MOVED)
    return Amendment(answer, after, ruling, Outcome.MOVED, claim.revision)


def _needs_alert(answer: Answer, now: int, policy: Policy) -> bool:
    is_old = now - answer.at > policy.alerts.max_age_days * DAY
    return answer.score < PASSIVE_FROM and not answer.has_alert and not is_old
