"""The mail that lists many alerts and incidents."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify.channels.email.mails import ADDRESS, HEADERS, NBSP, Elements, mail, part, received, subject
from notify.channels.email.notices import ALERTS
from notify.conftest import _alert
from notify.silencer import silence

from schemas.alert import Alert, AlertAction, Severity
from schemas.incident import Incident, IncidentKind
from schemas.response import Consent, Customer
from worker.flow.timestamps import to_ms
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.content.digest_page import Counts, counts_of
from worker.notify.digest import Digest, Item
from worker.routing.receiver import Language

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

CLOSED = to_ms(datetime(2026, 8, 1, 12, 10, tzinfo=UTC))


def listed(*notices: Alert | Incident) -> Digest:
    return Digest("d-7", CLOSED, [Item(notice) for notice in notices])


def test_it_says_how_much_is_new_still_open_and_closed(make_alert: MakeAlert, make_incident: MakeIncident) -> None:
    digest = listed(
        make_incident(alert_id="i-1"),
        make_alert(alert_id="a-1", severity=Severity.WARNING),
        make_alert(alert_id="a-2", severity=Severity.WARNING, action=AlertAction.UPDATED, reason="comment_added"),
        make_alert(alert_id="a-3", severity=Severity.WARNING, action=AlertAction.WITHDRAWN),
    )
    got = mail(digest)

    assert counts_of(item.notice for item in digest.items) == Counts(2, 1, 1)
    assert subject(got) == "[Critical] Digest: 2 new, 1 still open, 1 closed"
    assert got.keys() == HEADERS
    assert got["Date"] == "Sat, 01 Aug 2026 12:10:00 +0000"
    assert got["X-NPS-Alert-Id"] == "d-7"
    text = part(got, "plain")
    assert "- 2/10, Marie Dupont\n" in text
    assert "  > Trois semaines de retard. Personne ne répond.\n" in text
    assert "New comment" in text
    assert text.count("Alert withdrawn") == 1
    assert text.endswith("Digest: d-7\n")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"segment": "fr/lyon"}, ["  fr/lyon"]),
        ({"segment": "fr/lyon", "also": ["fr/paris"]}, ["  fr/lyon and 1 more"]),
        ({"segment": "/survey/autumn"}, ["  the survey autumn"]),
        ({"segment": ""}, ["  all answers"]),
        ({"kind": IncidentKind.NO_RESPONSES, "segment": "/source/shop", "source": "shop"}, ["  shop"]),
        ({"kind": IncidentKind.TOO_MANY_SEGMENTS, "segment": "/segments/0"}, []),
    ],
)
def test_an_entry_says_what_an_incident_is_about(
    make_incident: MakeIncident, fields: dict[str, Any], said: list[str]
) -> None:
    lines = part(mail(listed(make_incident(**fields))), "plain").splitlines()
    title = next(number for number, line in enumerate(lines) if line.startswith("- "))
    quoted = next(number for number, line in enumerate(lines) if line.startswith("  > "))

    assert said == lines[title + 1 : quoted]


@pytest.mark.parametrize(
    ("language", "said"), [("fr", f"[Modérée] Récapitulatif{NBSP}: 1 nouvelle"), ("en", "[Warning] Digest: 1 new")]
)
def test_its_language_is_the_receivers(make_alert: MakeAlert, language: Language, said: str) -> None:
    digest = listed(make_alert(severity=Severity.WARNING, customer=Customer(), comment=None, customer_id="anonymous-1"))
    assert subject(mail(digest, language=language)) == said


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        (None, "  Time limit: 2 August 2026 at 08:30 (UTC)\n"),
        ("Europe/Paris", "  Time limit: 2 August 2026 at 10:30 (UTC+02:00)\n"),
    ],
)
def test_an_entry_says_by_when_somebody_has_to_act_in_the_receivers_time_zone(
    make_alert: MakeAlert, zone: str | None, said: str
) -> None:
    limit = to_ms(datetime(2026, 8, 2, 8, 30, tzinfo=UTC))
    items = [Item(make_alert(alert_id="a-1"), limit), Item(make_alert(alert_id="a-2"))]
    letterhead = Letterhead("nps@example.org", "en", time_zone=None if zone is None else ZoneInfo(zone))
    sent = compose(Digest("d-7", CLOSED, items), ADDRESS, delivery_id="d-7", letterhead=letterhead)

    got = received(sent.data)
    assert f"{said}  Case number: a-1\n" in part(got, "plain")
    assert f"<strong>{said.strip()}</strong>" in part(got, "html")
    for kind in ("plain", "html"):
        assert part(got, kind).count("Time limit") == 1


def test_a_thousand_are_listed_once_each_in_text_and_html_and_the_same_bytes_again(make_alert: MakeAlert) -> None:
    digest = listed(*(make_alert(alert_id=f"id-{number:04}-") for number in range(1_000)))
    got = mail(digest)
    for kind in ("plain", "html"):
        content = part(got, kind)
        assert [content.count(f"id-{number:04}-") for number in range(1_000)] == [1] * 1_000
    assert mail(digest).as_bytes() == got.as_bytes()


@given(changes=st.lists(ALERTS, min_size=1, max_size=3))
def test_no_text_becomes_a_header_or_a_tag(changes: list[Mapping[str, Any]]) -> None:
    got = mail(listed(*(_alert(**one) for one in changes)))
    assert got.keys() == HEADERS
    tags = {tag for tag, _ in Elements(part(got, "html")).tags}
    assert tags <= {
        *("html", "head", "meta", "title", "body", "div", "p", "span", "h1", "strong", "br", "q"),
    }


@pytest.mark.parametrize(
    ("language", "said", "unknown", "mark"),
    [
        (
            "en",
            "Held back by the silence s-1, which anna has asked for: 2. Reason: a strike",
            "Held back by the silence s-2: 1",
            "held back by the silence s-1",
        ),
        (
            "fr",
            "Retenues par le silence « s-1 », demandé par anna : 2. Motif : a strike",
            "Retenue par le silence « s-2 » : 1",
            "retenue par le silence « s-1 »",
        ),
    ],
)
def test_it_says_which_silences_have_held_back_what_and_who_has_asked_for_them(
    language: Language, said: str, unknown: str, mark: str, make_alert: MakeAlert
) -> None:
    by = ["s-1", "", "s-2", "s-1"]
    items = [Item(make_alert(alert_id=f"a-{number}"), silence=silence_id) for number, silence_id in enumerate(by)]
    held = Digest("d-7", CLOSED, items, {"s-1": silence()})
    got = mail(held, language=language)
    for kind in ("plain", "html"):
        words = " ".join(part(got, kind).replace(NBSP, " ").replace("\u202f", " ").split())
        assert words.count(said) == 1
        assert words.count(unknown) == 1
        assert words.count(mark) == 2


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "do not call about this answer"), ("fr", "ne pas appeler au sujet de cette réponse")],
)
def test_an_entry_says_who_must_not_be_called_and_then_gives_no_number(
    language: Language, said: str, make_alert: MakeAlert
) -> None:
    customer = Customer(name="Marie", phone="+33 1 99 00 41 27")
    agreed, refused = (
        mail(listed(make_alert(customer=customer, consent=Consent(callback=callback))), language=language)
        for callback in (True, False)
    )
    for kind in ("plain", "html"):
        words = [" ".join(part(got, kind).split()) for got in (agreed, refused)]
        assert [("99 00 41 27" in text, said in text) for text in words] == [(True, False), (False, True)]


@given(reason=st.text(min_size=1), author=st.text(min_size=1), silence_id=st.text(min_size=1))
def test_what_somebody_writes_about_a_silence_becomes_no_header_and_no_tag(
    reason: str, author: str, silence_id: str
) -> None:
    known = {silence_id: silence(silence_id, reason=reason, created_by=author)}
    plain = mail(listed(_alert()))
    got = mail(Digest("d-7", CLOSED, [Item(_alert(), silence=silence_id)], known))
    assert got.keys() == HEADERS
    tags = {tag for tag, _ in Elements(part(got, "html")).tags}
    assert tags <= {tag for tag, _ in Elements(part(plain, "html")).tags} | {"p"}
