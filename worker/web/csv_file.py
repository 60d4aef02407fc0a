"""A table as CSV (RFC 4180), for people who open it with a spreadsheet.

What a customer has written must not become a formula. A spreadsheet whose language writes numbers with a comma, such as
French, separates cells at semicolons when it opens a file, and does not heed quotes inside what it takes for a cell. So
a text can begin a cell of its own after each semicolon, tab and line end, whatever quotes stand around it.
"""

import re

from worker.routing.receiver import Language
from worker.web.view import Table
from worker.web.words.columns import COLUMNS

#: The byte order mark by which spreadsheets recognise UTF-8.
_MARK = "\ufeff"
_LINE_END = "\r\n"
#: Where a formula would begin: at the start of a text, or after what may separate cells or lines. The wide characters
#: are those of Japanese keyboards, which spreadsheets read as the narrow ones.
_FORMULA = re.compile('(?P<before>(?:^|[;\\t\\r\\n])[ "\u00a0]*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])')
#: How a text begins that some spreadsheets compute although no formula is seen.
_BLANK = ("\t", "\r")
#: What has to stand in quotes, whichever character the spreadsheet takes as the separator.
_QUOTED = re.compile(r'[;,\t"\r\n]')

Cell = str | float | None


def csv_of(table: Table, language: Language) -> bytes:
    """Return a table as the content of a file, with its headings in a language.

    Where a spreadsheet would compute a text, an apostrophe is put in.
    """
    head: list[Cell] = [COLUMNS[language][column] for column in table.columns]
    lines = [head, *([_without_formulas(cell) for cell in row] for row in table.rows)]
    return (_MARK + "".join(",".join(map(_quoted, line)) + _LINE_END for line in lines)).encode()


def _without_formulas(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    text = _FORMULA.sub(r"\g<before>'", cell)
    return f"'{text}" if text.startswith(_BLANK) else text


def _quoted(cell: Cell) -> str:
    text = "" if cell is None else str(cell)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
