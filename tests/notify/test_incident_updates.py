"""Updates of incidents: who gets them, in which words, and in which thread, on each channel."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any, get_args

import pytest
from flow.records import NOW, Record
from notify import mailboxes
from notify.bundles import Desk, desk, planner_of
from notify.channels.email.mails import mail, part, subject
from notify.mailboxes import id_of, kept, lines, mails, record_of

from schemas.delivery import DeliveryStatus
from schemas.incident import Change, Incident, IncidentUpdate, OtherIncident, ShareChange
from schemas.scores import WindowScore
from worker.flow.batch import Decided
from worker.notify import mailbox
from worker.notify.channels.chat.message import message_of
from worker.notify.channels.webhook import event
from worker.notify.content.readers import Readers
from worker.notify.mailbox import Mailbox, notice, pending_notice_key
from worker.notify.planning import plan
from worker.routing.flat import FlatRoute
from worker.routing.receiver import Language, Receiver

MakeIncident = Callable[..., Incident]

KEY = b"incident:fr/shop-3/delivery"
BOX = b"\x01" + KEY
UPDATES: tuple[str, ...] = get_args(IncidentUpdate)
#: Of two teams, one gets what is about its shop, and the other what is about the country and its other shops.
SHOP = FlatRoute(name="shop", segment="fr/shop-3", to=["shop-3@example.org"])
COUNTRY = FlatRoute(name="country", to=["fr@example.org"])
PLACE, FIRST = "fr", "fr/shop-3/delivery"
NBSP, QUOTE = "\N{NO-BREAK SPACE}", "\N{RIGHT SINGLE QUOTATION MARK}"


def update(make_incident: MakeIncident, reason: str = "wider", **changes: Any) -> Incident:
    usual: dict[str, Any] = {"action": "updated", "reason": reason, "segment": PLACE, "first_segment": FIRST}
    return make_incident(**(usual | {"explains": []} | changes))


def planned(*records: Record, rows: dict[bytes, bytes] | None = None, updates: tuple[str, ...] = UPDATES) -> Decided:
    return mailboxes.planned(*records, rows=rows, routes=(SHOP, COUNTRY), updates=updates)


def told(make_incident: MakeIncident, status: DeliveryStatus = DeliveryStatus.SENT) -> dict[bytes, bytes]:
    """Return the rows after the shop was told that the incident was opened."""
    decided = planned(record_of(make_incident(), "i-1", KEY))
    [opened] = mails(decided, BOX)
    opened.status = status
    return kept(decided) | {BOX: mailbox.encode(Mailbox([opened]))}


def waiting(decided: Decided) -> list[str]:
    return [one.route for one in mails(decided, BOX) if one.delivery_id != id_of("i-1", "shop")]


# Who gets them


def test_an_update_goes_to_those_who_got_the_opening_and_to_those_of_the_segment_that_it_is_about_now(
    make_incident: MakeIncident,
) -> None:
    decided = planned(record_of(update(make_incident), "i-2", KEY), rows=told(make_incident))

    assert waiting(decided) == ["shop", "country"]
    assert lines(decided) == [("pending", "planned"), ("pending", "planned")]


def test_those_who_learned_of_it_by_an_update_get_its_end_as_well(make_incident: MakeIncident) -> None:
    rows = told(make_incident) | kept(planned(record_of(update(make_incident), "i-2", KEY), rows=told(make_incident)))
    box = mailbox.decode(rows[BOX])
    for one in box.mails:
        one.status = DeliveryStatus.SENT
    end = update(make_incident, "recovered", action="resolved")
    decided = planned(record_of(end, "i-3", KEY), rows=rows | {BOX: mailbox.encode(box)})

    assert [one.route for one in mails(decided, BOX) if one.is_open] == ["shop", "country"]


@pytest.mark.parametrize("reason", [*UPDATES, "a_later_word"])
@pytest.mark.parametrize("updates", [(), ("worse",), UPDATES])
def test_only_the_updates_that_are_asked_for_are_sent(
    make_incident: MakeIncident, reason: str, updates: tuple[str, ...]
) -> None:
    step = update(make_incident, reason, segment=FIRST, first_segment=None)
    decided = planned(record_of(step, "i-2", KEY), rows=told(make_incident), updates=updates)

    assert (len(decided.outputs) == 1) is (reason in updates)


def test_without_updates_the_end_still_goes_to_those_who_got_the_opening(make_incident: MakeIncident) -> None:
    steps = update(make_incident), update(make_incident, "recovered", action="resolved")
    records = [record_of(one, f"i-{number}", KEY) for number, one in enumerate(steps, start=2)]
    decided = planned(*records, rows=told(make_incident), updates=())

    assert waiting(decided) == ["shop"]


def test_an_update_is_no_second_notice_to_those_who_got_none(make_incident: MakeIncident) -> None:
    rows = told(make_incident, DeliveryStatus.CANCELLED)

    assert waiting(planned(record_of(update(make_incident), "i-2", KEY), rows=rows)) == ["country"]


def test_whoever_learns_of_an_incident_by_an_update_gets_it_as_an_opening(make_incident: MakeIncident) -> None:
    step = update(make_incident, also=["fr/b"])
    decided = planned(record_of(step, "i-2", KEY), rows=told(make_incident))
    found = {
        one.route: notice(one, BOX, kept(decided)[pending_notice_key(BOX, one.delivery_id)])
        for one in mails(decided, BOX)
        if one.is_open
    }

    assert found["shop"] == step
    assert found["country"] == step.model_copy(update={"action": "opened", "reason": "nps_fell"})
    first = mail(found["country"])
    assert subject(first) == "[Critical] NPS fell from +38 to -21: fr and 1 more"
    assert "The NPS of fr fell from +38.5 to -21.2." in " ".join(part(first, "plain").split())


def test_an_update_reads_as_an_opening_if_the_mail_about_the_opening_was_cancelled(make_incident: MakeIncident) -> None:
    step = update(make_incident, segment=FIRST, first_segment=None)
    decided = planned(record_of(step, "i-2", KEY), rows=told(make_incident, DeliveryStatus.CANCELLED))

    assert [(one.route, one.action) for one in mails(decided, BOX)] == [("shop", ""), ("shop", "opened")]


def test_a_program_gets_the_first_update_as_it_was_published(make_incident: MakeIncident) -> None:
    planner = planner_of(Receiver("crm", {"webhook": ("crm",)}), channel="webhook", actions=UPDATES)
    decided = plan([record_of(update(make_incident), "i-2", KEY)], planner, lambda _: None)
    rows = kept(decided)

    assert [one.action for one in mailbox.decode(rows[BOX]).mails] == [""]


@pytest.mark.parametrize("field", ["also", "merged_segments"])
def test_the_routes_decide_for_each_segment_of_an_incident(make_incident: MakeIncident, field: str) -> None:
    step = update(make_incident, segment="fr/lyon").model_copy(update={field: ["fr/shop-3/send", "fr/lyon"]})
    decided = planned(record_of(step, "i-2", KEY))

    assert {(one.route, one.action) for one in mails(decided, BOX)} == {("country", "opened"), ("shop", "opened")}


def test_who_got_what_was_about_a_part_gets_the_end_of_the_incident_that_it_is_part_of(
    make_incident: MakeIncident,
) -> None:
    merged = {"segment": "fr", "first_segment": "fr/lyon", "merged_segments": ["fr/shop-3"]}
    rows = kept(planned(record_of(make_incident(segment="fr/lyon"), "i-1", KEY)))
    box = mailbox.decode(rows[BOX])
    assert [one.route for one in box.mails] == ["country"]
    box.mails[0].status = DeliveryStatus.SENT
    end = make_incident(action="resolved", reason="recovered", **merged)
    for step, receivers in ((end, ["country", "shop"]), (end.model_copy(update={"merged_segments": []}), ["country"])):
        decided = planned(record_of(step, "i-3", KEY), rows=rows | {BOX: mailbox.encode(box)}, updates=())
        assert sorted(one.route for one in mails(decided, BOX) if one.is_open) == receivers


@pytest.mark.parametrize(
    ("actions", "receivers"), [(("opened", "resolved"), ["lyon", "shop"]), (("resolved",), ["lyon"])]
)
def test_an_end_goes_only_to_those_who_got_a_notice_of_the_incident_or_of_its_parts(
    make_incident: MakeIncident, actions: tuple[str, ...], receivers: list[str]
) -> None:
    routes = (FlatRoute(name="lyon", segment="fr/lyon", to=["lyon@example.org"]), SHOP, COUNTRY)
    rows = kept(mailboxes.planned(record_of(make_incident(segment="fr/lyon"), "i-1", KEY), routes=routes))
    box = mailbox.decode(rows[BOX])
    box.mails[0].status = DeliveryStatus.SENT
    rows |= {BOX: mailbox.encode(box)}
    wider = update(make_incident, first_segment="fr/lyon", also=["fr/nice"], merged_segments=["fr/shop-3"])
    end = wider.model_copy(update={"action": "resolved", "reason": "recovered"})
    steps = [record_of(one, f"i-{number}", KEY) for number, one in enumerate((wider, end), start=2)]
    decided = mailboxes.planned(*steps, rows=rows, routes=routes, actions=actions)

    assert sorted(one.route for one in mails(decided, BOX) if one.is_open) == receivers


def test_an_update_that_comes_again_plans_nothing(make_incident: MakeIncident) -> None:
    rows = told(make_incident)
    first = planned(record_of(update(make_incident), "i-2", KEY), rows=rows)
    again = planned(record_of(update(make_incident), "i-2", KEY, NOW + 5), rows=rows | kept(first))

    assert again.outputs == []


def test_an_incident_that_ends_before_its_update_was_sent_cancels_the_update(make_incident: MakeIncident) -> None:
    step = planned(record_of(update(make_incident), "i-2", KEY), rows=told(make_incident))
    end = update(make_incident, "recovered", action="resolved")
    decided = planned(record_of(end, "i-3", KEY), rows=told(make_incident) | kept(step))

    assert [(one.route, one.status.value) for one in mails(decided, BOX)] == [
        ("shop", "sent"),
        ("shop", "cancelled"),
        ("country", "cancelled"),
        ("shop", "pending"),
    ]


def test_two_incidents_with_one_key_are_told_apart(make_incident: MakeIncident) -> None:
    other = make_incident(alert_id="another")
    rows = told(make_incident)
    rows |= kept(planned(record_of(update(make_incident), "i-2", KEY), record_of(other, "j-1", KEY), rows=rows))
    end = update(make_incident, "recovered", action="resolved")
    decided = planned(record_of(end, "i-3", KEY), rows=rows)

    of_other = [one for one in mails(decided, BOX) if one.alert_id == "another"]
    assert [(one.route, one.status) for one in of_other] == [("shop", DeliveryStatus.PENDING)]


def test_a_digest_lists_an_update_and_alerts_below_its_new_segment_wait(make_incident: MakeIncident) -> None:
    place = Desk(planner=planner_of(desk(), actions=("opened", "resolved", *UPDATES)))
    for number in range(1, 4):
        place.alert(number)
    opened = place.drop("fr/shop-3")
    updated = {"alert_id": opened.alert_id, "severity": opened.severity, "first_segment": "fr/shop-3"}
    place.take(update(make_incident, **updated), "i-fr/shop-3-updated")
    place.alert(9, segment="fr/shop-7")
    place.deliver()
    place.wait(10 * 60_000)
    place.deliver()

    listed = [pair for one in place.inbox if one.is_digest for pair in zip(one.about, one.actions, strict=True)]
    assert (opened.alert_id, "updated") in listed
    assert ("deferred", "inhibited") in place.lines_of("a-9")


# What they say

TWO, DEUX = "fr and fr/b", "fr et fr/b"
WORDS: dict[tuple[str, Language], tuple[str, str]] = {
    ("wider", "en"): ("The drop is wider", f"The drop that was reported to you is wider: it is about {TWO}."),
    ("deeper", "en"): ("The cause of the drop is known better", f"The drop that was reported to you comes from {TWO}."),
    ("worse", "en"): (
        "NPS fell further",
        "Since the drop was reported to you, the NPS of fr has fallen further.",
    ),
    ("partly_recovered", "en"): (
        "NPS has recovered in part",
        f"The NPS has recovered in one of this incident's segments. It is still low here: {TWO}.",
    ),
    ("merged", "en"): (
        "This incident is part of another one",
        f"The drop of {TWO} has the same cause as another incident, which goes on.",
    ),
    ("wider", "fr"): (
        "La chute du NPS est plus large",
        f"La chute du NPS qui vous a été signalée est plus large{NBSP}: elle concerne {DEUX}.",
    ),
    ("deeper", "fr"): (
        "La cause de la chute est mieux connue",
        f"La chute du NPS qui vous a été signalée vient de {DEUX}.",
    ),
    ("worse", "fr"): (
        "Le NPS a encore chuté",
        "Depuis que la chute vous a été signalée, le NPS de fr a encore chuté.",
    ),
    ("partly_recovered", "fr"): (
        f"Le NPS s{QUOTE}est redressé en partie",
        f"Le NPS s{QUOTE}est redressé dans l{QUOTE}un des périmètres de cet incident. Il reste bas ici{NBSP}: {DEUX}.",
    ),
    ("merged", "fr"): (
        f"Cet incident fait partie d{QUOTE}un autre",
        f"La chute du NPS de {DEUX} a la même cause qu{QUOTE}un autre incident, qui continue.",
    ),
}
TAGS = {("updated", "en"): "Critical, updated", ("updated", "fr"): "Critique, mise à jour"}
TAGS |= {("resolved", "en"): "Merged", ("resolved", "fr"): "Regroupé"}
#: After the segment of a subject.
OTHERS: dict[Language, str] = {"en": "and 1 more", "fr": "et un autre"}


def told_as(make_incident: MakeIncident, reason: str) -> Incident:
    action = "resolved" if reason == "merged" else "updated"
    return update(make_incident, reason, action=action, also=["fr/b"])


@pytest.mark.parametrize(("reason", "language"), WORDS)
def test_each_reason_has_words_of_its_own_in_mails_and_chats(
    make_incident: MakeIncident, reason: str, language: Language
) -> None:
    headline, sentence = WORDS[reason, language]
    step = told_as(make_incident, reason)
    received, message = mail(step, language=language), message_of(step, Readers(language))

    colon = f"{NBSP}:" if language == "fr" else ":"
    assert subject(received) == f"[{TAGS[step.action, language]}] {headline}{colon} fr {OTHERS[language]}"
    assert message.title == subject(received)
    assert sentence in " ".join(part(received, "plain").split(" ")).replace("\n", " ")
    assert message.sentence == sentence


def test_there_are_words_for_each_update_that_can_be_sent() -> None:
    """Those of `mix_changed` are the same as when an incident is opened; another test has them."""
    assert set(WORDS) >= set(product({*UPDATES} - {"mix_changed"}, get_args(Language)))


@pytest.mark.parametrize("language", get_args(Language))
def test_a_step_with_an_unknown_reason_is_told_in_general_words(
    make_incident: MakeIncident, language: Language
) -> None:
    received = mail(update(make_incident, "a_later_word"), language=language)

    assert subject(received).startswith(f"[{TAGS['updated', language]}] ")
    assert "a_later_word" not in part(received, "plain")


def test_an_update_is_in_the_thread_of_the_opening_though_it_is_about_another_segment(
    make_incident: MakeIncident,
) -> None:
    opened, updated = mail(make_incident()), mail(update(make_incident))
    end = mail(update(make_incident, "recovered", action="resolved"))

    for header in ("In-Reply-To", "References"):
        assert re.fullmatch(r"<[0-9a-f-]{36}@example\.org>", opened[header])
        assert opened[header] == updated[header] == end[header]


def test_a_changed_mix_is_told_with_what_moved(make_incident: MakeIncident) -> None:
    step = make_incident(
        reason="mix_changed",
        segment="fr",
        explains=[],
        within=Change(points=1.2, low=-4.0, high=6.4),
        mix=Change(points=-20.2, low=-24.0, high=-16.4),
        moved=ShareChange(segment="fr/b", before=0.104, after=0.4),
    )
    text = " ".join(part(mail(step), "plain").split())

    assert "but no segment below it clearly fell by three points or more" in text
    assert "What makes the difference of -19.0 points between the two NPS?" in text
    assert "Changes of the segments below: +1.2 points (95% interval: -4.0 to +6.4)" in text
    assert "Their shares of the answers: -20.2 points" in text
    assert "Share of fr/b: 40% of the answers, 10% before" in text

    fallen = step.model_copy(update={"fallen_below": ["fr/c", "fr/d", "fr/e"]})
    text = " ".join(part(mail(fallen), "plain").split())
    assert "no segment below it" not in text
    assert "The main cause is that the segments below it now have other shares of the answers." in text
    assert "The NPS also fell here: fr/c, fr/d and fr/e." in text


@pytest.mark.parametrize(
    ("changes", "headline", "sentence"),
    [
        (
            {"action": "updated", "reason": "worse", "fell_further": False},
            "[Critical, updated] The size of the drop is known better: fr/shop-3/delivery",
            "No new fall of the NPS of fr/shop-3/delivery was found. But new answers show better",
        ),
        (
            {"action": "updated", "reason": "worse", "fell_further": True},
            "[Critical, updated] NPS fell further: fr/shop-3/delivery",
            "the NPS of fr/shop-3/delivery has fallen further",
        ),
        (
            {
                "action": "updated",
                "reason": "worse",
                "fell_further": True,
                "further_since": datetime(2026, 5, 30, 10, tzinfo=UTC),
                "further": WindowScore(
                    n=20, promoters=2, passives=3, detractors=15, nps=-65.0, low=-86.0, high=-32.4, indicative=True
                ),
            },
            "[Critical, updated] NPS fell further: fr/shop-3/delivery",
            "Since the further fall ---------------------- NPS: -65.0 (95% interval: -86.0 to -32.4), indicative",
        ),
        (
            {"further_since": datetime(2026, 5, 30, 10, tzinfo=UTC)},
            "[Critical] NPS fell from +38 to -21: fr/shop-3/delivery",
            "Further fall began: 30 May 2026 at 10:00 (UTC)",
        ),
        (
            {"action": "resolved", "reason": "merged", "merged_into": OtherIncident(alert_id="a-2", segment="")},
            "[Merged] This incident is part of another one: fr/shop-3/delivery",
            "has the same cause as the incident about all answers, which goes on.",
        ),
        (
            {"action": "resolved", "reason": "new_level"},
            "[Closed] The lower NPS counts as usual from now on: fr/shop-3/delivery",
            "Closed",
        ),
        (
            {"kind": "no_responses", "reason": "silent", "segment": ""},
            "[Critical] No responses any more: all segments",
            "No responses come any more, from any segment.",
        ),
        (
            {"kind": "no_responses", "reason": "silent", "segment": "/survey/autumn"},
            "[Critical] No responses any more: the survey autumn",
            "Survey: autumn",
        ),
        (
            {"kind": "no_responses", "reason": "retired", "action": "resolved", "segment": "/survey/autumn"},
            "[Closed] Survey is no longer watched: the survey autumn",
            "no response from the survey autumn, so the worker no longer watches it.",
        ),
        (
            {"merged_segments": ["/source/typeform", "fr/c"]},
            "[Critical] NPS fell from +38 to -21: fr/shop-3/delivery",
            "Merged incidents about: the source typeform and fr/c",
        ),
        (
            {"segment": "", "also": []},
            "[Critical] NPS fell from +38 to -21: all answers",
            "The NPS of all answers fell from +38.5 to -21.2.",
        ),
        (
            {"also": ["fr/b", "fr/c"]},
            "[Critical] NPS fell from +38 to -21: fr/shop-3/delivery and 2 more",
            "At about the same time, the NPS also fell here: fr/b and fr/c.",
        ),
        (
            {"action": "resolved", "reason": "recovered"},
            "[Resolved] NPS has recovered: fr/shop-3/delivery",
            "Compared with before the drop: -59.7 points",
        ),
        (
            {"action": "resolved", "reason": "recovered"},
            "[Resolved] NPS has recovered: fr/shop-3/delivery",
            "Answers that show the recovery --",
        ),
        (
            {"action": "updated", "reason": "wider", "also": [f"fr/{number}" for number in range(12)]},
            "[Critical, updated] The drop is wider: fr/shop-3/delivery and 12 more",
            "it is about fr/shop-3/delivery, fr/0, fr/1, fr/2, fr/3, fr/4, fr/5, fr/6, fr/7 and 4 more.",
        ),
    ],
)
def test_a_mail_says_what_is_known(
    make_incident: MakeIncident, changes: dict[str, Any], headline: str, sentence: str
) -> None:
    received = mail(make_incident(**changes))

    assert subject(received) == headline
    assert sentence in " ".join(part(received, "plain").split())


def test_a_survey_is_feminine_in_french(make_incident: MakeIncident) -> None:
    step = make_incident(kind="no_responses", reason="retired", action="resolved", segment="/survey/été")
    received = mail(step, language="fr")

    assert subject(received) == f"[Clos] L{QUOTE}enquête n{QUOTE}est plus surveillée{NBSP}: l{QUOTE}enquête été"
    text = " ".join(part(received, "plain").split(" ")).replace("\n", " ")
    assert f"de réponse de l{QUOTE}enquête été, qui n{QUOTE}est donc plus surveillée." in text
    assert f"Enquête{NBSP}: été" in text


def test_the_end_of_a_merged_incident_says_under_which_id_it_goes_on(make_incident: MakeIncident) -> None:
    other = OtherIncident(alert_id="a-2", segment="fr")
    step = make_incident(action="resolved", reason="merged", merged_into=other)
    text = part(mail(step), "plain")

    assert "Goes on as: fr (a-2)" in text
    assert ("Goes on as", "fr (a-2)") in [(fact.label, fact.value) for fact in message_of(step, Readers("en")).facts]


@pytest.mark.parametrize("reason", [*UPDATES, "merged"])
def test_a_webhook_gets_the_fields_of_an_update(make_incident: MakeIncident, reason: str) -> None:
    step = told_as(make_incident, reason)
    data = json.loads(event.body(step, "d-1"))["data"]

    assert (data["action"], data["reason"]) == (step.action, reason)
    assert (data["segment"], data["first_segment"], data["also"]) == ("fr", FIRST, ["fr/b"])
    assert data["alert_id"] == make_incident().alert_id
