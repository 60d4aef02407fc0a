"""What stands around every page: the section one is in, addresses, and how old the data is."""

import pytest
from web.boards import visit

from worker.board.board import Freshness
from worker.web.layout import address_of, age_in_words, layout
from worker.web.notation import DAY, HOUR, MINUTE
from worker.web.words.layout import LAYOUT_WORDS

FRESH = Freshness(True, 0, ())


@pytest.mark.parametrize(
    ("path", "section"),
    [
        ("/", "Overview"),
        ("/tree", "Tree"),
        ("/compare", "Tree"),
        ("/heat", "Tree"),
        ("/cases", "Cases"),
        ("/case/a-1", "Cases"),
        ("/answers", "Why?"),
        ("/incidents/i-1", "Why?"),
        ("/treetop", None),
    ],
)
def test_one_section_is_current(path: str, section: str | None) -> None:
    current = [each.label for each in layout(visit(path), FRESH).sections if each.current]
    assert ([] if section is None else [section]) == current


def test_an_address_has_what_is_chosen_and_leaves_out_what_is_not() -> None:
    assert "/tree" == address_of("/tree", {"page": "2", "window": ""}, page=None)
    assert "/tree?segment=R%26D%2FParis&page=3" == address_of("/tree", {"segment": "R&D/Paris", "page": "2"}, page=3)


@pytest.mark.parametrize(
    ("age", "english", "french"),
    [
        (1, "1 minute", "1 minute"),
        (MINUTE, "1 minute", "1 minute"),
        (59 * MINUTE, "59 minutes", "59 minutes"),
        (HOUR, "1 hour", "1 heure"),
        (47 * HOUR, "1 day", "1 jour"),
        (3 * DAY, "3 days", "3 jours"),
    ],
)
def test_an_age_is_in_its_largest_whole_unit(age: int, english: str, french: str) -> None:
    assert english == age_in_words(age, LAYOUT_WORDS["en"])
    assert french == age_in_words(age, LAYOUT_WORDS["fr"])


def test_data_that_is_minutes_old_gets_a_warning() -> None:
    assert "" == layout(visit(), Freshness(True, 2 * MINUTE - 1, ())).stale
    assert "for 2 minutes" in layout(visit(), Freshness(True, 2 * MINUTE, ())).stale
    assert not layout(visit(), Freshness(False, 0, ("scores",))).caught_up
