import re
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from notify.channels.email.mails import (
    ADDRESS,
    DELIVERY,
    HEADERS,
    NBSP,
    Elements,
    address,
    mail,
    part,
    received,
    subject,
)

from schemas.alert import Alert, AlertAction, AlertReason, EarlierAnswer, Link, Severity
from schemas.response import Consent, Customer
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.content.alert_page import alert_page
from worker.notify.content.language import WORDS, language_of
from worker.notify.content.readers import Readers
from worker.routing.receiver import Receiver

MakeAlert = Callable[..., Alert]


def test_the_headers_are_these_and_no_others(make_alert: MakeAlert) -> None:
    received = mail(make_alert())

    assert received.keys() == HEADERS
    assert received["From"] == "nps@example.org"
    assert received["To"] == "support@example.org, boss@example.org"
    assert received["Date"] == "Sat, 01 Aug 2026 12:05:30 +0000"
    assert received["Message-ID"] == f"<{DELIVERY}@example.org>"
    assert received["Auto-Submitted"] == "auto-generated"
    assert received["X-NPS-Alert-Id"] == "0b8d1a3e-1111-5222-8333-444455556666"
    assert received.get_content_type() == "multipart/alternative"


def test_the_same_alert_gives_the_same_bytes(make_alert: MakeAlert) -> None:
    first, second = (
        compose(make_alert(), ADDRESS, delivery_id=DELIVERY, letterhead=Letterhead("nps@example.org", "fr"))
        for _ in range(2)
    )

    assert first == second


def test_a_mail_in_french(make_alert: MakeAlert) -> None:
    received = mail(make_alert())
    text = part(received, "plain")

    assert subject(received) == f"[Critique] Client mécontent, note 2/10{NBSP}: Marie Dupont (fr/shop-3/delivery)"
    for line in (
        "Ce client a donné une note de détracteur (de 0 à 6).",
        f"Note{NBSP}: 2 sur 10",
        f"Gravité{NBSP}: critique (critical)",
        f"Rappel accepté{NBSP}: oui, au sujet de cette réponse",
        "> Trois semaines de retard.\n> Personne ne répond.",
        f"Nom{NBSP}: Marie Dupont",
        f"Téléphone{NBSP}: +33 6 12 34 56 78",
        f"Suivi par{NBSP}: Jean",
        f"Date{NBSP}: 1er{NBSP}août 2026 à 14{NBSP}h{NBSP}05 (UTC+02:00)",
        f"- 9 sur 10, le 3{NBSP}janvier 2026 à 9{NBSP}h{NBSP}00 (UTC+02:00), fr/shop-3",
        f"«{NBSP}default{NBSP}»",
    ):
        assert line in text
    assert Elements(part(received, "html")).tags[0] == ("html", {"lang": "fr"})


def test_a_mail_in_english(make_alert: MakeAlert) -> None:
    received = mail(make_alert(language="en-GB", consent=Consent()))
    text = part(received, "plain")

    assert subject(received) == "[Critical] Unhappy customer, score 2/10: Marie Dupont (fr/shop-3/delivery)"
    for line in (
        "This customer gave a detractor’s score (0 to 6).",
        "Score: 2 out of 10",
        "Call-back agreed: no, do not call about this answer",
        "Name: Marie Dupont",
        "Date: 1 August 2026 at 14:05 (UTC+02:00)",
        "- 9 out of 10, on 3 January 2026 at 09:00 (UTC+02:00), fr/shop-3",
        "- Answer\n  https://survey.example/r?a=1&b=2",
        "Case number: 0b8d1a3e-1111-5222-8333-444455556666",
    ):
        assert line in text
    assert Elements(part(received, "html")).tags[0] == ("html", {"lang": "en"})


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("fr", "fr"),
        ("fr-CA", "fr"),
        ("FR_be", "fr"),
        ("en-GB", "en"),
        ("EN", "en"),
        ("de", "fr"),
        ("fro", "fr"),
        ("", "fr"),
        (None, "fr"),
    ],
)
def test_the_language_is_the_responses_or_the_default(tag: str | None, expected: str) -> None:
    assert expected == language_of(tag, "fr")


def test_another_language_is_not_taken_for_a_known_one() -> None:
    assert language_of("fro", "en") == "en"
    assert language_of("enm", "fr") == "fr"


def test_french_typography_has_no_plain_space_before_high_punctuation() -> None:
    table = asdict(replace(WORDS["fr"], moment=repr))
    french = "\n".join(
        str(text) for entry in table.values() for text in (entry.values() if isinstance(entry, dict) else [entry])
    )

    assert not re.search(" [:;!?»]|« ", french)


@pytest.mark.parametrize(
    ("action", "reason", "start", "why"),
    [
        ("updated", "corrected", "[Updated] Unhappy customer, score 2/10: ", "replaces the last one"),
        (
            "withdrawn",
            "no_longer_detractor",
            "[Withdrawn] Alert withdrawn, score corrected to 2/10: ",
            "no longer a detractor’s",
        ),
        ("withdrawn", "suspect_scanner", "[Withdrawn] Alert withdrawn: ", "given by a mail scanner and not by the"),
        ("withdrawn", "moved", "[Withdrawn] Alert withdrawn: ", "Another customer gave the answer."),
    ],
)
def test_the_mail_says_why_it_came(make_alert: MakeAlert, action: str, reason: str, start: str, why: str) -> None:
    received = mail(make_alert(action=AlertAction(action), reason=AlertReason(reason), language="en"))

    assert subject(received).startswith(start)
    assert why in part(received, "plain").replace("\n", " ")
    assert why in Elements(part(received, "html")).text


def test_every_step_severity_and_language_has_its_words(make_alert: MakeAlert) -> None:
    for language in WORDS:
        for action in AlertAction:
            for reason in AlertReason:
                for severity in Severity:
                    alert = make_alert(action=action, reason=reason, severity=severity, language=language)
                    assert "{" not in mail(alert).as_string()


def test_words_added_later_do_not_stop_a_mail(make_alert: MakeAlert) -> None:
    received = mail(make_alert(action="escalated", reason="no_answer", language="en"))

    assert subject(received).startswith("[Updated] ")
    assert "Score: 2 out of 10" in part(received, "plain")


def test_what_is_not_known_is_said_or_left_out(make_alert: MakeAlert) -> None:
    received = mail(
        make_alert(
            language="en", comment=None, segment="", touchpoint="", customer=Customer(), links=[], last_answers=[]
        )
    )
    text = part(received, "plain")

    assert subject(received) == "[Critical] Unhappy customer, score 2/10: c-42"
    assert "The customer left no comment." in text
    assert "Phone: not given" in text
    for label in ("Tier", "Account owner", "Segment", "Touchpoint", "Earlier scores", "Read more", "None"):
        assert label not in text


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "[Critical] Unhappy customer, score 2/10: anonymous (fr/shop-3/delivery)"),
        ("fr", f"[Critique] Client mécontent, note 2/10{NBSP}: anonyme (fr/shop-3/delivery)"),
    ],
)
def test_a_subject_calls_an_anonymous_customer_so(make_alert: MakeAlert, language: str, expected: str) -> None:
    whose = {"customer_id": "anonymous:e362ffac-d547-5ae7-9dac-7cf5e7e2e8aa", "customer": Customer()}

    assert expected == subject(mail(make_alert(language=language, **whose)))


@pytest.mark.parametrize(
    "name",
    [
        "A\r\nBcc: thief@example.org",
        "A\nBcc: thief@example.org",
        "A\vB\x85C\u2028D\u2029E",
        "A\x00B",
        "=?utf-8?q?A=0D=0ABcc:_thief=40example.org?=",
        "=?utf-8?b?QQ0KQmNjOiB4QHk=?=",
        "==??utf-8?q?=0D=0ABcc:_x?=",
        "=\u202e?utf-8?q?=0D=0ABcc:_x?=",
        "=\x00?utf-8?q?=0D=0ABcc:_x?=",
        '"Marie" <thief@example.org>',
        "N" * 10_000,
        "é" * 10_000,
    ],
)
def test_a_hostile_name_adds_no_header(make_alert: MakeAlert, name: str) -> None:
    received = mail(make_alert(customer=Customer(name=name)))

    assert received.keys() == HEADERS
    assert len(subject(received)) <= 160
    assert not received.defects


def test_a_hostile_comment_is_shown_and_does_nothing(make_alert: MakeAlert) -> None:
    comment = "<script>alert(1)</script> {{7*7}} {% raise %} \"'></blockquote><img src=x onerror=alert(1)>"
    received = mail(make_alert(comment=comment))
    html = Elements(part(received, "html"))

    assert comment in html.text
    assert comment in part(received, "plain").replace("\n> ", " ")
    assert not {"script", "img"} & {tag for tag, _ in html.tags}
    assert not [name for _, attributes in html.tags for name in attributes if name.startswith("on")]


def test_a_long_comment_is_cut_and_it_is_said(make_alert: MakeAlert) -> None:
    received = mail(make_alert(comment="word " * 2_000, language="en"))

    for text in (part(received, "plain"), Elements(part(received, "html")).text):
        assert 990 <= text.count("word") <= 1_000
        assert "(comment shortened)" in text


def test_a_comment_of_control_characters_is_no_comment(make_alert: MakeAlert) -> None:
    assert "The customer left no comment." in part(mail(make_alert(comment="\x00\r\n\x07 ", language="en")), "plain")


@pytest.mark.parametrize(
    "href",
    [
        "http://example.org",
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)//https://example.org",
        "data:text/html,x",
        "//example.org",
        "https:",
        "https://",
        "https:///path",
        "https://bank.example@evil.example",
        "https://[broken",
        'https://example.org/" onclick="x',
        "https://example.org/\r\nBcc:x",
        "https://example.org/\u2028",
        "https://example.org/" + "a" * 2_000,
        "",
    ],
)
def test_only_https_links_are_kept(make_alert: MakeAlert, href: str) -> None:
    received = mail(make_alert(links=[Link(href=href, text="bad")]))

    assert [] == [a["href"] for tag, a in Elements(part(received, "html")).tags if tag == "a" and "rel" in a]
    assert "bad" not in part(received, "plain")


def test_a_link_is_a_link(make_alert: MakeAlert) -> None:
    links = [attributes for tag, attributes in Elements(part(mail(make_alert()), "html")).tags if tag == "a"]

    assert links == [
        {"href": "tel:+33612345678"},
        {"href": "mailto:marie@example.org"},
        {"href": "https://survey.example/r?a=1&b=2", "rel": "noopener noreferrer"},
    ]


def test_a_customer_who_does_not_want_to_be_called_cannot_be_dialled_by_a_click(make_alert: MakeAlert) -> None:
    html = part(mail(make_alert(language="en", consent=Consent(callback=False))), "html")

    assert "tel:" not in html
    assert "no, do not call about this answer" in html


def test_nothing_is_fetched_when_the_mail_is_opened(make_alert: MakeAlert) -> None:
    html = part(mail(make_alert()), "html")

    assert not {"img", "link", "script", "iframe", "style"} & {tag for tag, _ in Elements(html).tags}
    assert "url(" not in html


def test_the_plain_text_fits_72_columns(make_alert: MakeAlert) -> None:
    text = part(mail(make_alert(comment="Un mot après l’autre, " * 50, customer=Customer(name="nom " * 50))), "plain")

    assert max(len(line) for line in text.splitlines()) <= 72


def test_receivers_are_named_once_and_unchanged(make_alert: MakeAlert) -> None:
    odd = "!#$%&'*+/=?^_`{|}~-." + "x" * 40 + "@" + "d" * 60 + "." + "e" * 60 + ".example.org"
    received = mail(make_alert(), address(odd, "a@example.org", odd), sender=odd)

    assert [address.addr_spec for address in received["To"].addresses] == [odd, "a@example.org"]
    assert [address.addr_spec for address in received["From"].addresses] == [odd]
    assert received["Message-ID"] == f"<{DELIVERY}@{odd.partition('@')[2]}>"


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(0, "UTC"), (120, "UTC+02:00"), (-210, "UTC-03:30"), (345, "UTC+05:45")],
)
def test_times_carry_their_offset(make_alert: MakeAlert, minutes: int, expected: str) -> None:
    answered = datetime(2026, 8, 1, 14, 5, tzinfo=timezone(timedelta(minutes=minutes)))

    assert f"({expected})" in part(mail(make_alert(responded_at=answered, last_answers=[])), "plain")


def test_all_steps_of_an_alert_are_one_thread_and_no_other_alert_is(make_alert: MakeAlert) -> None:
    opened, updated = mail(make_alert()), mail(make_alert(action=AlertAction.UPDATED, score=3))
    other = mail(make_alert(alert_id="another"))

    assert opened["References"] == updated["References"] == opened["In-Reply-To"]
    assert re.fullmatch(r"<[0-9a-f-]{36}@example\.org>", opened["References"])
    assert other["References"] != opened["References"]


def test_the_letterhead_is_the_settings(make_alert: MakeAlert) -> None:
    letterhead = Letterhead("nps@example.org", "en", "Support Zoë, Lyon", "desk@example.org", ZoneInfo("Asia/Seoul"))
    sent = compose(make_alert(language="en"), ADDRESS, delivery_id=DELIVERY, letterhead=letterhead)
    message = received(sent.data)

    [sender] = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Support Zoë, Lyon", "nps@example.org")
    assert message["Reply-To"] == "desk@example.org"
    assert "Date: 1 August 2026 at 21:05 (UTC+09:00)" in part(message, "plain")
    assert "on 3 January 2026 at 16:00 (UTC+09:00)" in part(message, "plain")


def test_a_moment_at_the_end_of_time_stops_no_mail(make_alert: MakeAlert) -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    letterhead = Letterhead("nps@example.org", "en", time_zone=ZoneInfo("Asia/Seoul"))
    sent = compose(make_alert(responded_at=last), ADDRESS, delivery_id=DELIVERY, letterhead=letterhead)

    assert "31\N{NO-BREAK SPACE}décembre 9999" in part(received(sent.data), "plain")


@pytest.mark.parametrize(
    "alert_id", ["=\u2066?utf-8?q?=0D=0AReply-To:_x@evil.example?=", "=\u200b?utf-8?q?=0D=0AX:_y?="]
)
def test_a_hidden_encoded_word_adds_no_header(make_alert: MakeAlert, alert_id: str) -> None:
    received = mail(make_alert(alert_id=alert_id, customer=Customer(name=alert_id)))

    assert received.keys() == HEADERS
    assert not received.defects


INVISIBLE = [
    "\u200b",
    "\u200b \u2060",
    "\u3164",
    "\u2800\u2800",
    "\ufeff",
    "\u115f\u1160",
    "\U000e0041",
    "\u00ad",
    "\ufe0f",
]


@pytest.mark.parametrize("blank", INVISIBLE)
def test_what_shows_nothing_was_not_given(make_alert: MakeAlert, blank: str) -> None:
    customer = Customer(name=blank, phone=blank, email=blank)
    received = mail(make_alert(customer=customer, comment=f"{blank}\n{blank}", language="en"))
    text = part(received, "plain")

    assert subject(received) == "[Critical] Unhappy customer, score 2/10: c-42 (fr/shop-3/delivery)"
    for label in ("Name", "Phone", "E-mail"):
        assert f"{label}: not given" in text
    assert "The customer left no comment." in text


def test_a_customer_who_cannot_be_reached_is_said_to_be_so(make_alert: MakeAlert) -> None:
    said = "This customer cannot be reached: neither a phone number nor an e-mail address was given."
    for customer, expected in [
        (Customer(name="Marie"), True),
        (Customer(phone="\u200b", email=" "), True),
        (Customer(phone="+33 6 12 34 56 78"), False),
        (Customer(email="marie@example.org"), False),
    ]:
        received = mail(make_alert(customer=customer, language="en"))

        assert (said in part(received, "plain").replace("\n", " ")) is expected
        assert (said in Elements(part(received, "html")).text) is expected


def test_each_line_of_a_comment_has_a_direction_of_its_own(make_alert: MakeAlert) -> None:
    html = part(mail(make_alert(comment="Livraison en retard.\n\nהמשלוח איחר")), "html")

    assert '<div dir="auto">Livraison en retard.</div>' in html
    assert '<div dir="auto"><br></div>' in html
    assert '<div dir="auto">המשלוח איחר</div>' in html


def test_everything_that_holds_foreign_text_may_break_it_anywhere(make_alert: MakeAlert) -> None:
    long = "W" * 300
    earlier = [EarlierAnswer(score=9, responded_at=datetime(2026, 1, 3, tzinfo=UTC), segment=long)]
    links = [Link(href="https://e.org/" + long, text=long)]
    customer = Customer(name=long, email=long, owner=long)
    html = part(
        mail(make_alert(customer=customer, comment=long, segment=long, last_answers=earlier, links=links)), "html"
    )
    holders = re.findall(r"<(\w+)([^<>]*)>(?:<(?:a|div)[^<>]*>)?[^<>]*W{200}", html)

    assert {"td", "blockquote", "li"} <= {name for name, _ in re.findall(r"<(\w+)([^<>]*)overflow-wrap:anywhere", html)}
    assert all(
        "overflow-wrap:anywhere" in attributes for name, attributes in holders if name in {"td", "li", "p", "th"}
    )
    assert "nowrap" not in html
    assert "table-layout:fixed" in html


@pytest.mark.parametrize(
    ("reason", "start", "headline"),
    [
        ("comment_added", "[New comment] Unhappy customer, score 2/10: ", "The customer has added a comment"),
        ("comment_changed", "[Comment changed] ", "The customer has changed the comment"),
        ("consent_changed", "[Consent changed] ", "The customer has changed the consent"),
        ("corrected", "[Updated] ", "Alert updated"),
    ],
)
def test_an_update_says_what_has_changed(make_alert: MakeAlert, reason: str, start: str, headline: str) -> None:
    received = mail(make_alert(action=AlertAction.UPDATED, reason=reason, language="en"))

    assert subject(received).startswith(start)
    assert part(received, "plain").startswith(f"{headline}\n")


def test_a_withdrawal_names_a_corrected_score_only_if_there_is_one(make_alert: MakeAlert) -> None:
    received = mail(make_alert(action=AlertAction.WITHDRAWN, reason="something_else", language="en"))

    assert subject(received).startswith("[Withdrawn] Alert withdrawn: Marie Dupont")


@pytest.mark.parametrize("name", ["00 ¡ ¡¡ ¡¡ ¡", "00 \xa0\xa0¡ \xa0\xa0¡", "Zoë 😀 " * 20, "plain " * 20])
def test_a_name_is_whole_in_the_subject_wherever_that_is_folded(make_alert: MakeAlert, name: str) -> None:
    alert = make_alert(customer=Customer(name=name), action=AlertAction.WITHDRAWN)

    assert subject(mail(alert)) == alert_page(alert, Readers("en")).subject


def test_a_thread_is_found_also_if_the_domain_is_long(make_alert: MakeAlert) -> None:
    domain = f"{'d' * 60}.{'e' * 60}.example.org"
    letterhead = Letterhead(f"nps@{domain}", "en")
    sent = compose(make_alert(), ADDRESS, delivery_id=DELIVERY, letterhead=letterhead)
    thread = re.findall(rb"(?m)^(?:In-Reply-To|References): (<[0-9a-f-]{36}@.*>)\r$", sent.data)

    assert len(thread) == 2
    assert set(thread) == {thread[0]}
    assert thread[0].endswith(f"@{domain}>".encode())


@pytest.mark.parametrize(("language", "text"), [("fr", "demande à être contacté"), ("en", "asks to be contacted")])
def test_a_mail_says_that_the_customer_asks_to_be_contacted(make_alert: MakeAlert, language: str, text: str) -> None:
    asked = mail(make_alert(language=language, follow_up_requested=True))
    not_asked = mail(make_alert(language=language))

    assert all(text in part(asked, kind) for kind in ("plain", "html"))
    assert not any(text in part(not_asked, kind) for kind in ("plain", "html"))


def test_a_mail_is_in_the_language_of_its_receiver_and_shows_the_receivers_time(make_alert: MakeAlert) -> None:
    letterhead = Letterhead("nps@example.org", "en", time_zone=UTC)
    reader = Receiver("desk", {}, language="fr", zone=ZoneInfo("Asia/Tokyo"))
    alert = make_alert(language="en")
    [ours, usual] = [
        received(compose(alert, ADDRESS, delivery_id=DELIVERY, letterhead=head).data)
        for head in (letterhead.for_receiver(reader), letterhead.for_receiver(Receiver("desk", {})))
    ]

    assert "Client mécontent" in subject(ours)
    assert f"21{NBSP}h{NBSP}05" in part(ours, "plain")
    assert "Unhappy customer" in subject(usual)
    assert "12:05" in part(usual, "plain")
