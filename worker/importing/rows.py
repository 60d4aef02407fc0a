"""The rows of a file: of CSV, whose header and delimiter are found out, or of JSON lines. Pure.

A row that cannot be read does not affect the others. `csv.Sniffer` is not used: it looks for letters that are frequent,
and takes a letter of the comments for the delimiter. Here, the delimiter is the one that gives all rows of the
beginning as many cells as the header has.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.dead_letter import Reason
from worker.flow.responses.formats.outcome import NoResponse, Refused
from worker.flow.responses.formats.payload import read_object
from worker.flow.text import printable_json

#: If several fit equally well, the first one counts: commas are also in texts.
DELIMITERS = ("\t", ";", "|", ",")
#: The columns that a file of refused rows has in addition. They are no part of a row, so such a file can be imported
#: again once its rows are right.
LINE, REASON, DETAIL = "import line", "import reason", "import detail"
NOTES = frozenset({LINE, REASON, DETAIL})
_REASONS = frozenset(map(str, Reason))
#: The largest number of characters of a cell. A quotation mark that is never closed would otherwise take in the rest of
#: the file.
LONGEST_CELL = 1_000_000
#: How many rows of the beginning the delimiter has to fit.
_ROWS_TRIED = 50


class Row(NamedTuple):
    """A row of a file."""

    #: The number of the line in which it begins, from 1.
    line: int
    #: What it has, by the names of the columns; empty if it cannot be read.
    values: dict[str, Any]
    #: The cells as they are written; of JSON, the line. Empty if the row cannot be divided into cells.
    cells: Sequence[str]
    #: Why it cannot be read; None if it can.
    refused: Refused | None = None
    #: The lines of a row that cannot be divided into cells.
    text: str = ""


class Header(NamedTuple):
    """The header of a CSV file."""

    #: The names of the columns: each once, and none is empty.
    names: tuple[str, ...]
    delimiter: str
    #: The names that several columns have; each further one has its number in `names`.
    repeated: frozenset[str] = frozenset()


def is_json(beginning: str) -> bool:
    """Say whether a file has JSON lines. Raise ValueError if it is one JSON array."""
    start = beginning.lstrip()[:1]
    if start == "[":
        raise ValueError("is one JSON array: each line must be one object (jq -c '.[]' FILE makes it so)")
    return start == "{"


def header_of(beginning: str, delimiter: str | None = None) -> Header:
    """Return the header of a CSV file; raise ValueError with the reason if there is none.

    `beginning`: of the file, with whole lines; `delimiter`: what is between cells, None if that is not known.
    """
    if beginning[:4].lower() == "sep=":
        raise ValueError("begins with a line 'sep=', which only Excel reads: remove this line")
    rows = {one: _beginning(beginning, one) for one in ([delimiter] if delimiter else DELIMITERS)}
    found = max(rows, key=lambda one: _fitness(rows[one]))
    if not rows[found] or (delimiter is None and len(rows[found][0]) < 2):
        raise ValueError("has no header: the first line must have the names of at least two columns")
    names = _names(rows[found][0])
    return Header(names, found, _repeated(rows[found][0]) & frozenset(names))


def _beginning(text: str, delimiter: str) -> list[list[str]]:
    """Return the first rows, as far as they can be read with a delimiter."""
    rows: list[list[str]] = []
    # Not `splitlines`: that divides lines at further characters, which a cell may have.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) > _ROWS_TRIED:
                break
    except csv.Error:  # the last row may be cut off, or its quotation marks are those of another delimiter
        pass
    return rows


def _fitness(rows: list[list[str]]) -> tuple[float, int]:
    """Return how well a delimiter fits: which share of the rows has as many cells as the header, and how many."""
    if not rows or len(rows[0]) < 2:
        return 0.0, 0
    width = len(rows[0])
    return sum(len(row) == width for row in rows) / len(rows), width


def _names(cells: Sequence[str]) -> tuple[str, ...]:
    """Return names for columns: without blanks at their ends; a repeated name has its number, and an empty one too."""
    names: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = written = _plain(cell) or f"column {number}"
        times = 1
        while name in names:
            times += 1
            name = f"{written} ({times})"
        names.append(name)
    return tuple(names)


def _plain(cell: str) -> str:
    return " ".join(cell.split())


def _repeated(cells: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name, times in Counter(map(_plain, cells)).items() if times > 1)


def csv_rows(lines: Iterable[str], header: Header) -> Iterator[Row]:
    """Yield the rows of a CSV file after its header. Blank lines are skipped.

    `lines`: of the whole file, with their line ends, which may also be inside a cell.
    """
    csv.field_size_limit(LONGEST_CELL)
    read: list[str] = []  # the lines of the row
    reader = csv.reader(_kept(lines, read), delimiter=header.delimiter, strict=True)
    is_header = True
    while True:
        line = reader.line_num + 1
        read.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            detail = f"{_place(line, reader.line_num)}{error}; is a quotation mark not closed?"
            yield Row(line, {}, [], Refused(Reason.WRONG_TYPE, detail), "".join(read))
            is_header = False
            continue
        if not cells:
            continue
        if is_header:
            is_header = False
        else:
            yield _row(line, reader.line_num, cells, header)


def _place(first: int, last: int) -> str:
    """Return which lines are one row, for a message; empty if it is only one line."""
    return f"lines {first} to {last} are one row: " if last > first else ""


def _kept(lines: Iterable[str], read: list[str]) -> Iterator[str]:
    for line in lines:
        read.append(line)
        yield line


def _row(line: int, last: int, cells: list[str], header: Header) -> Row:
    width = len(header.names)
    if len(cells) != width:
        detail = f"{_place(line, last)}has {len(cells)} cells, and the header has {width}"
        return Row(line, {}, cells, Refused(Reason.WRONG_TYPE, detail))
    # Some programs write a blank after each delimiter. It is no part of an id.
    values = {name: cell.strip() for name, cell in zip(header.names, cells, strict=True)}
    if not _is_number_or_empty(values.get(LINE, "")):
        # A row that lacks a cell, and that a spreadsheet has filled up at its end.
        detail = f"has no number in {LINE!r}: the cells are not in their columns"
        return Row(line, {}, cells, Refused(Reason.WRONG_TYPE, detail))
    return Row(line, {name: value for name, value in values.items() if name not in NOTES}, cells)


def _is_number_or_empty(cell: str) -> bool:
    return not cell or cell.isdecimal()


def without_notes(cells: Sequence[str], header: Header) -> list[str]:
    """Return the cells of a row without the notes of an earlier import.

    If the row has another number of cells than the header, the notes are the last ones. What does not look like them is
    kept.
    """
    values = dict(zip(header.names, cells, strict=False))
    if len(cells) == len(header.names) and _is_number_or_empty(values.get(LINE, "")):
        return [cell for name, cell in values.items() if name not in NOTES]
    last = cells[-len(NOTES) :]
    has_notes = set(header.names) >= NOTES and len(last) == len(NOTES) and last[0].isdecimal() and last[1] in _REASONS
    return list(cells[: -len(NOTES)] if has_notes else cells)


def json_rows(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the objects of JSON lines. Blank lines are skipped."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        found = _object(text)
        if isinstance(found, Refused):
            yield Row(number, {}, [text], found)
        else:
            yield Row(number, {name: value for name, value in found.items() if name not in NOTES}, [text])


def _object(text: str) -> dict[str, Any] | Refused:
    try:
        return read_object(text.encode())
    except NoResponse as ended:
        if isinstance(ended.outcome, Refused):
            return ended.outcome
        raise


def note(row: Row, refused: Refused) -> dict[str, str | int]:
    """Return the columns that a file of refused rows has for a row in addition to its own."""
    return {LINE: row.line, REASON: refused.reason, DETAIL: refused.detail}


def noted_json(row: Row, refused: Refused) -> str:
    """Return a refused row as a line of JSON, with the reason. What is no JSON is its text."""
    values = row.values or {"import text": row.cells[0] if row.cells else ""}
    return printable_json({**values, **note(row, refused)})  # half of a character is escaped: no file could have it
