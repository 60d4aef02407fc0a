"""What a chat message says: short, in the language of the answer, and what is left out is counted."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from schemas.alert import Alert, Link
from schemas.alert_command import CommandAction
from schemas.incident import Incident
from schemas.response import Consent, Customer
from worker.notify.channels.chat.message import Fact, message_of
from worker.notify.content.pages import page_of
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]
ENGLISH = Readers("en", ZoneInfo("Europe/Paris"))


def test_a_message_about_a_customer(make_alert: MakeAlert) -> None:
    message = message_of(make_alert(language="en", comment="Three weeks late.\n\nNobody answers."), ENGLISH)

    assert message.title == "[Critical] Unhappy customer, score 2/10: Marie Dupont (fr/shop-3/delivery)"
    assert message.sentence == "This customer gave a detractor’s score (0 to 6)."
    assert message.comment == "Three weeks late.\n\nNobody answers."
    assert message.facts == [
        Fact("Call-back agreed", "yes, about this answer"),
        Fact("Phone", "+33 6 12 34 56 78"),
        Fact("E-mail", "marie@example.org"),
        Fact("Account owner", "Jean"),
    ]
    assert [link.host for link in message.links] == ["survey.example"]
    assert message.left_out == ""


def test_links_to_act_come_first_and_are_counted_like_others(make_alert: MakeAlert) -> None:
    acts = {CommandAction.ACKNOWLEDGE: "https://nps.example/a", CommandAction.RESOLVE: "http://127.0.0.1:8080/r"}
    given = [Link(href=f"https://survey.example/{number}", text="Survey") for number in range(3)]
    message = message_of(make_alert(language="en", links=given), ENGLISH, acts)

    assert [(link.text, link.href, link.host) for link in message.links] == [
        ("I have it", "https://nps.example/a", "nps.example"),
        ("Resolve", "http://127.0.0.1:8080/r", "127.0.0.1:8080"),
        ("Survey", "https://survey.example/0", "survey.example"),
    ]
    assert message.left_out == "2 more links are not shown here"


def test_it_is_in_the_language_of_the_answer(make_alert: MakeAlert) -> None:
    message = message_of(make_alert(language="fr-CA", comment="a" * 900), ENGLISH)

    assert message.title.startswith("[Critique] Client mécontent")
    assert message.facts[0] == Fact("Rappel accepté", "oui, au sujet de cette réponse")
    assert message.left_out == "100 caractères de plus ne figurent pas ici"


def test_what_is_not_known_is_not_shown(make_alert: MakeAlert) -> None:
    message = message_of(
        make_alert(language="en", customer=Customer(), consent=Consent(), comment=None, links=[]), ENGLISH
    )

    assert [fact.label for fact in message.facts] == ["Call-back agreed"]
    assert (message.comment, message.left_out, message.links) == ("", "", [])


def test_a_long_comment_is_cut_and_says_how_much_is_missing(make_alert: MakeAlert) -> None:
    message = message_of(make_alert(language="en", comment="word " * 1_000), ENGLISH)

    assert len(message.comment) <= 800
    assert message.left_out == f"{4_999 - len(message.comment):,} more characters are not shown here"


def test_too_many_and_too_long_links_are_counted(make_alert: MakeAlert) -> None:
    links = [Link(href=f"https://survey.example/{number}", text="answer") for number in range(5)]
    links.append(Link(href=f"https://survey.example/{'a' * 600}", text="answer"))
    message = message_of(make_alert(language="en", links=links, comment="a" * 801), ENGLISH)

    assert [link.href[-1] for link in message.links] == ["0", "1", "2"]
    assert message.links[0].text == "The answer in the survey tool"
    assert message.left_out == "1 more characters are not shown here; 3 more links are not shown here"


@pytest.mark.parametrize(
    ("language", "title", "label"),
    [
        ("en", "[Critical] NPS fell from +38 to -21: fr/shop-3/delivery", "Segment"),
        ("fr", "[Critique] Le NPS est passé de", "Périmètre"),
    ],
)
def test_a_message_about_an_incident(make_incident: MakeIncident, language: Language, title: str, label: str) -> None:
    message = message_of(make_incident(), Readers(language))

    assert message.title.startswith(title)
    assert message.title == page_of(make_incident(), Readers(language)).subject
    assert message.facts[0] == Fact(label, "fr/shop-3/delivery")
    assert (message.comment, message.links) == ("", [])
