"""Every detractor gives one alert; corrections update, withdraw or open it again."""

from typing import Any

import pytest
from flow.records import DAY, HOUR, NOW, earlier, facts, value

from schemas.alert import Alert, AlertAction, AlertReason, Severity
from schemas.base import Event
from schemas.emitted import to_json
from worker.flow.ids import make_id
from worker.flow.policy import AlertPolicy, Policy
from worker.flow.responses.customer import Answer, Contact
from worker.flow.responses.facts import NONE, Ruling
from worker.flow.responses.rules.detractor_alert import detractor_alert, severity
from worker.flow.timestamps import from_ms


def ruling(previous: Answer | None = None, contact: Contact | None = None, **changes: Any) -> Ruling:
    return detractor_alert(facts(value(**changes), previous=previous, contact=contact))


def alert(previous: Answer | None = None, contact: Contact | None = None, **changes: Any) -> Alert:
    event = ruling(previous, contact, **({"score": 2} | changes)).event
    return read(event)


def read(event: Event | None) -> Alert:
    """Return an emitted alert as its receivers have it."""
    return Alert.model_validate_json(to_json(event))


@pytest.mark.parametrize(
    ("scores", "ordinary", "priority"),
    [
        ((0, 1, 2), Severity.CRITICAL, Severity.CRITICAL),
        ((3, 4), Severity.ERROR, Severity.CRITICAL),
        ((5, 6), Severity.WARNING, Severity.ERROR),
    ],
)
def test_the_lower_the_score_the_more_severe_and_a_priority_tier_is_one_step_more(
    scores: tuple[int, ...], ordinary: Severity, priority: Severity
) -> None:
    for score in scores:
        assert ordinary == severity(score, None, ["vip", "gold"])
        assert ordinary == severity(score, "silver", ["vip", "gold"])
        assert ordinary == severity(score, "VIP", ["vip", "gold"])
        assert priority == severity(score, "gold", ["vip", "gold"])
        assert ordinary == severity(score, "vip", [])


def test_the_tier_and_the_settings_reach_the_alert() -> None:
    assert alert(score=4).severity == Severity.ERROR
    assert alert(score=4, customer={"tier": "vip"}).severity == Severity.CRITICAL

    policy = Policy(alerts=AlertPolicy(priority_tiers=["gold"]))
    event = detractor_alert(facts(value(score=4, customer={"tier": "vip"}), policy=policy)).event
    assert read(event).severity == Severity.ERROR


DETRACTOR, PROMOTER, TRIAL = earlier(score=3), earlier(score=9), earlier(score=3, counted=False)


@pytest.mark.parametrize(
    ("why", "previous", "changes", "verdict", "reason"),
    [
        ("a detractor opens", None, {"score": 6}, "alert_opened", AlertReason.DETRACTOR),
        ("a passive does not", None, {"score": 7}, NONE, "not_detractor"),
        ("a promoter does not", None, {"score": 10}, NONE, "not_detractor"),
        ("a trial does not", None, {"score": 0, "test": True}, NONE, "test"),
        ("a trial promoter neither", None, {"score": 9, "test": True}, NONE, "test"),
        ("a detractor still unhappy", DETRACTOR, {"score": 5}, "alert_updated", AlertReason.CORRECTED),
        ("a comment that came late", DETRACTOR, {"score": 3, "comment": "x"}, "alert_updated", AlertReason.CORRECTED),
        ("a detractor made happy", DETRACTOR, {"score": 7}, "alert_withdrawn", AlertReason.NO_LONGER_DETRACTOR),
        (
            "a detractor that was a trial",
            DETRACTOR,
            {"score": 3, "test": True},
            "alert_withdrawn",
            "no_longer_detractor",
        ),
        ("a promoter made unhappy", PROMOTER, {"score": 0}, "alert_opened", AlertReason.DETRACTOR),
        ("a promoter still happy", PROMOTER, {"score": 8}, NONE, "not_detractor"),
        ("a trial that was meant", TRIAL, {"score": 3}, "alert_opened", AlertReason.DETRACTOR),
        ("a trial that stays one", TRIAL, {"score": 3, "test": True}, NONE, "test"),
        ("a trial made happy", TRIAL, {"score": 9}, NONE, "not_detractor"),
    ],
    ids=lambda given: given if isinstance(given, str) and " " in given else "",
)
def test_what_happens_to_an_alert_follows_from_before_and_after(
    why: str, previous: Answer | None, changes: dict[str, Any], verdict: str, reason: str
) -> None:
    found = ruling(previous, revision=1, **changes)

    assert (verdict, reason) == (found.decision.verdict, found.decision.reason), why
    assert (verdict == NONE) == (found.event is None)
    if found.event is not None:
        event = read(found.event)
        assert (verdict, reason) == (f"alert_{event.action}", event.reason)


def test_all_steps_share_the_alerts_id_and_each_has_its_own() -> None:
    unhappy, content = earlier(score=3, scheme=1), earlier(score=9, scheme=1)
    steps = [
        ruling(score=2),
        ruling(unhappy, score=9, revision=1),
        ruling(content, score=2, revision=2),
        ruling(unhappy, score=3, revision=3),
    ]
    events = [read(step.event) for step in steps]

    actions = [AlertAction.OPENED, AlertAction.WITHDRAWN, AlertAction.OPENED, AlertAction.UPDATED]
    assert actions == [event.action for event in events]
    assert len({event.alert_id for event in events}) == 1
    assert len({step.event_id for step in steps}) == 4


def test_an_alert_of_version_0_1_0_keeps_its_id_and_one_that_is_opened_again_too() -> None:
    steps = [ruling(DETRACTOR, score=3), ruling(DETRACTOR, score=9), ruling(PROMOTER, score=3)]

    assert {make_id("detractor_alert", "r-1")} == {read(step.event).alert_id for step in steps}


def test_two_customers_may_have_the_same_response_id() -> None:
    one, other = ruling(score=2, response_id="42"), ruling(score=2, response_id="42", customer_id="c-2")

    assert read(one.event).alert_id != read(other.event).alert_id
    assert one.event_id != other.event_id


def aged(age: int, previous: Answer | None = None, **changes: Any) -> str:
    """Return why an answer that was given so long before its record's Kafka time raises an alert, or why not."""
    at = from_ms(NOW - age).isoformat()
    return ruling(previous, None, **({"score": 2, "responded_at": at} | changes)).decision.reason


@pytest.mark.parametrize(("age", "reason"), [(0, "detractor"), (14 * DAY, "detractor"), (14 * DAY + 1, "too_old")])
def test_an_old_answer_alarms_nobody(age: int, reason: str) -> None:
    assert aged(age) == reason


def test_the_age_is_a_setting() -> None:
    policy = Policy(alerts=AlertPolicy(max_age_days=0.5))
    times = [from_ms(NOW - DAY // 2 - late).isoformat() for late in (0, 1)]
    reasons = [detractor_alert(facts(value(score=2, responded_at=at), policy=policy)).decision.reason for at in times]

    assert reasons == ["detractor", "too_old"]


def test_an_old_answer_whose_alert_is_open_still_updates_and_withdraws_it() -> None:
    for previous in (earlier(score=3), earlier(score=3, alerted=True)):
        assert aged(400 * DAY, previous) == "corrected"
        assert aged(400 * DAY, previous, score=9) == "no_longer_detractor"


def test_an_old_answer_that_raised_no_alert_has_none_to_update_or_withdraw() -> None:
    previous = earlier(score=3, alerted=False)

    assert aged(400 * DAY, previous) == "too_old"
    assert aged(400 * DAY, previous, score=9) == "not_detractor"


def test_the_ids_depend_on_customer_and_response_and_on_nothing_else() -> None:
    one, other = ruling(score=2), ruling(score=3, comment="x", segment=[])

    assert one.event_id == other.event_id
    assert ruling(score=2, response_id="r-2").event_id != one.event_id


def test_the_alert_says_what_a_person_needs_to_call_back() -> None:
    customer = {"name": "Marie", "email": "m@example.org", "phone": "+33 1", "tier": "vip", "owner": "Jean"}
    found = alert(
        revision=3,
        comment="Trois semaines\nde retard.\x00\x1b",
        language="fr",
        responded_at="2023-11-14T23:00:00+01:00",
        customer=customer,
        consent={"callback": True},
        follow_up_requested=True,
    ).model_dump(mode="json")

    assert found.pop("alert_id")
    assert found == {
        "kind": "detractor",
        "action": "opened",
        "reason": "detractor",
        "severity": "critical",
        "summary": "Score 2 at fr/shop-3",
        "occurred_at": "2023-11-14T22:13:20Z",
        "response_id": "r-1",
        "revision": 3,
        "survey_id": "autumn",
        "score": 2,
        "responded_at": "2023-11-14T23:00:00+01:00",
        "comment": "Trois semaines\nde retard.",
        "language": "fr",
        "segment": "fr/shop-3",
        "touchpoint": "shop-3",
        "customer_id": "c-1",
        "customer": customer,
        "consent": {"callback": True, "public_review": False, "marketing": False},
        "follow_up_requested": True,
        "last_answers": [],
        "links": [],
    }


def test_the_root_has_words_of_its_own_and_no_touchpoint() -> None:
    found = alert(segment=[])

    assert ("Score 2 at the root segment", "", "") == (found.summary, found.segment, found.touchpoint)


def test_the_summary_holds_nothing_of_the_person() -> None:
    canary = "kanarienvogel"
    found = alert(comment=canary, customer={"name": canary, "email": f"{canary}@example.org"}, customer_id=canary)

    assert canary not in found.summary


@pytest.mark.parametrize(("length", "kept"), [(10_000, 10_000), (10_001, 10_000), (0, 0)])
def test_a_very_long_comment_is_cut(length: int, kept: int) -> None:
    assert "é" * kept == alert(comment="é" * length).comment


@pytest.mark.parametrize("field", ["name", "email", "phone", "tier", "owner"])
def test_the_customers_other_texts_are_free_of_control_characters_too_and_not_too_long(field: str) -> None:
    found = alert(customer={field: "\x1b" + "é" * 301}).customer.model_dump()

    assert {name: "é" * 300 if name == field else None for name in found} == found


@pytest.mark.parametrize(("length", "kept"), [(2_000, True), (2_001, False)])
def test_a_link_that_is_too_long_is_left_out_not_cut(length: int, *, kept: bool) -> None:
    links = alert(origin={"permalink": "https://x.example/".ljust(length, "a")}).links

    assert kept == bool(links)


def test_what_cannot_be_seen_is_in_neither_language_nor_link() -> None:
    found = alert(language="fr\u202e\n", origin={"permalink": "https://survey.example/\u202e1"})

    assert (found.language, found.links) == ("fr", [])


@pytest.mark.parametrize(
    ("permalink", "kept"),
    [
        (None, False),
        ("https://survey.example/answers/1?a=b#c", True),
        ("http://survey.example/1", False),
        ("javascript:alert(1)", False),
        ("data:text/html,https://", False),
        (" https://survey.example/1", False),
        ("//survey.example/1", False),
        ("", False),
    ],
)
def test_only_an_https_link_is_passed_on(permalink: str | None, *, kept: bool) -> None:
    links = alert(origin={"permalink": permalink}).links

    assert ([permalink] if kept else []) == [link.href for link in links]


# Earlier answers


def last_answers(*answers: Answer) -> list[tuple[int, str]]:
    previous = next((answer for answer in answers if answer.response_id == "r-1"), None)
    found = alert(previous, Contact(answers=list(answers)), revision=1)
    return [(answer.score, answer.segment) for answer in found.last_answers]


def test_earlier_answers_are_shown_newest_first_whatever_order_they_came_in() -> None:
    times = [3, 1, 4, 2]
    answers = [earlier(response_id=f"r-{9 - at}", score=at, at=NOW - at * DAY, segment=f"s-{at}") for at in times]

    assert [(1, "s-1"), (2, "s-2"), (3, "s-3"), (4, "s-4")] == last_answers(*answers)


def test_at_most_five_are_shown() -> None:
    answers = [earlier(response_id=f"x-{at}", score=at, at=NOW - at * HOUR) for at in range(1, 9)]

    assert [1, 2, 3, 4, 5] == [score for score, _ in last_answers(*answers)]


def test_neither_the_answer_itself_nor_a_trial_is_among_them() -> None:
    answers = [earlier(score=0), earlier(response_id="x", score=8), earlier(response_id="y", score=7, counted=False)]

    assert [8] == [score for score, _ in last_answers(*answers)]


def test_an_earlier_answers_time_is_in_utc() -> None:
    found = alert(contact=Contact(answers=[earlier(response_id="x", at=NOW)])).last_answers

    assert ["2023-11-14T22:13:20+00:00"] == [answer.responded_at.isoformat() for answer in found]
