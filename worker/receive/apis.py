"""The APIs of the tools whose deliveries have ids only: their addresses, and how a request shows its token. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import SplitResult

from worker.address import is_loopback, split_url

#: The longest address, in characters.
_LONGEST = 2_000


class Api(NamedTuple):
    """What is known of the API of a tool."""

    #: Its public address; empty if each account has its own.
    url: str
    #: The header that has the token, and what precedes the token in it.
    header: str
    prefix: str
    #: How many requests a minute the worker sends by default: less than what the tool's documents allow.
    requests_per_minute: int


#: By the names of the tools.
APIS: Mapping[str, Api] = MappingProxyType(
    {
        # 120 requests a minute: https://api.surveymonkey.com/v3/docs#request-and-response-limits
        "surveymonkey": Api("https://api.surveymonkey.com", "Authorization", "Bearer ", 60),
        # 100 requests in ten seconds: https://developers.hubspot.com/docs/api/usage-details
        "hubspot": Api("https://api.hubapi.com", "Authorization", "Bearer ", 300),
        # An account's data centre is a part of the address.
        "qualtrics": Api("", "X-API-TOKEN", "", 60),
        # 180 requests a minute for answers: https://developers.google.com/forms/api/limits
        "google-forms": Api("https://forms.googleapis.com", "Authorization", "Bearer ", 60),
    }
)


def checked_token(token: str) -> str:
    """Return a token. Raise ValueError, without repeating it, if it cannot be in a header."""
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError("must have only printable characters of ASCII, and no blanks")
    return token


def checked_url(url: str) -> str:
    """Return the address of an API without a slash at its end. Raise ValueError if it is none.

    Only an address of this machine may begin with http, since each request has the token.
    """
    parts = split_url(url, _LONGEST)
    if parts is None or parts.scheme not in {"https", "http"} or not parts.hostname or _has_more(parts, url):
        raise ValueError("must be an https address, such as https://api.example.com, without a user name, '?' and '#'")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must begin with https, unless it is an address of this machine")
    return url.rstrip("/")


def _has_more(parts: SplitResult, url: str) -> bool:
    return "@" in parts.netloc or "?" in url or "#" in url
