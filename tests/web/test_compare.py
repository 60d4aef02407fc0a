"""Two segments beside each other, and whether their difference is more than chance."""

import re

import pytest
from web.boards import TODAY, board, drawn, put, visit
from web.pages import html, text

from worker.board.board import Board
from worker.nps.interval import difference
from worker.web.pages.compare import compare, compare_history_table, compare_table
from worker.web.view import NotFound, Table, View

BOARD = board()


def test_a_clear_difference_is_said_with_its_uncertainty() -> None:
    one, other = (BOARD.scores.counts(path, "30d") for path in ("Retail/Bordeaux", "Retail/Marseille"))
    low, high = difference(one, other)
    assert low > 0
    read = text(compare, visit("/compare", a="Retail/Bordeaux", b="Retail/Marseille"), BOARD)
    assert re.search(
        rf"Bordeaux is better than Marseille by \d+ points, between {round(low)} and {round(high)}: chance hardly",
        read,
    )
    read = text(compare, visit("/compare", a="Retail/Marseille", b="Retail/Bordeaux"), BOARD)
    assert re.search(
        rf"Marseille is worse than Bordeaux by \d+ points, between {round(low)} and {round(high)}: chance hardly",
        read,
    )


def test_a_difference_by_one_point_is_one_point_and_a_small_interval_has_decimals() -> None:
    found = Board()
    put(found, "a", {TODAY: (504_000, 0, 496_000)})
    put(found, "b", {TODAY: (500_000, 0, 500_000)})
    read = text(compare, visit("/compare", a="a", b="b"), found)
    assert "a is better than b by 1 point, between 0.5 and 1.1: chance hardly explains that." in read


def test_a_difference_that_can_be_chance_names_no_winner() -> None:
    read = text(compare, visit("/compare", a="Retail/Paris", b="Retail/Lyon"), BOARD)
    assert re.search(
        r"It cannot be said which is better: the difference lies between \d+ points in favour of Lyon and \d+ points "
        r"in favour of Paris\. That can be chance\.",
        read,
    )
    assert " is better than " not in read


@pytest.mark.parametrize(
    "query", [{"a": "Retail/Paris"}, {"a": "Retail", "b": "Retail/Paris"}, {"a": "Retail/Paris", "b": "Retail"}]
)
def test_a_part_is_compared_with_the_rest(query: dict[str, str]) -> None:
    read = text(compare, visit("/compare", asked=query), BOARD)
    assert "Paris is a part of Retail, so it is compared with the other answers of Retail." in read
    own, whole = (BOARD.scores.counts(path, "30d") for path in ("Retail/Paris", "Retail"))
    assert f"{sum(whole) - sum(own)} answers" in read
    shown = compare_table(visit("/compare.csv", asked=query), BOARD)
    assert isinstance(shown, Table)
    assert [("Retail/Paris", ""), ("Retail", "Retail/Paris")] == [row[:2] for row in shown.rows]
    assert len(shown.columns) == len(shown.rows[0])
    rest = tuple(every - part for every, part in zip(whole, own, strict=True))
    low, high = difference(own, rest)
    assert shown.columns[-3:] == ("difference", "difference_low", "difference_high")
    assert {row[-2:] for row in shown.rows} == {(round(low, 1), round(high, 1))}


def test_without_a_choice_the_first_segment_is_compared_with_all_the_others() -> None:
    read = text(compare, visit("/compare"), BOARD)
    assert re.search(r"Online is better than all the others by \d+ points", read)
    assert "All the others" in read


def test_a_survey_and_a_segment_have_answers_in_common() -> None:
    read = text(compare, visit("/compare", a="/survey/after-call", b="Support"), BOARD)
    assert "have answers in common, so their difference cannot be judged here" in read
    shown = compare_table(visit("/compare.csv", a="/survey/after-call", b="Support"), BOARD)
    assert isinstance(shown, Table)
    assert {row[-3:] for row in shown.rows} == {(None, None, None)}
    assert " is better than " in text(
        compare, visit("/compare", a="/survey/after-purchase", b="/survey/after-call"), BOARD
    )
    assert " is worse than all the others" in text(compare, visit("/compare", a="/survey/after-call"), BOARD)


def test_without_answers_there_is_nothing_to_compare() -> None:
    read = text(compare, visit("/compare", a="Retail/Strasbourg", b="Retail/Lyon", window="7d"), BOARD)
    assert "One of the two has no answers in the last 7 days, so there is nothing to compare." in read


def test_the_charts_have_the_same_scale() -> None:
    found = html(compare, visit("/compare", a="Retail/Marseille", b="Online"), BOARD)
    one, other = re.findall(r"<figure>.*?</figure>", found, flags=re.DOTALL)
    values = [re.findall(r'<text class="halo"[^>]*>([^<]*)</text>', chart) for chart in (one, other)]
    assert values[0] == values[1] != []


@pytest.mark.parametrize(
    "query",
    [{"a": "Nowhere"}, {"a": "Retail/Paris", "b": "Nowhere"}, {"a": "Nowhere", "b": "Retail/Paris"}],
)
def test_what_is_not_known_is_not_compared(query: dict[str, str]) -> None:
    shown = compare(visit("/compare", asked=query), BOARD)
    assert isinstance(shown, View)
    assert 404 == shown.status
    assert "No answers are known for “Nowhere”" in text(compare, visit("/compare", asked=query), BOARD)
    assert isinstance(compare_table(visit("/compare.csv", asked=query), BOARD), NotFound)


@pytest.mark.parametrize("query", [{"b": "Retail/Lyon"}, {"a": "Retail/Lyon"}, {"a": "Retail"}, {"b": "Retail"}])
def test_neither_side_may_be_one_that_the_person_does_not_see(query: dict[str, str]) -> None:
    asked = visit("/compare", segments=("Retail/Paris",), asked={"a": "Retail/Paris", **query})
    assert isinstance(compare(asked, BOARD), NotFound)
    assert isinstance(compare_table(asked, BOARD), NotFound)


def test_a_segment_alone_has_nothing_to_be_compared_with() -> None:
    found = Board()
    put(found, "", {TODAY: (1, 1, 1)})
    assert "Choose two segments" in text(compare, visit("/compare"), found)
    own = visit("/compare", segments=("Retail/Paris",))
    assert "Choose two segments" in text(compare, own, BOARD)
    assert isinstance(compare_table(own, BOARD), NotFound)


def test_the_numbers_of_the_charts_are_a_table() -> None:
    shown = compare_history_table(visit("/compare-history.csv", a="Retail/Paris", range="1"), BOARD)
    assert isinstance(shown, Table)
    assert 60 == len(shown.rows)
    assert len(shown.columns) == len(shown.rows[0])
    own, rest = shown.rows[29], shown.rows[59]
    days = drawn()
    assert ("Retail/Paris", "", "2026-12-01", "2026-12-01", sum(days["Retail/Paris"][TODAY])) == own[:5]
    assert ("Retail", "Retail/Paris") == rest[:2]
    assert sum(days["Retail"][TODAY]) - sum(days["Retail/Paris"][TODAY]) == rest[4]
