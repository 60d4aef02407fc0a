"""Who is invited to a review, and each reason why others are not."""

import re
from pathlib import Path
from typing import Any, Literal

import pytest
from flow.records import DAY, NOW, POLICY, earlier, facts, happy

from schemas.decision import Category, Outcome
from schemas.emitted import to_json
from schemas.invitation import Invitation
from worker.flow.ids import make_id
from worker.flow.policy import InvitationPolicy, Platform, Policy
from worker.flow.responses.customer import CUSTOMER_AND_RESPONSE, RESPONSE_ALONE, Contact
from worker.flow.responses.facts import NONE, Ruling
from worker.flow.responses.rules.review_invitation import review_invitation
from worker.flow.timestamps import from_ms

HERE = POLICY.invitations.platform
NEUTRAL = Platform(name="trustpilot", url="https://trustpilot.example/shop", selective="forbidden")


def ruling(policy: InvitationPolicy | None = None, invited_at: int | None = None, **changes: Any) -> Ruling:
    settings = Policy(invitations=policy or POLICY.invitations)
    return review_invitation(facts(happy(**changes), contact=Contact(invited_at=invited_at), policy=settings))


def invitation(policy: InvitationPolicy | None = None, **changes: Any) -> Invitation:
    event = ruling(policy, **changes).event
    return Invitation.model_validate_json(to_json(event))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"test": True}, "test"),
        ({"score": 8}, "not_promoter"),
        ({"score": 0}, "not_promoter"),
        ({"consent": {}}, "no_consent"),
        ({"consent": {"marketing": True, "callback": True}}, "no_consent"),
        ({"customer": {}}, "no_address"),
        ({"customer": {"email": ""}}, "no_address"),
        ({"customer": {"email": "not an address"}}, "no_address"),
        ({"customer": {"email": "a@example.org> AUTH=<b@example.org"}}, "no_address"),
        ({"customer": {"email": "a@example.org\r\nBcc: b@example.org"}}, "no_address"),
        # The first that holds is said: what the customer is comes before what the customer allowed.
        ({"test": True, "score": 0, "consent": {}, "customer": {}}, "test"),
        ({"score": 0, "consent": {}, "customer": {}}, "not_promoter"),
        ({"consent": {}, "customer": {}}, "no_consent"),
    ],
    ids=str,
)
def test_who_is_not_invited_is_told_why(changes: dict[str, Any], reason: str) -> None:
    found = ruling(**changes)

    assert (NONE, reason, None) == (found.decision.verdict, found.decision.reason, found.event)


@pytest.mark.parametrize("score", [9, 10])
def test_a_promoter_who_agreed_is_invited(score: int) -> None:
    found = ruling(score=score)

    assert ("invited", Category.PROMOTER) == (found.decision.verdict, found.decision.reason)


@pytest.mark.parametrize(
    ("since", "invited"), [(0, False), (-5, False), (30 * DAY - 1, False), (30 * DAY, True), (30 * DAY + 1, True)]
)
def test_the_quarantine_ends_to_the_millisecond(since: int, *, invited: bool) -> None:
    found = ruling(InvitationPolicy(quarantine_days=30, platform=HERE), invited_at=NOW - since)

    assert ("promoter" if invited else "quarantine") == found.decision.reason


def test_without_quarantine_everyone_is_invited_each_time() -> None:
    assert ruling(InvitationPolicy(quarantine_days=0, platform=HERE), invited_at=NOW).decision.verdict == "invited"


def test_the_quarantine_is_180_days_unless_told_otherwise() -> None:
    assert InvitationPolicy().quarantine_days == 180


def test_the_invitation_says_what_marketing_needs() -> None:
    found = invitation(revision=2, language="fr", customer={"name": "Marie", "email": "m@example.org"}, score=10)
    body = found.model_dump(mode="json")

    assert body.pop("invitation_id")
    assert body == {
        "response_id": "r-1",
        "revision": 2,
        "survey_id": "autumn",
        "customer_id": "c-1",
        "name": "Marie",
        "email": "m@example.org",
        "language": "fr",
        "score": 10,
        "segment": "fr/shop-3",
        "platform": "testimonial",
        "url": "https://example.com/tell",
        "tone": "promoter",
        "incentive_allowed": False,
        "invited_at": "2023-11-14T22:13:20Z",
        "quarantine_until": "2024-05-12T22:13:20Z",
    }


@pytest.mark.parametrize("score", range(11))
def test_a_platform_that_forbids_selection_is_neutral_and_for_every_consenting_respondent(score: int) -> None:
    found = invitation(InvitationPolicy(platform=NEUTRAL), score=score)

    assert ("neutral", "trustpilot", NEUTRAL.url) == (found.tone, found.platform, found.url)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"test": True}, "test"), ({"consent": {}}, "no_consent"), ({"customer": {}}, "no_address")],
)
def test_such_a_platform_too_invites_nobody_who_did_not_agree(changes: dict[str, Any], reason: str) -> None:
    assert reason == ruling(InvitationPolicy(platform=NEUTRAL), **({"score": 2} | changes)).decision.reason


def test_such_a_platform_too_keeps_the_quarantine() -> None:
    assert ruling(InvitationPolicy(platform=NEUTRAL), invited_at=NOW, score=2).decision.reason == "quarantine"


@pytest.mark.parametrize(("incentives", "allowed"), [("allowed", True), ("forbidden", False)])
def test_a_reward_is_allowed_where_the_platform_allows_it(
    incentives: Literal["allowed", "forbidden"], *, allowed: bool
) -> None:
    platform = Platform(name="referral", url="https://example.com/refer", incentives=incentives)

    assert allowed == invitation(InvitationPolicy(platform=platform)).incentive_allowed


@pytest.mark.parametrize("selective", ["allowed", "forbidden"])
def test_without_anywhere_to_go_nobody_is_invited(selective: Literal["allowed", "forbidden"]) -> None:
    found = ruling(InvitationPolicy(platform=Platform(selective=selective)))

    assert (NONE, "no_url") == (found.decision.verdict, found.decision.reason)
    assert ruling(InvitationPolicy(), score=0).decision.reason == "not_promoter"


@pytest.mark.parametrize(("age", "reason"), [(14 * DAY, "promoter"), (14 * DAY + 1, "too_old")])
def test_who_answered_long_ago_is_not_invited(age: int, reason: str) -> None:
    assert ruling(responded_at=from_ms(NOW - age).isoformat()).decision.reason == reason


def test_an_invitation_of_version_0_1_0_keeps_its_id() -> None:
    ids = [
        review_invitation(facts(happy(revision=1), previous=earlier(scheme=scheme))).event_id
        for scheme in (RESPONSE_ALONE, CUSTOMER_AND_RESPONSE)
    ]

    assert ids == [make_id("review_invitation", "r-1"), make_id("review_invitation", "c-1", "r-1")]


def test_the_id_depends_on_customer_and_response_alone() -> None:
    one, other = ruling(), ruling(revision=4, score=10, segment=[])

    assert one.event_id == other.event_id
    assert invitation().invitation_id == one.event_id
    assert ruling(response_id="r-2").event_id != one.event_id
    assert ruling(customer_id="c-2").event_id != one.event_id


def test_the_language_of_an_invitation_has_nothing_that_cannot_be_seen() -> None:
    assert invitation(language="\u202efr\x00").language == "fr"
    assert invitation(language="\x00").language is None


def test_the_document_names_each_reason() -> None:
    root = Path(__file__).parents[4]
    text = (root / "docs/invitations.md").read_text()
    reasons = set(
        re.findall(r'return "(\w+)"', (root / "worker/flow/responses/rules/review_invitation.py").read_text())
    )
    held = {Outcome.SUSPECT_SCANNER, Outcome.DOUBLE_CLICK}

    assert {"quarantine", "no_url"} <= reasons
    assert [reason for reason in sorted(reasons | held) if f"`{reason}`" not in text] == []
