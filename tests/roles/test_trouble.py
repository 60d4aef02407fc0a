"""What the log says about servers that do not accept: never a line for each attempt."""

import logging

import pytest

from worker.errors import DeliveryError
from worker.notify.channel import Wording
from worker.notify.dispatcher import Verdict
from worker.roles.trouble import Trouble

SECOND = 1_000
MINUTE = 60 * SECOND
WORDS = Wording(
    one="event",
    many="events",
    server="the endpoint",
    refuses_all="it refuses every event",
    slow_setting="webhook.timeout_seconds",
)
FAILED = DeliveryError("http_500", retry=True)
FORBIDDEN = DeliveryError("http_403", retry=False, alarm=True)
AWAY = DeliveryError("refused", retry=True, unavailable=True, hint="the connection was refused")
BUSY = DeliveryError("http_429", retry=True, unavailable=True, retry_after=5.0, limits_rate=True)


@pytest.fixture
def trouble(caplog: pytest.LogCaptureFixture) -> Trouble:
    caplog.set_level(logging.INFO)
    return Trouble(WORDS)


def test_notices_that_are_not_accepted_are_a_line_a_minute_and_one_at_the_end(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(61):
        trouble.note_refused("crm", f"d-{number}", FAILED, number * SECOND)
    trouble.note_accepted("crm")
    trouble.note_accepted("crm")

    assert caplog.messages == [
        "event d-0 was not accepted: http_500",
        "event d-60 was not accepted: http_500; 59 other attempts failed since the last such line",
        "the endpoint crm accepts events again",
    ]


def test_each_server_has_lines_of_its_own(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("crm", "bi", "crm", "bi"):
        trouble.note_refused(name, f"d-{name}", FAILED, 0)

    assert caplog.messages == [f"event d-{name} was not accepted: http_500" for name in ("crm", "bi")]


def test_a_single_notice_that_is_refused_is_one_line(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    trouble.note_refused("", "d-1", FORBIDDEN, 0)
    trouble.note_accepted("")

    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "event d-1 was not accepted: http_403")
    ]


def test_what_somebody_has_to_mend_is_said_at_once_even_if_there_was_a_line_before(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for number, error in enumerate((FAILED, FAILED, FORBIDDEN, FAILED, FORBIDDEN)):
        trouble.note_refused("crm", f"d-{number}", error, number)

    assert caplog.messages == [
        "event d-0 was not accepted: http_500",
        "event d-2 was not accepted: http_403; 1 other attempt failed since the last such line",
    ]


def test_an_outage_is_said_once_a_minute_at_most_and_its_end_once(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for now, wait in ((0, 30), (0, None), (30, 30), (60, 30), (90, 30)):
        retry_after = None if wait is None else wait * SECOND
        trouble.note_unusable("crm", AWAY, Verdict(None, retry_after), now * SECOND)
    trouble.note_usable("crm")
    trouble.note_usable("crm")

    said = (
        "events wait, since the endpoint crm cannot be used: refused; the connection was refused; trying again in 30 s"
    )
    assert caplog.messages == [
        said,
        f"{said}; 2 other attempts failed since the last such line",
        "the endpoint crm can be used again",
    ]


def test_an_outage_that_comes_and_goes_is_two_lines_a_minute(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(60):
        trouble.note_unusable("crm", AWAY, Verdict(None, SECOND), number * SECOND)
        trouble.note_usable("crm")

    assert [text.rpartition(" ")[2] for text in caplog.messages] == ["s", "again"]


def test_a_server_that_refuses_everything_is_one_line_for_each_minute(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(5):
        verdict = Verdict(None, 30 * SECOND, refuses_all=True)
        trouble.note_unusable("crm", FORBIDDEN, verdict, number * 30 * SECOND)

    assert [(record.levelno, "it refuses every event" in record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, True)
    ] * 3


def test_a_server_that_limits_its_rate_has_no_outage(trouble: Trouble, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(30):
        trouble.note_unusable("crm", BUSY, Verdict(None, 5 * SECOND), number * 5 * SECOND)
        trouble.note_usable("crm")

    said = "events wait, since the endpoint crm limits how often it is asked: http_429; trying again in 5 s"
    others = "; 11 other attempts failed since the last such line"
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.INFO, text) for text in (said, said + others, said + others)
    ]
