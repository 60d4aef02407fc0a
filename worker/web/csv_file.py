"""A table as CSV (RFC 4180), for people who open it with a spreadsheet."""

import csv
import io

from worker.web.view import Table

#: The byte order mark by which spreadsheets recognise UTF-8.
_MARK = "\ufeff"
#: How a formula begins in a spreadsheet. What a customer has written must not become one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(table: Table) -> bytes:
    """Return a table as the content of a file. A text that a spreadsheet would compute begins with an apostrophe."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(table.head)
    writer.writerows([_cell(value) for value in row] for row in table.rows)
    return (_MARK + file.getvalue()).encode()


def _cell(value: str | float | None) -> str | float | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
