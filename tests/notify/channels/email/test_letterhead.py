"""What all mails have in common says whether somebody reads the replies to them."""

from collections.abc import Callable

import pytest
from notify.channels.email.mails import Elements, mail, part

from schemas.alert import Alert
from schemas.incident import Incident
from worker.notify.channels.email.alert_page import alert_page
from worker.notify.channels.email.incident_page import incident_page
from worker.notify.channels.email.language import Language
from worker.notify.channels.email.letterhead import Letterhead


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "This message was sent automatically. Replies to it go to desk@example.org."),
        ("fr", "Ce message a été envoyé automatiquement. Les réponses à ce message sont adressées à desk@example.org."),
    ],
)
def test_with_an_address_for_replies_every_mail_names_it(
    make_alert: Callable[..., Alert], make_incident: Callable[..., Incident], language: Language, expected: str
) -> None:
    letterhead = Letterhead("nps@example.org", language, reply_to="desk@example.org")
    pages = [alert_page(make_alert(language=language), letterhead), incident_page(make_incident(), letterhead)]

    assert [page.more["replies"] for page in pages] == [expected, expected]


def test_without_one_a_mail_says_that_replies_are_not_read(
    make_alert: Callable[..., Alert], make_incident: Callable[..., Incident]
) -> None:
    for received in (mail(make_alert(language="en")), mail(make_incident())):
        for text in (part(received, "plain"), Elements(part(received, "html")).text):
            assert "Replies to it are not read." in text
