"""The tree: the segment that drags the NPS down the most is the first; one click leads deeper, and back."""

import re

from web.boards import TODAY, board, put, visit
from web.pages import html, text

from worker.board.board import Board
from worker.web.pages.tree import tree, tree_table
from worker.web.view import NotFound, Table, View

BOARD = board()


def links(markup: str) -> list[str]:
    """Return the addresses of the rows of the tree."""
    return re.findall(r'role="rowheader"><a href="([^"]*)"', markup)


def test_the_segment_that_drags_the_most_is_the_first_and_points_are_in_words() -> None:
    found = html(tree, visit("/tree", segment="Retail"), BOARD)
    assert ["Marseille", "Paris"] == [link.rpartition("%2F")[2] for link in links(found)][:2]
    read = text(tree, visit("/tree", segment="Retail"), BOARD)
    assert re.search(
        r"Marseille NPS \+?−?\d+ .* falling Effect on the NPS above takes \d\.\d points more than chance", read
    )
    assert re.search(r"Bordeaux .* adds \d\.\d points more than chance", read)
    assert "1 segment has no answers in the last 30 days." in read


def test_a_segment_leads_deeper_if_something_is_below_it_and_to_its_overview_otherwise() -> None:
    assert {"/tree?segment=Support", "/tree?segment=Retail", "/tree?segment=Online"} == set(
        links(html(tree, visit("/tree"), BOARD))
    )
    assert "/?segment=Support%2FPhone" in links(html(tree, visit("/tree", segment="Support"), BOARD))


def test_the_way_back_is_shown() -> None:
    found = html(tree, visit("/tree", segment="Retail/Paris", window="90d"), BOARD)
    assert '<a href="/tree?window=90d" dir="auto">All segments</a>' in found
    assert '<a href="/tree?segment=Retail&amp;window=90d" dir="auto">Retail</a>' in found
    assert "No segment below has answers in the last 90 days." in text(
        tree, visit("/tree", segment="Retail/Paris", window="90d"), BOARD
    )


def test_surveys_are_a_tree_of_their_own() -> None:
    found = html(tree, visit("/tree", by="surveys"), BOARD)
    assert ["/?segment=%2Fsurvey%2Fafter-call", "/?segment=%2Fsurvey%2Fafter-purchase"] == links(found)
    assert 'href="/tree?by=surveys"' not in html(tree, visit("/tree", segments=("Retail",), by="surveys"), BOARD)


def test_why_an_nps_has_changed_is_said() -> None:
    read = text(tree, visit("/tree", segment="Retail"), BOARD)
    assert re.search(
        r"Why it changed In the last 30 days, the NPS is \d+ points lower than in the 30 days before\.", read
    )
    assert "30 days before. A change of this size can be chance." in read
    assert "A change of this size" not in text(tree, visit("/tree", segment="Retail/Marseille"), BOARD)
    assert "points because the segments below became better or worse themselves" in read
    assert re.search(
        r"Segments below that have changed Marseille fell from \+\d+ to [+−]\d+, by between \d+ and \d+ points: "
        r"chance hardly explains that\.",
        read,
    )
    assert "Segments below that have changed" not in text(tree, visit("/tree", segment="Online"), BOARD)
    assert "points because the answers come from other segments than before" in read


def test_fifty_rows_are_on_a_page_which_stays_small() -> None:
    found = Board()
    days = {TODAY - day: (3, 1, 1) for day in range(365)}
    put(found, "", days)
    for number in range(120):
        put(found, f"Shop {number:03}", {TODAY: (3, number % 3, 1)})
    first = html(tree, visit("/tree"), found)
    assert 50 == len(links(first))
    assert len(first.encode()) <= 200_000
    assert "Page 1 of 3, 120 rows" in first
    assert 'href="/tree?page=2" rel="next"' in first
    last = html(tree, visit("/tree", page="3"), found)
    assert 20 == len(links(last))
    assert 'rel="next"' not in last
    assert 'href="/tree?page=2" rel="prev"' in last
    assert last == html(tree, visit("/tree", page="3"), found)
    assert 20 == len(links(html(tree, visit("/tree", page="99999999"), found)))
    assert 50 == len(links(html(tree, visit("/tree", page="-1"), found)))


def test_the_tree_is_there_as_a_table() -> None:
    shown = tree_table(visit("/tree.csv", segment="Retail"), BOARD)
    assert isinstance(shown, Table)
    assert "Retail/Marseille" == shown.rows[0][0]
    assert len(shown.columns) == len(shown.rows[0])


def test_somebody_with_several_segments_begins_with_these() -> None:
    found = visit("/tree", segments=("Retail/Paris", "Support", "Support/Chat"))
    read = text(tree, found, BOARD)
    assert ["/?segment=Retail%2FParis", "/tree?segment=Support"] == links(html(tree, found, BOARD))
    assert "Effect" not in read
    assert "All segments" not in read
    shown = tree_table(visit("/tree.csv", segments=("Retail/Paris", "Support")), BOARD)
    assert isinstance(shown, Table)
    assert ["Retail/Paris", "Support"] == [row[0] for row in shown.rows]


def test_what_is_not_known_or_not_to_be_seen() -> None:
    shown = tree(visit("/tree", segment="Nowhere"), BOARD)
    assert isinstance(shown, View)
    assert 404 == shown.status
    for segment in ("", "Retail", "Support", "/survey/after-call"):
        assert isinstance(
            tree(visit("/tree", segments=("Retail/Paris",), segment=segment or "Online"), BOARD), NotFound
        )
    assert isinstance(tree(visit("/tree", segment="/survey/after-call"), BOARD), NotFound)


def test_a_change_of_the_mix_names_the_segment_that_moved() -> None:
    found = Board()
    before, after = TODAY - 40, TODAY - 10
    put(found, "", {before: (850, 0, 150), after: (450, 0, 550)})
    put(found, "Good", {before: (810, 0, 90), after: (270, 0, 30)})
    put(found, "Bad", {before: (40, 0, 60), after: (180, 0, 520)})
    read = text(tree, visit("/tree"), found)
    assert "In the last 30 days, the NPS is 80 points lower than in the 30 days before, with 95% certainty" in read
    assert re.search(r"Most of that is due to (Good|Bad), whose share of the answers went from \d+% to \d+%\.", read)
    put(found, "", {before: (850, 0, 150), after: (850, 0, 150)})
    assert "the NPS is the same as in the 30 days before" in text(tree, visit("/tree"), found)
    put(found, "", {before: (450, 0, 550), after: (850, 0, 150)})
    assert "the NPS is 80 points higher than" in text(tree, visit("/tree"), found)
