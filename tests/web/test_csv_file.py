"""Tables as CSV: whatever separates the cells of a spreadsheet, a text of a customer is no formula in it."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.web.csv_file import csv_of
from worker.web.view import Table


def lines(*cells: str | float | None) -> str:
    return (
        csv_of(Table("t", ("owner", "n"), [cells]), "en")
        .decode("utf-8-sig")
        .removeprefix("Looked after by,Answers\r\n")
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("fine", "fine"),
        ("", ""),
        ("Zoé, Lyon", '"Zoé, Lyon"'),
        ('say "no"', '"say ""no"""'),
        ("=1+1", "'=1+1"),
        ("-1", "'-1"),
        ("＝1", "'＝1"),
        ("＋＠", "'＋＠"),
        (" =1", " '=1"),
        ("\N{NO-BREAK SPACE}=1", "\N{NO-BREAK SPACE}'=1"),
        ("\tx", '"\'\tx"'),
        ("a;=1+1;b", '"a;\'=1+1;b"'),
        ("a\t@x", '"a\t\'@x"'),
        ("a\n-1", '"a\n\'-1"'),
        ('a;"=1+1', '"a;""\'=1+1"'),
        ("a-b; c", '"a-b; c"'),
    ],
)
def test_a_text_is_quoted_and_is_no_formula(text: str, written: str) -> None:
    assert lines(text, 1) == f"{written},1\r\n"


def test_numbers_stay_as_they_are() -> None:
    assert lines(-1.5, None) == "-1.5,\r\n"


@given(st.lists(st.text(st.sampled_from('=-+@;\t\r\n" a,1＝'), max_size=8), min_size=2, max_size=2))
def test_no_cell_begins_as_a_formula_whatever_separates_the_cells(cells: list[str]) -> None:
    text = lines(*cells)
    for cell in re.split(r"[;\t\r\n]", text):
        assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "＝"))
    [row] = csv.reader(io.StringIO(text, newline=""))
    assert [re.sub("'", "", cell) for cell in row] == cells
    for cell in row:
        assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝"))
