"""What all mails have in common says whether somebody reads the replies to them."""

from collections.abc import Callable

import pytest
from notify.channels.email.mails import ADDRESS, DELIVERY, Elements, mail, part, received

from schemas.alert import Alert
from schemas.incident import Incident
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.routing.receiver import Language


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

    for notice in (make_alert(language=language), make_incident()):
        mailed = received(compose(notice, ADDRESS, delivery_id=DELIVERY, letterhead=letterhead).data)
        assert expected in " ".join(part(mailed, "plain").split())
        assert expected in Elements(part(mailed, "html")).text


def test_without_one_a_mail_says_that_replies_are_not_read(
    make_alert: Callable[..., Alert], make_incident: Callable[..., Incident]
) -> None:
    for mailed in (mail(make_alert(language="en")), mail(make_incident())):
        for text in (part(mailed, "plain"), Elements(part(mailed, "html")).text):
            assert "Replies to it are not read." in text
