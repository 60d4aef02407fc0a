"""The bytes that are sent mean what the standard library's would mean, whatever an alert or an incident says."""

import re
from collections.abc import Callable
from email.header import decode_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notify.channels.email.mails import DELIVERY, HEADERS, address, received
from notify.channels.email.notices import ALERTS, INCIDENTS, TEXT
from notify.channels.email.oracle import library_mail

from schemas.alert import Alert
from schemas.incident import Incident
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.content.alert_page import alert_page
from worker.notify.content.incident_page import incident_page
from worker.notify.content.page import FIELD
from worker.notify.content.plain_text import header_line
from worker.notify.notice import Notice
from worker.notify.receivers import Address

#: `make thorough` compares 10,000 mails, half of them about alerts.
_MAILS = 5_000 if settings.get_current_profile_name() == "thorough" else settings().max_examples

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True)
#: Without "=?", which begins an encoded word to the library.
ADDRESS = st.builds(
    "{}@{}".format,
    st.from_regex(r"[A-Za-z0-9!#$%&'*+/=^_`{|}~-]{1,40}", fullmatch=True),
    st.lists(LABEL, min_size=1, max_size=4).map(".".join),
)
NAMES = TEXT | st.sampled_from(['Zoë "Q", Lyon', "Support, Lyon", 'O"Neil \\ Söhne', "a" * 100, "é" * 100, "Desk =? x"])
LETTERHEAD = st.builds(
    Letterhead,
    ADDRESS,
    st.sampled_from(["fr", "en"]),
    NAMES.map(lambda name: header_line(name, 100)),
    st.none() | ADDRESS,
)
TO = st.builds(
    lambda to, route: address(*to, route=route),
    st.lists(ADDRESS, min_size=1, max_size=6),
    st.text("aé ", min_size=1, max_size=100),
)


@pytest.mark.unmeasured
@settings(max_examples=_MAILS, suppress_health_check=[HealthCheck.too_slow])
@given(ALERTS, TO, LETTERHEAD)
def test_an_alerts_mail_is_the_librarys(
    make_alert: Callable[..., Alert], changes: dict[str, Any], to: Address, letterhead: Letterhead
) -> None:
    alert = make_alert(**changes)

    check(alert, to, letterhead, alert_page(alert, letterhead.readers).subject)


@pytest.mark.unmeasured
@settings(max_examples=_MAILS, suppress_health_check=[HealthCheck.too_slow])
@given(INCIDENTS, TO, LETTERHEAD)
def test_an_incidents_mail_is_the_librarys(
    make_incident: Callable[..., Incident], changes: dict[str, Any], to: Address, letterhead: Letterhead
) -> None:
    incident = make_incident(**changes)

    check(incident, to, letterhead, incident_page(incident, letterhead.readers).subject)


def check(notice: Notice, to: Address, letterhead: Letterhead, subject: str) -> None:
    sent = compose(notice, to, delivery_id=DELIVERY, letterhead=letterhead)
    ours, theirs = received(sent.data), received(library_mail(notice, to, DELIVERY, letterhead))

    assert (sent.sender, list(sent.receivers)) == (letterhead.sender, list(dict.fromkeys(to.targets)))
    assert len(subject) <= 150
    check_lines(sent.data)
    assert ours.keys() == theirs.keys()
    names = ours.keys()
    assert [name for name in names if name != "Reply-To"] == HEADERS
    for name in set(names) - {"From", "Subject", "X-NPS-Alert-Id"}:
        assert str(ours[name]) == str(theirs[name]).lstrip()  # the blank of a fold before the first word
    # The library is not exact about blanks where it folds.
    texts = {"Subject": subject, "X-NPS-Alert-Id": header_line(notice.alert_id, FIELD)}
    for name, text in texts.items():
        assert ours[name] == text
        assert without_blanks(theirs[name]) == without_blanks(text)
    check_sender(ours, theirs, letterhead)
    check_parts(ours, theirs)


def check_sender(ours: EmailMessage, theirs: EmailMessage, letterhead: Letterhead) -> None:
    [our], [their] = ours["From"].addresses, theirs["From"].addresses

    assert our.addr_spec == their.addr_spec == letterhead.sender
    # Python's newer parser puts blanks between the encoded words of a name; the older one is exact.
    assert without_blanks(our.display_name) == without_blanks(letterhead.sender_name)
    [(_, raw)] = [(name, value) for name, value in ours.raw_items() if name == "From"]
    assert name_in("".join(str(raw).splitlines())) == letterhead.sender_name


def name_in(raw: str) -> str:
    if "=?" not in raw:
        return parseaddr(raw)[0]
    words = decode_header(raw.rpartition("<")[0].strip())
    return "".join(word if isinstance(word, str) else word.decode(charset or "ascii") for word, charset in words)


def check_parts(ours: EmailMessage, theirs: EmailMessage) -> None:
    assert ours.preamble == theirs.preamble
    assert ours.epilogue == theirs.epilogue
    our_parts, their_parts = list(ours.iter_parts()), list(theirs.iter_parts())
    assert [part.get_content_type() for part in our_parts] == ["text/plain", "text/html"]
    for our, their in zip(our_parts, their_parts, strict=True):
        assert isinstance(our, EmailMessage)
        assert isinstance(their, EmailMessage)
        assert our.items() == their.items()
        assert our.get_content() == their.get_content()
    for message in (ours, *our_parts):
        assert message.defects == []
        assert [defect for value in message.values() for defect in value.defects] == []


def check_lines(data: bytes) -> None:
    """Check the lines as RFC 5322, 2045 and 2047 want them."""
    assert data.isascii()
    assert data.endswith(b"\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    lines = data.split(b"\r\n")
    assert not [line for line in lines if b"\r" in line or b"\n" in line]
    assert max(map(len, lines)) <= 998
    assert max(len(line) for line in body.split(b"\r\n")) <= 76
    # Only an address and a Message-ID can be longer than a line, since nothing may divide them.
    for line in head.split(b"\r\n"):
        assert len(line) <= 78 or re.fullmatch(rb"(?:[\w-]+:)? <?[^ ]+@[^ ]+>?,?", line)
    for word in re.findall(rb"=\?[^\r ]*\?=", head):
        assert len(word) <= 75
        [(encoded, charset)] = decode_header(word.decode())
        assert charset == "utf-8"
        assert encoded.decode("utf-8")


def without_blanks(text: str) -> str:
    return "".join(text.split())
