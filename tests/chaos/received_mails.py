"""Mails as their receivers' programs see them; by the thousand, so only what is needed is read."""

import email
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from email.message import Message
from html.parser import HTMLParser
from types import MappingProxyType
from typing import Any, NamedTuple

from integration.sampling import CANARY

from worker.embedded.inbox import Mail

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_ALERT_ID = re.compile(rb"^X-NPS-Alert-Id:\s*(\S+)", re.MULTILINE | re.IGNORECASE)
_DIGEST = re.compile(rb"^Subject: \[\w+\] Digest: ", re.MULTILINE)
_ID = r"(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])"
_UUID = re.compile(_ID)
#: What an English digest says of a silence, and of a notice that it has held back: its id follows.
_SILENCE = re.compile(r"Held back by the silence (\S+), which (.+?) has asked for: \d+\. Reason: ([^.]*\.)")
_HELD_BACK = "eld back by the"
_HELD = re.compile(rf"held back by the silence (\S+) [^:]{{1,20}}: ({_ID})")


class SaidSilence(NamedTuple):
    """What a digest says of a silence."""

    silence_id: str
    who: str
    reason: str


class ReceivedMail(NamedTuple):
    """`id`: the Message-ID; `foreign`: whether what a customer wrote has become an element of its page.

    `alert_id`: what it is about; that of a digest is its own. `listed`, `listed_in_page`: the other ids in its text and
    in its page, in their order, which are those of the alerts and incidents that a digest lists.
    """

    id: str
    alert_id: str
    receivers: tuple[str, ...]
    foreign: bool
    listed: tuple[str, ...] = ()
    listed_in_page: tuple[str, ...] = ()
    #: What a digest says of silences, and which of its alerts and incidents each has held back: by their ids.
    silences: tuple[SaidSilence, ...] = ()
    held: Mapping[str, str] = MappingProxyType({})

    @property
    def delivery_id(self) -> str:
        """The part of the Message-ID that says which delivery it is."""
        return self.id.strip("<>").partition("@")[0]


class ReceivedMails:
    """What is in a mailbox; each mail is read once."""

    def __init__(self, mails: list[Mail]) -> None:
        self._mails = mails
        self._read: list[ReceivedMail] = []
        self._alerts: dict[bytes, str] = {}
        self._looked_at = 0

    def all(self) -> list[ReceivedMail]:
        """Return them; half a millisecond each."""
        self._read += [_received(mail) for mail in self._mails[len(self._read) :]]
        return list(self._read)

    def distinct(self) -> "Counter[str]":
        """Return how many there are about each alert and incident, copies not counted."""
        new = self._mails[self._looked_at :]
        self._looked_at += len(new)
        for mail in new:
            message, alert = _MESSAGE_ID.search(mail.content), _ALERT_ID.search(mail.content)
            if message and alert:
                self._alerts[message[1]] = alert[1].decode()
        return Counter(self._alerts.values())


def _received(mail: Mail) -> ReceivedMail:
    message = email.message_from_bytes(mail.content)
    plain, page = (_of_kind(message, kind) for kind in ("text/plain", "text/html"))
    assert page
    about = message["X-NPS-Alert-Id"]
    listed, in_page = (_others(text, about) for text in (plain, page))
    said = " ".join(plain.split()) if _HELD_BACK in plain else ""
    silences = tuple(SaidSilence(*found) for found in _SILENCE.findall(said))
    held = {alert_id: silence_id for silence_id, alert_id in _HELD.findall(said)}
    return ReceivedMail(
        message["Message-ID"], about, mail.recipients, _has_canary(page), listed, in_page, silences, held
    )


def is_digest(content: bytes) -> bool:
    """Say whether a mail is an English digest, without reading all of it."""
    return _DIGEST.search(content) is not None


def _others(text: str, own: str) -> tuple[str, ...]:
    """Return the ids in a text, in their order, without the mail's own."""
    return tuple(one for one in _UUID.findall(text) if one != own)


def _of_kind(message: Message, kind: str) -> str:
    return "".join(_text(part) for part in _parts(message) if part.get_content_type() == kind)


def _parts(message: Message) -> Iterable[Message]:
    return (part for part in message.walk() if not part.is_multipart())


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode()


class _Canaries(HTMLParser):
    found = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self.found = self.found or tag == CANARY


def _has_canary(page: str) -> bool:
    parser = _Canaries()
    parser.feed(page)
    return parser.found
