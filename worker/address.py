"""Checks of mail addresses, of web addresses, and of names and addresses of this machine.

Mail addresses are checked here because the standard library turns `a@b.c> AUTH=<x@y` silently into `a@b.c`.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

# RFC 5321's dot-string local part and a host name; quoted local parts and address literals are not accepted.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*")
_LONGEST = 254


def is_address(text: str | None) -> bool:
    """Say whether this is one plain ASCII mail address and nothing else."""
    return text is not None and len(text) <= _LONGEST and _ADDRESS.fullmatch(text) is not None


def check_address(text: str) -> str:
    """Return the address; raise ValueError, which does not repeat the text, if it is not an address."""
    if not is_address(text):
        raise ValueError("is not a plain mail address")
    return text


def without_repeats(addresses: Iterable[str]) -> list[str]:
    """Return the addresses in order, without repeats.

    Addresses that differ only in case are the same: in practice no mail server distinguishes them.
    """
    first: dict[str, str] = {}
    for address in addresses:
        first.setdefault(address.casefold(), address)
    return list(first.values())


def is_loopback(host: str) -> bool:
    """Say whether a host name or an IP address stands for this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def split_url(text: str, longest: int) -> SplitResult | None:
    """Return the parts of a web address; None if it is none.

    It has at most `longest` characters of printable ASCII without spaces.
    """
    if len(text) > longest or not (text.isascii() and text.isprintable()) or any(c in text for c in ' "<>\\^`{|}'):
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises if it is no number
        (parts.hostname or "").encode("idna")  # raises if a part of the name is empty or too long
    except ValueError:
        return None
    return parts
