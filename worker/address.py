"""Addresses: of mails, and of this machine.

The standard library turns `a@b.c> AUTH=<x@y` silently into `a@b.c`, so mail addresses are checked here.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address

# RFC 5321's dot-string local part and a host name; quoted local parts and address literals are not accepted.
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*")
_LONGEST = 254


def is_address(text: str | None) -> bool:
    """Say whether this is one plain ASCII mail address and nothing else."""
    return text is not None and len(text) <= _LONGEST and _ADDRESS.fullmatch(text) is not None


def check_address(text: str) -> str:
    """Return the address; raise ValueError, without repeating it, if it is none."""
    if not is_address(text):
        raise ValueError("is not a plain mail address")
    return text


def without_repeats(addresses: Iterable[str]) -> list[str]:
    """Return the addresses in order, each mailbox once, whatever its case: in practice no mail server looks at it."""
    first: dict[str, str] = {}
    for address in addresses:
        first.setdefault(address.casefold(), address)
    return list(first.values())


def is_loopback(host: str) -> bool:
    """Say whether this names the machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
