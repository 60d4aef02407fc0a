"""Alerts that get no mail, because too many mails of the same customer wait, are said in the log as an error."""

from collections.abc import Callable

import pytest
from notify.mailboxes import DEFAULT, KEY, pending, planned, record_of

from schemas.alert import Alert
from worker.flow.batch import Output
from worker.notify import mailbox
from worker.notify.channels.email.channel import Email
from worker.notify.mailbox import Mailbox
from worker.roles.overfull import Overfull
from worker.routing.flat import FlatRoute

MakeAlert = Callable[..., Alert]


def beyond_the_limit(make_alert: MakeAlert, *numbers: int, route: FlatRoute = DEFAULT) -> list[Output]:
    """Return what is decided about alerts of a customer of whom as many mails wait as may."""
    full = Mailbox([pending(delivery_id=f"p-{number}") for number in range(2_000)])
    steps = [record_of(make_alert(alert_id=f"a-{number}"), f"e-{number}") for number in numbers]
    return planned(*steps, rows={KEY: mailbox.encode(full)}, routes=(route,)).outputs


def test_the_first_is_said_at_once_with_the_limit_and_the_reason(
    make_alert: MakeAlert, caplog: pytest.LogCaptureFixture
) -> None:
    Overfull(Email.wording, 2_000).note(beyond_the_limit(make_alert, 7))

    said = (
        "alert a-7 gets no mail (too_many_waiting): 2000 mails about its customer or segment wait already, which is "
        "the limit; mails not sent for this reason since the start: 1"
    )
    assert caplog.messages == [said]
    assert caplog.records[0].levelname == "ERROR"
    assert KEY.decode() not in caplog.text


def test_many_are_counted_and_said_once_in_a_while(make_alert: MakeAlert, caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    overfull = Overfull(Email.wording, 2_000, lambda: now)
    overfull.note(beyond_the_limit(make_alert, 0))
    now = 59.0
    overfull.note(beyond_the_limit(make_alert, *range(1, 100)))
    now = 60.0
    overfull.note(beyond_the_limit(make_alert, 100, 101))

    assert [line.split(": ")[0] for line in caplog.messages] == [
        "alert a-0 gets no mail (too_many_waiting)",
        "alert a-101 gets no mail (too_many_waiting)",
    ]
    assert caplog.messages[1].endswith("; mails not sent for this reason since the start: 102")


def test_mails_that_are_planned_say_nothing(make_alert: MakeAlert, caplog: pytest.LogCaptureFixture) -> None:
    route = FlatRoute(name="too_many_waiting", to=["support@example.org"])
    outputs = planned(record_of(make_alert()), routes=(route,)).outputs
    Overfull(Email.wording, 2_000).note([*outputs, Output("alerts", None, b"too_many_waiting")])

    assert len(outputs) == 1
    assert caplog.messages == []
