"""Links that may stand in a mail: the ones to call or write to a customer, and those that publishers give. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import idna

from worker.address import is_address

_URL = 2_000
#: A number as people write it; RFC 3966 leaves such separators out of what is dialled.
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]*")
#: The fewest digits of a number that is worth dialling, and the most that E.164 allows.
_DIGITS = range(3, 16)


@dataclass(frozen=True)
class Link:
    """Where a link goes, what stands for it, and the host that it leads to, in ASCII."""

    href: str
    text: str
    host: str


def call(phone: str) -> str:
    """Return the link that dials a number; nothing if this is not plainly one number."""
    if _PHONE.fullmatch(phone) is None:
        return ""
    digits = re.sub("[^0-9]", "", phone.replace("(0)", "") if phone.startswith("+") else phone)
    return f"tel:{'+' if phone.startswith('+') else ''}{digits}" if len(digits) in _DIGITS else ""


def write_to(address: str) -> str:
    """Return the link that begins a mail; nothing if this is not one plain address."""
    return f"mailto:{quote(address, safe='@')}" if is_address(address) else ""


def openable(href: str, text: str) -> Link | None:
    """Return the link if this is an https address that can stand in a mail; None drops it.

    Its host is written in ASCII, as it is looked up: in any other way one letter can be taken for another, and a mail
    program that shows the text only would hide where it leads.
    """
    if len(href) > _URL or not href.isprintable() or any(c in href for c in " <>\"'`\\"):
        return None
    try:
        parts = urlsplit(href)
        host, port = parts.hostname or "", parts.port
        # A user name before the host, as in https://bank.example@evil.example, only ever serves to deceive.
        if parts.scheme != "https" or not host or "@" in parts.netloc:
            return None
        if not host.isascii():
            host = idna.encode(host, uts46=True).decode()
            href = parts._replace(netloc=host if port is None else f"{host}:{port}").geturl()
    except ValueError:  # idna's own errors are ValueErrors too
        return None
    return Link(href, text, host)
