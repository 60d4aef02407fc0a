"""E-mail is a channel like any other: a notice goes in, and its mail reaches the receivers of the address."""

from collections.abc import Callable

import pytest
from notify.channels.email.mails import address

from schemas.alert import Alert
from worker.embedded.inbox import Inbox
from worker.errors import DeliveryError
from worker.notify.channel import Channel
from worker.notify.channels.email.channel import Email
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.channels.email.smtp import SmtpSettings

ADDRESS = address("a@example.org", "b@example.org", route="desk")._replace(targets=["b@example.org"])


def channel(inbox: Inbox) -> Channel:
    return Email(SmtpSettings(host=inbox.host, port=inbox.port, tls="none"), Letterhead("nps@example.org", "en"))


async def test_a_notice_goes_to_the_receivers_that_are_left(make_alert: Callable[..., Alert], inbox: Inbox) -> None:
    email, begun = channel(inbox), list[str]()
    await email.send(make_alert(alert_id="a-1"), ADDRESS, "d-1", lambda: begun.append("begun"))
    await email.aclose()

    [mail] = inbox.mails
    assert mail.recipients == ("b@example.org",)
    assert mail.message["X-NPS-Alert-Id"] == "a-1"
    assert begun == ["begun"]


async def test_a_server_that_is_away_is_no_fault_of_the_notice(
    make_alert: Callable[..., Alert], unused_tcp_port: int
) -> None:
    email = Email(SmtpSettings(host="127.0.0.1", port=unused_tcp_port, tls="none"), Letterhead("nps@example.org", "en"))
    with pytest.raises(DeliveryError, match="refused") as refused:
        await email.send(make_alert(), ADDRESS, "d-1", lambda: pytest.fail("nothing was begun"))
    await email.aclose()

    assert refused.value.unavailable


def test_it_sends_as_many_mails_at_the_same_time_as_the_settings_say() -> None:
    email: Channel = Email(SmtpSettings(connections=4), Letterhead("nps@example.org", "en"))

    assert (email.connections, email.most_connections) == (4, 6)
