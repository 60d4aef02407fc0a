"""The CSV exports of survey tools: in which columns they have what, by which they are known. Pure.

A response that is imported has the same id as one that the tool's webhook delivers, so that an answer which comes both
ways counts once. The columns of questions have the texts of the questions, which only the user knows.

- Typeform: `#` is the token of the answer, and times are in UTC.
- SurveyMonkey: a second line of the header has the kinds of answers; times are in the time zone of the account.
- Qualtrics: two further lines of the header have the texts of the questions, and `ImportId` with the time zone.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from types import MappingProxyType
from typing import Any

from worker.flow.responses.formats.source import Expression, names_in
from worker.flow.responses.formats.times import Times
from worker.importing.rows import Row
from worker.notify.content.readers import zone

#: The largest number of lines that a header has after the first one.
MOST_HEADER_LINES = 2


@dataclass(frozen=True)
class Column:
    """Finds what a row has in the first of some columns that has anything. It takes the place of an expression."""

    names: tuple[str, ...]

    def search(self, value: Any) -> Any:
        """Return what is in the row; None if there is nothing."""
        found = (value.get(name) for name in self.names)
        return next((cell for cell in found if cell is not None and str(cell).strip()), None)


@dataclass(frozen=True)
class _Joined:
    """Finds the texts of several columns, as one text."""

    names: tuple[str, ...]

    def search(self, value: Any) -> Any:
        return " ".join(text for name in self.names if (text := str(value.get(name) or "").strip())) or None


@dataclass(frozen=True)
class _Coded:
    """Finds what the value of a column stands for, in small letters; None if it stands for nothing."""

    name: str
    meanings: Mapping[str, Any]

    def search(self, value: Any) -> Any:
        return self.meanings.get(str(value.get(self.name) or "").strip().lower())


@dataclass(frozen=True)
class _Lower:
    name: str

    def search(self, value: Any) -> Any:
        return str(value.get(self.name) or "").lower() or None


def columns_in(expression: Expression) -> frozenset[str]:
    """Return the names of the columns in which an expression looks."""
    if isinstance(expression, Column | _Joined):
        return frozenset(expression.names)
    if isinstance(expression, _Coded | _Lower):
        return frozenset({expression.name})
    return names_in(expression)


def _columns(*names: str) -> Column:
    return Column(names)


def _only_score(names: Sequence[str]) -> str | None:
    """Return the question of Qualtrics that has the group of an NPS question, if there is one."""
    found = [name.removesuffix("_NPS_GROUP") for name in names if name.endswith("_NPS_GROUP")]
    return found[0] if len(found) == 1 and found[0] in names else None


def _no_score(names: Sequence[str]) -> None:
    del names


def _header_lines_of_qualtrics(rows: Sequence[Row]) -> int:
    return 2 if _import_ids(rows) else 0


def _import_ids(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what the third line of Qualtrics' header says of each column; nothing if it is no such line."""
    found = []
    # The cells that an earlier import has added are empty (rejected.py).
    for cell in filter(None, rows[1].cells if len(rows) > 1 else ()):
        try:
            known = json.loads(cell)
        except ValueError:
            return []
        if not isinstance(known, dict) or "ImportId" not in known:
            return []
        found.append(known)
    return found


def _times_of_qualtrics(rows: Sequence[Row]) -> Times:
    names = {known["timeZone"] for known in _import_ids(rows) if isinstance(known.get("timeZone"), str)}
    try:
        return Times("%Y-%m-%d %H:%M:%S", zone(names.pop()) if len(names) == 1 else None)
    except ValueError:  # a name that is not in the database, such as the abbreviation of a zone
        return Times("%Y-%m-%d %H:%M:%S")


def _header_lines_of_surveymonkey(rows: Sequence[Row]) -> int:
    return 1 if rows and not (rows[0].values.get("Respondent ID") or "").strip() else 0


def _no_header_lines(rows: Sequence[Row]) -> int:
    del rows
    return 0


def _in_utc(rows: Sequence[Row]) -> Times:
    del rows
    return Times("%Y-%m-%d %H:%M:%S", UTC)


def _as_in_america(rows: Sequence[Row]) -> Times:
    del rows
    return Times("%m/%d/%Y %I:%M:%S %p")


@dataclass(frozen=True)
class Export:
    """How the export of a tool has its answers."""

    #: The name of the tool, with which the ids of its responses begin.
    tool: str
    #: The columns that each export has; the names in an inner tuple stand for each other.
    signs: tuple[tuple[str, ...], ...]
    #: Where the fields of a response are.
    fields: Mapping[str, Expression]
    #: Returns how many of the first rows belong to the header.
    header_lines: Callable[[Sequence[Row]], int] = _no_header_lines
    #: Returns how times are written, given the first rows.
    times: Callable[[Sequence[Row]], Times] = _in_utc
    #: Returns the column of the score if the names of the columns show it; None if only the user knows it.
    score: Callable[[Sequence[str]], str | None] = _no_score

    def missing(self, names: Sequence[str]) -> list[str]:
        """Return the columns that an export of the tool has, and this file has not."""
        return [sign[0] for sign in self.signs if not set(sign) & set(names)]


_CREATED, _MODIFIED = ("Start Date", "Date Created"), ("End Date", "Date Modified")
EXPORTS: Mapping[str, Export] = MappingProxyType(
    {
        export.tool: export
        for export in (
            Export(
                "typeform",
                (("#",), ("Submit Date (UTC)",)),
                {
                    "response_id": _columns("#"),
                    "responded_at": _columns("Submit Date (UTC)", "Stage Date (UTC)"),
                    "revision": _Coded("Response Type", {"completed": 1, "partial": 0, "": 1}),
                    "customer_id": _columns("customer_id"),
                    "customer.email": _columns("email"),
                    "customer.name": _columns("name"),
                    "segment": _columns("segment"),
                },
            ),
            Export(
                "surveymonkey",
                (("Respondent ID",), _CREATED, _MODIFIED),
                {
                    "response_id": _columns("Respondent ID"),
                    "responded_at": _columns(*_CREATED),
                    "revision": _columns(*_MODIFIED),
                    "customer_id": _columns("cid", "customer_id"),
                    "customer.email": _columns("Email Address"),
                    "customer.name": _Joined(("First Name", "Last Name")),
                },
                _header_lines_of_surveymonkey,
                _as_in_america,
            ),
            Export(
                "qualtrics",
                (("ResponseId",), ("EndDate",)),
                {
                    "response_id": _columns("ResponseId"),
                    "responded_at": _columns("EndDate"),
                    "customer_id": _columns("customer_id", "ExternalReference"),
                    "customer.email": _columns("email", "RecipientEmail"),
                    "customer.name": _Joined(("RecipientFirstName", "RecipientLastName")),
                    "segment": _columns("segment"),
                    "language": _Lower("UserLanguage"),
                    "test": _Coded("Status", dict.fromkeys(("survey preview", "survey test", "1", "2"), True)),
                },
                _header_lines_of_qualtrics,
                _times_of_qualtrics,
                _only_score,
            ),
        )
    }
)
