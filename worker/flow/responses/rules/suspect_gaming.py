"""Answers that the person who is judged asked for, soon after a contact. Such answers are better than others.

They are marked with the reason and the figures, and count like all others: this is a question to ask, and no
accusation. Another test looks at all answers of a segment together (worker/detect/jumps.py).
"""

from schemas.decision import RuleDecision
from schemas.emitted import emitted
from worker.flow.responses.facts import Facts, Ruling, nothing
from worker.flow.timestamps import to_ms
from worker.lineage import SEPARATOR, segment_name

RULE = "suspect_gaming"

_MINUTE = 60_000

_RuleDecision = emitted(RuleDecision)


def suspect_gaming(facts: Facts) -> Ruling:
    """Mark the answer, or give the reason why not."""
    solicitation = facts.response.solicitation
    if solicitation.asked_by is None:
        return nothing(RULE, "nobody_asked")
    asker = solicitation.asked_by
    if asker != facts.response.customer.owner and segment_name(asker) not in facts.segment.split(SEPARATOR):
        return nothing(RULE, "another_asked")
    if solicitation.contact_at is None:
        return nothing(RULE, "no_contact")
    minutes = (facts.at - to_ms(solicitation.contact_at)) / _MINUTE
    if not 0 <= minutes <= facts.policy.solicitation.right_after_minutes:
        return nothing(RULE, "not_right_after")
    figures = {"minutes_after_contact": minutes}
    return Ruling(_RuleDecision(rule=RULE, verdict="marked", reason="asked_by_whom_it_judges", figures=figures))
