"""A happy customer may be invited to a review, a referral or a testimonial, once per quarantine period.

Review platforms such as Google, Trustpilot and G2 forbid to "selectively solicit positive reviews": on a platform with
`selective = "forbidden"` the invitation is neutral and goes to every respondent who consents.
"""

from schemas.decision import Category
from schemas.emitted import emitted
from schemas.invitation import Invitation
from worker.address import is_address
from worker.flow import events
from worker.flow.ids import make_id
from worker.flow.responses.facts import Facts, Ruling, nothing, rule_decision
from worker.flow.text import field, language
from worker.flow.timestamps import DAY, from_ms

RULE = "review_invitation"

_Invitation = emitted(Invitation)


def review_invitation(facts: Facts) -> Ruling:
    """Invite the customer, or give the reason why not."""
    reason = _why_not(facts)
    if reason is not None:
        return nothing(RULE, reason)
    response, policy = facts.response, facts.policy.invitations
    address = response.customer.email
    assert address is not None
    invitation_id = make_id(RULE, *facts.identity)
    event = _Invitation(
        invitation_id=invitation_id,
        response_id=response.response_id,
        revision=response.revision,
        survey_id=response.survey_id,
        customer_id=response.customer_id,
        name=field(response.customer.name),
        email=address,
        language=language(response.language),
        score=response.score,
        segment=facts.segment,
        platform=policy.platform.name,
        url=policy.platform.url,
        tone="promoter" if policy.platform.selective == "allowed" else "neutral",
        incentive_allowed=policy.platform.incentives == "allowed",
        invited_at=from_ms(facts.now),
        quarantine_until=from_ms(facts.now + policy.quarantine_days * DAY),
    )
    return Ruling(rule_decision(RULE, "invited", facts.category), events.INVITATION, event, invitation_id)


def _why_not(facts: Facts) -> str | None:  # noqa: PLR0911 - one return per reason reads best as a list
    response, policy = facts.response, facts.policy.invitations
    if response.test:
        return "test"
    if facts.exclusion is not None:
        return facts.exclusion
    if response.history:
        return "history"
    if policy.platform.selective == "allowed" and facts.category is not Category.PROMOTER:
        return "not_promoter"
    if not response.consent.public_review:
        return "no_consent"
    if not is_address(response.customer.email):
        return "no_address"
    if policy.platform.url is None:
        return "no_url"  # an invitation to nowhere would use up the customer's quarantine
    if facts.is_old:
        return "too_old"
    invited_at = facts.contact.invited_at
    if invited_at is not None and facts.now < invited_at + policy.quarantine_days * DAY:
        return "quarantine"
    return None
