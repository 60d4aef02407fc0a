"""A search for a customer or an answer: the browser keeps what was searched for in a cookie.

The address of what was found has a random name in its place, so no address and no log of a proxy has the number. A page
with an address can be opened again by the button Back, which the answer to a form cannot.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from schemas.base import LONGEST_ID

#: The part of the query that has the name of a search.
FOUND = "found"


class Search(NamedTuple):
    """The last search of a browser. Both are empty if there was none."""

    name: str = ""
    text: str = ""


def new_search(text: str) -> Search:
    """Return a search with a name of its own. Of a text that is longer than every id, the beginning is kept."""
    return Search(secrets.token_urlsafe(9), text[: LONGEST_ID + 1])


def cookie_of(search: Search) -> str:
    """Return a search as a cookie has it."""
    return f"{search.name}.{urlsafe_b64encode(search.text.encode(errors='replace')).decode().rstrip('=')}"


def search_of(cookie: str) -> Search:
    """Return the search that a cookie has; an empty one if it has none."""
    name, _, text = cookie.partition(".")
    try:
        return Search(name, urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except ValueError:
        return Search()
