"""The heat map: a segment and those below it by month, with numbers, and few answers said."""

import re

import pytest
from web.boards import TODAY, board, drawn, put, visit
from web.pages import html, text

from worker.board.board import Board
from worker.web.pages.heat import FEW, heat, heat_table, level
from worker.web.view import NotFound, Table, View
from worker.web.words.tree import TREE_WORDS

BOARD = board()


def test_every_cell_has_its_number_and_few_answers_are_in_brackets() -> None:
    found = html(heat, visit("/heat", segment="Retail"), BOARD)
    rows = re.findall(r"<tr.*?</tr>", found[found.index("<tbody>") :], flags=re.DOTALL)
    assert 6 == len(rows)
    assert all(12 == row.count("<td") for row in rows)
    shown = heat_table(visit("/heat.csv", segment="Retail"), BOARD)
    assert isinstance(shown, Table)
    assert 72 == len(shown.rows)
    # The page has the newest month first, and the file the oldest.
    cells = [cell for row in rows for cell in reversed(re.findall(r"<td[^>]*>(.*?)</td>", row))]
    for (_, _, n, *_), cell in zip(shown.rows, cells, strict=True):
        assert isinstance(n, int)
        assert ("–" in cell) == (n == 0)
        assert cell.startswith("(") == (0 < n < FEW)


def test_the_months_add_up_to_the_days() -> None:
    shown = heat_table(visit("/heat.csv", segment="Support"), BOARD)
    assert isinstance(shown, Table)
    own = [row for row in shown.rows if row[0] == "Support"]
    assert ["2026-01", "2026-12"] == [own[0][1], own[-1][1]]
    november = [sum(counts) for day, counts in drawn()["Support"].items() if TODAY - 30 <= day < TODAY]
    assert sum(november) == own[-2][2]
    assert len(shown.columns) == len(own[0])


def test_the_month_that_is_not_over_says_so() -> None:
    found = text(heat, visit("/heat"), BOARD)
    assert "Dec 2026 so far" in found
    assert found.index("Dec 2026") < found.index("Nov 2026") < found.index("Jan 2026"), "the newest is the first"


@pytest.mark.parametrize(
    ("nps", "expected"),
    [(-31, "low-3"), (-20, "low-2"), (-5, "low-1"), (4, "level"), (5, "high-1"), (15, "high-2"), (90, "high-3")],
)
def test_the_colour_says_how_far_a_month_is_from_the_whole(nps: float, expected: str) -> None:
    assert expected == level(nps, 0.0)
    assert all(expected in words.legend for words in TREE_WORDS.values())
    assert expected == level(nps + 7, 7.0)


def test_the_legend_has_the_colours_of_the_cells_and_no_others() -> None:
    found = html(heat, visit("/heat", segment="Retail"), BOARD)
    body, legend = found[found.index("<tbody>") :].split("</table>")
    colours = re.compile(r"(?:low|high)-[123]|level")
    assert set(colours.findall(body)) == set(colours.findall(legend))
    assert "30 points or more below" in legend
    assert "in italics and brackets" in legend

    even = Board()
    put(even, "", {TODAY - day: (6, 2, 2) for day in range(365)})
    shown = text(heat, visit("/heat"), even)
    assert "about the same" in shown
    assert "above" not in shown
    assert "in italics and brackets" not in shown


def test_without_history_it_says_so() -> None:
    found = Board()
    put(found, "Retail", {TODAY - 400: (1, 1, 1)})
    assert "No month has answers yet." in text(heat, visit("/heat", segment="Retail"), found)


def test_fifty_segments_are_on_a_page_which_stays_small() -> None:
    found = Board()
    put(found, "", {TODAY - day: (3, 1, 1) for day in range(365)})
    for number in range(120):
        put(found, f"Shop with a long name {number:03}", {TODAY - day: (3, number % 3, 1) for day in range(365)})
    shown = html(heat, visit("/heat"), found)
    assert len(shown.encode()) <= 200_000
    assert 51 == shown.count('<th scope="row">')
    assert "Page 1 of 3, 120 rows" in shown


def test_what_is_not_known_or_not_to_be_seen() -> None:
    shown = heat(visit("/heat", segment="Nowhere"), BOARD)
    assert isinstance(shown, View)
    assert 404 == shown.status
    for segment in ("Retail", "/survey/after-call"):
        assert isinstance(heat(visit("/heat", segments=("Retail/Paris",), segment=segment), BOARD), NotFound)
        assert isinstance(heat_table(visit("/heat", segments=("Retail/Paris",), segment=segment), BOARD), NotFound)
