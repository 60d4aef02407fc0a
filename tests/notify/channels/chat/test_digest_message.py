"""A chat message that lists many notices: the most urgent first, as many as fit, and how many are left out."""

import json
import re
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify.channels.chat.test_markup import HOSTILE, mentions
from notify.channels.email.notices import ALERTS
from notify.channels.email.test_digest_mail import CLOSED, listed
from notify.conftest import _alert
from notify.silencer import silence

from schemas.alert import Alert, Severity
from schemas.incident import Incident
from schemas.response import Customer
from worker.notify.channels.chat.digest_message import DigestMessage, digest_message
from worker.notify.channels.chat.markup import payload
from worker.notify.channels.chat.settings import Format
from worker.notify.content.readers import Readers
from worker.notify.digest import Digest, Item

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]
FORMATS: tuple[Format, ...] = get_args(Format)
ENGLISH, FRENCH = Readers("en"), Readers("fr")
URL = "https://nps.example/acknowledge/token"


def no_link(_: Alert) -> str:
    return ""


def link(_: Alert) -> str:
    return URL


def texts_of(message: DigestMessage, kind: Format) -> str:
    """Return everything that a chat shows of a message."""
    posted = payload(message, kind)
    if kind != "teams":
        text: str = posted["text"]
        return text
    [attachment] = posted["attachments"]
    runs = (run for block in attachment["content"]["body"] for run in block["inlines"])
    return "\n".join(run["text"] for run in runs)


@pytest.mark.parametrize("kind", FORMATS)
def test_it_says_how_much_there_is_and_lists_each_notice(
    kind: Format, make_alert: MakeAlert, make_incident: MakeIncident
) -> None:
    notices = make_alert(alert_id="a-1", severity=Severity.WARNING), make_incident(alert_id="i-1")
    message = digest_message(listed(*notices), ENGLISH, no_link)
    text = texts_of(message, kind)

    assert message.title == "[Critical] Digest: 2 new"
    assert "2/10, Marie Dupont, warning, fr/shop-3/delivery" in text
    assert "NPS fell from +38 to -21, The NPS of fr/shop-3/delivery fell" in text
    assert "+33 6 12 34 56 78" in text
    assert "Trois semaines de retard. Personne ne répond." in text
    assert message.entries[1].comment == ""
    assert (message.left_out, "not shown" in text) == ("", False)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_alert_has_the_link_to_acknowledge_it(kind: Format, make_alert: MakeAlert) -> None:
    message = digest_message(listed(make_alert()), ENGLISH, link)

    assert "I have it" in texts_of(message, kind)
    assert "nps.example" in texts_of(message, kind).replace(URL, "")
    assert json.dumps(payload(message, kind)).count(URL) == 1


@pytest.mark.parametrize("readers", [ENGLISH, FRENCH])
def test_what_does_not_fit_is_counted_by_severity(readers: Readers, make_alert: MakeAlert) -> None:
    critical = [make_alert(alert_id=f"a-{number}") for number in range(30)]
    others = [make_alert(alert_id=f"b-{number}", severity=Severity.WARNING) for number in range(1_970)]
    message = digest_message(listed(*critical, *others), readers, no_link)

    shown = len(message.entries)
    assert 10 < shown < 30
    assert len(texts_of(message, "slack")) < 4_000
    english = f"1,{2_000 - shown - 1_000} more are not shown here (critical: {30 - shown}, warning: 1,970)"
    severities = f"critique (critical) : {30 - shown}, modérée (warning) : 1 970"
    french = f"1 {2_000 - shown - 1_000} de plus ne figurent pas ici ({severities})"
    plain = re.sub(r"\s", " ", message.left_out)
    assert plain == (english if readers is ENGLISH else french)


def test_one_notice_is_shown_however_long_it_is(make_alert: MakeAlert) -> None:
    long = "x" * 5_000
    alert = make_alert(comment=long, segment=long, customer=Customer(name=long, phone=long))
    message = digest_message(listed(alert), ENGLISH, lambda _: f"{URL}/{long}")

    assert len(message.entries) == 1
    assert len(message.entries[0].text) <= 300


def test_it_names_the_silence_that_has_held_notices_back(make_alert: MakeAlert) -> None:
    digest = Digest("d-7", CLOSED, [Item(make_alert(), silence="strike")], {"strike": silence("strike")})
    message = digest_message(digest, ENGLISH, no_link)

    assert message.sentences[1].startswith("Held back by the silence strike, which")
    assert message.entries[0].text.endswith("held back by the silence strike")


def hostile(make_alert: MakeAlert) -> DigestMessage:
    customer = Customer(name=HOSTILE, phone=HOSTILE)
    alert = make_alert(comment=HOSTILE, customer=customer, segment="fr/<!channel>/@all")
    known = {"s-1": silence("s-1", reason=HOSTILE, created_by=HOSTILE)}
    return digest_message(Digest("d-7", CLOSED, [Item(alert, silence="s-1")], known), ENGLISH, link)


def test_what_comes_from_outside_mentions_nobody_and_makes_no_link(make_alert: MakeAlert) -> None:
    message = hostile(make_alert)
    slack = texts_of(message, "slack")
    assert re.findall(r"<[^>]*>", slack) == [f"<{URL}|I have it>"]
    assert not mentions(slack)
    for kind in ("mattermost", "rocketchat"):
        text = texts_of(message, kind)
        assert re.findall(r"\]\([^)]*\)", text) == [f"]({URL})"]
        assert not mentions(text)
        assert not set("<`\\") & set(text)
    [attachment] = payload(message, "teams")["attachments"]
    assert {block["type"] for block in attachment["content"]["body"]} == {"RichTextBlock"}
    assert "msteams" not in json.dumps(attachment)


@given(st.lists(ALERTS, min_size=1, max_size=60))
def test_it_is_never_longer_than_a_chat_accepts_and_counts_every_notice(changes: list[dict[str, Any]]) -> None:
    alerts = [_alert(**one) for one in changes]
    message = digest_message(listed(*alerts), ENGLISH, link)
    left_out = re.search(r"^([\d,]+) more", message.left_out)
    more = 0 if left_out is None else int(left_out[1].replace(",", ""))

    assert len(message.entries) + more == len(alerts)
    # What is escaped for Slack may be longer, but Slack cuts only after 40,000 characters.
    assert len(texts_of(message, "rocketchat")) < 5_000
    assert len(json.dumps(payload(message, "teams"), ensure_ascii=False).encode()) < 28_000
