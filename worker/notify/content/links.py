"""Links in a mail: those to call a customer or to write to one, and those that publishers give. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import idna

from worker.address import is_address

_URL = 2_000
#: A phone number as people write it. By RFC 3966 such separators are not dialled.
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]*")
#: The possible numbers of digits: fewer are not a phone number, and E.164 does not allow more.
_DIGITS = range(3, 16)


@dataclass(frozen=True)
class Link:
    """A link of a mail."""

    href: str
    text: str
    host: str  # the host to which it leads, in ASCII


def call(phone: str) -> str:
    """Return the link that dials a phone number; an empty text if `phone` is not clearly one number."""
    if _PHONE.fullmatch(phone) is None:
        return ""
    digits = re.sub("[^0-9]", "", phone.replace("(0)", "") if phone.startswith("+") else phone)
    return f"tel:{'+' if phone.startswith('+') else ''}{digits}" if len(digits) in _DIGITS else ""


def write_to(address: str) -> str:
    """Return the link that begins a mail to an address; an empty text if `address` is not one plain address."""
    return f"mailto:{quote(address, safe='@')}" if is_address(address) else ""


def openable(href: str, text: str) -> Link | None:
    """Return the link if `href` is an https address that can be shown in a mail; otherwise None, and it is left out.

    The host is written in ASCII, as DNS has it, since letters of other scripts can look alike. A mail shows the host,
    because a mail program may show only the text of a link.
    """
    if len(href) > _URL or not href.isprintable() or any(c in href for c in " <>\"'`\\"):
        return None
    try:
        parts = urlsplit(href)
        host, port = parts.hostname or "", parts.port
        # A user name before the host, as in https://bank.example@evil.example, is only used to deceive.
        if parts.scheme != "https" or not host or "@" in parts.netloc:
            return None
        if not host.isascii():
            host = idna.encode(host, uts46=True).decode()
            href = parts._replace(netloc=host if port is None else f"{host}:{port}").geturl()
    except ValueError:  # the errors of idna are ValueErrors too
        return None
    return Link(href, text, host)
