"""What a handler returns: a page to be made, or where to go instead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class View:
    """A page: the template, and the values that it shows.

    The template extends layout.html.j2. rendering.py says which values are added to these.
    """

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Table:
    """A table to be downloaded as CSV: the name of the file, the names of its columns, and its rows.

    The file has the heading of each column in the language of the person (words/columns.py).
    """

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[str | int | float | None, ...]]


@dataclass(frozen=True)
class SeeOther:
    """The address of a page of this site, to which the browser goes."""

    address: str
    #: What the page searches for, which the address must not have.
    search: str = ""


@dataclass(frozen=True)
class NotFound:
    """There is no such thing, or the person may not see it."""


#: What a handler of a GET returns.
Shown = View | Table | SeeOther | NotFound
