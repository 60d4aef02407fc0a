"""The links in a mail by which its receiver acts on the alert."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from notify.channels.email.mails import ADDRESS, DELIVERY, Elements, address, part, received
from pydantic import SecretStr

from schemas.alert import Alert, AlertAction
from schemas.alert_command import CommandAction
from schemas.case import CaseStep
from schemas.examples import CASE
from schemas.incident import Incident
from worker.flow.timestamps import to_ms
from worker.links.settings import WebSettings
from worker.links.signing import Link, Links
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.digest import Digest, Item
from worker.notify.notice import Shown
from worker.settings import EmailSettings, Settings

BASE = "https://nps.example.com/care&more"
LINKS = Links((SecretStr("k" * 32),), 30, BASE)
NAMES = {"fr": ["Je m’en occupe", "Clore"], "en": ["I have it", "Resolve"]}

MakeAlert = Callable[..., Alert]


def composed(notice: Shown | Digest, links: Links | None = LINKS, route: str = "Lyon") -> bytes:
    letterhead = Letterhead("nps@example.org", "en", links=links)
    return compose(notice, address(*ADDRESS.targets, route=route), delivery_id=DELIVERY, letterhead=letterhead).data


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("action", [AlertAction.OPENED, AlertAction.UPDATED])
def test_a_mail_about_an_alert_has_the_links_of_its_receiver_in_both_forms(
    make_alert: MakeAlert, language: str, action: AlertAction
) -> None:
    alert = make_alert(language=language, action=action)
    mail = received(composed(alert))
    text = part(mail, "plain").splitlines()
    buttons = [
        tags for tag, tags in Elements(part(mail, "html")).tags if tag == "a" and (tags["href"] or "").startswith(BASE)
    ]
    at = to_ms(alert.occurred_at)

    urls = list(LINKS.of(alert, "Lyon").values())
    assert [button["href"] for button in buttons] == urls
    assert {button["rel"] for button in buttons} == {"noopener noreferrer"}
    for name, url in zip(NAMES[language], urls, strict=True):
        assert text[text.index(f"- {name}") + 1] == f"  {url}"
        assert f">{name}</a>" in part(mail, "html")
    token = urls[1].rpartition("/")[2]
    assert LINKS.read(CommandAction.RESOLVE, token, at) == Link(CommandAction.RESOLVE, alert.alert_id, at, "Lyon")


def test_each_alert_of_a_digest_can_be_acknowledged_in_both_forms(
    make_alert: MakeAlert, make_incident: Callable[..., Incident]
) -> None:
    alerts = [make_alert(alert_id=f"a-{number}") for number in range(2)]
    withdrawn = make_alert(alert_id="a-9", action=AlertAction.WITHDRAWN)
    items = [*(Item(alert) for alert in (*alerts, withdrawn)), Item(make_incident())]
    digest = Digest("d-7", to_ms(alerts[0].occurred_at), items)
    mail = received(composed(digest))
    urls = [LINKS.of(alert, "Lyon")[CommandAction.ACKNOWLEDGE] for alert in alerts]

    shown = Elements(part(mail, "html"))
    assert [tags["href"] for tag, tags in shown.tags if tag == "a"] == urls
    assert [line for line in part(mail, "plain").splitlines() if "http" in line] == [
        f"  I have it: {url}" for url in urls
    ]
    for text in (shown.text, part(mail, "plain")):
        assert " ".join(text.split()).count("Whoever has these links can use them") == 1
    for kind in ("plain", "html"):
        without = part(received(composed(digest, None)), kind)
        assert not [word for word in ("http", "Whoever") if word in without]


def test_equal_notices_give_equal_bytes_and_a_later_step_has_other_links(make_alert: MakeAlert) -> None:
    later = make_alert(occurred_at=datetime(2026, 8, 1, 12, 5, 31, tzinfo=UTC))

    assert composed(make_alert()) == composed(make_alert())
    assert set(LINKS.of(make_alert(), "Lyon").values()).isdisjoint(LINKS.of(later, "Lyon").values())


def test_there_are_no_links_without_an_address_after_a_withdrawal_and_about_an_incident(
    make_alert: MakeAlert, make_incident: Callable[..., Incident]
) -> None:
    for data in (
        composed(make_alert(), None),
        composed(make_alert(action=AlertAction.WITHDRAWN)),
        composed(make_incident()),
    ):
        mail = received(data)
        for kind in ("plain", "html"):
            shown = part(mail, kind)
            assert not [name for name in ("nps.example.com", *NAMES["fr"], *NAMES["en"]) if name in shown]


@pytest.mark.parametrize(("state", "names"), [("open", NAMES["en"]), ("acknowledged", NAMES["en"][1:])])
def test_a_reminder_has_the_links_for_what_is_left_to_do(state: str, names: list[str]) -> None:
    step = CaseStep.model_validate(
        CASE | {"action": "reminded", "reason": "due_soon", "state": state, "language": "en"}, strict=False
    )
    mail = received(composed(step))
    text = part(mail, "plain").splitlines()
    shown = Elements(part(mail, "html"))

    for name, url in zip(names, LINKS.of(step, "Lyon").values(), strict=True):
        assert text[text.index(f"- {name}") + 1] == f"  {url}"
        assert url in [attributes.get("href") for _, attributes in shown.tags]
    assert [name for name in NAMES["en"] if name in shown.text] == names


def test_no_link_has_the_customers_or_the_receivers_data(make_alert: MakeAlert) -> None:
    shown = [str(LINKS.read(action, url.rpartition("/")[2], to_ms(make_alert().occurred_at)))
             for action, url in LINKS.of(make_alert(), "Lyon").items()]  # fmt: skip

    for canary in ("c-42", "Marie", "r-1", "autumn", "fr/shop-3", "@"):
        assert not [link for link in shown if canary in link]


def test_the_settings_say_whether_mails_have_links() -> None:
    keys = ["k" * 32]
    without = Settings.model_construct(web=WebSettings(keys=keys))
    with_links = Settings.model_construct(web=WebSettings(keys=keys, base_url="https://nps.example.com"))

    assert without.letterhead == EmailSettings().letterhead
    assert with_links.letterhead.links is not None
    assert with_links.letterhead.links.base_url == "https://nps.example.com"
