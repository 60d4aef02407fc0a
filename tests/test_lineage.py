"""Which segments and surveys an answer counts for."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lineage import (
    canonical_path,
    is_segment,
    lineage,
    parent_of,
    paths_of,
    segment_name,
    segment_path,
    source_of,
    source_path,
    survey_of,
)


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("", ("",)),
        ("fr", ("fr", "")),
        ("fr/shop-3/delivery", ("fr/shop-3/delivery", "fr/shop-3", "fr", "")),
    ],
)
def test_a_line_goes_from_the_segment_up_to_the_root(segment: str, expected: tuple[str, ...]) -> None:
    assert expected == lineage(segment)


def test_an_answer_counts_for_its_line_and_for_its_survey() -> None:
    assert paths_of("fr/shop-3", "after-delivery") == ("fr/shop-3", "fr", "", "/survey/after-delivery")


def test_a_response_of_a_row_that_does_not_know_its_survey_counts_for_its_line_only() -> None:
    assert paths_of("fr", "") == ("fr", "")


@pytest.mark.parametrize(
    ("path", "parent", "survey"),
    [
        ("", None, None),
        ("fr", "", None),
        ("fr/shop-3", "fr", None),
        ("survey/a", "survey", None),
        ("/survey/a", "", "a"),
        ("/survey/a/b", "", "a/b"),
        ("/source/a", "", None),
    ],
)
def test_a_path_says_what_is_above_it_and_whether_it_is_a_survey(
    path: str, parent: str | None, survey: str | None
) -> None:
    assert (parent, survey) == (parent_of(path), survey_of(path))
    assert is_segment(path) == (not path.startswith("/"))


def test_a_source_has_a_path_that_no_segment_has() -> None:
    path = source_path("typeform_lyon")

    assert path == canonical_path(path)
    assert source_of(path) == "typeform_lyon"
    assert source_of("source/typeform_lyon") is None
    assert segment_path(["source", "typeform_lyon"]) != path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop-3", "shop-3"),
        ("Montre\u0301al", "Montréal"),
        (" Montréal ", "Montréal"),
        ("\tshop\n3 ", "shop 3"),
        ("New   York", "New York"),
        ("New\u00a0\u2009York", "New York"),
        ("Mon\u200btré\ufeffal", "Montréal"),
        ("a\u200d\u2066b\u2069", "ab"),
        ("a \u200b b", "a b"),
        ("cafe\u200d\u0301", "café"),
        ("\u2764\ufe0f", "\u2764"),
        ("\u3164\u2800", ""),
        ("\u2800a\u2800b", "a b"),
        ("a\x00\x1b\x85b", "a b"),
        ("\U000e0041x", "x"),
        ("24/7", "24-7"),
        ("/", "-"),
        ("", ""),
        ("  ", ""),
        ("s" * 100, "s" * 100),
        ("s" * 101, "s" * 99 + "…"),
        ("s" * 98 + " xyz", "s" * 98 + "…"),
    ],
)
def test_names_that_look_the_same_are_the_same(text: str, expected: str) -> None:
    assert expected == segment_name(text)


@pytest.mark.parametrize(("one", "other"), [("Paris", "paris"), ("straße", "strasse"), ("Ａ", "A"), ("а", "a")])
def test_case_and_letters_that_only_look_alike_are_kept_apart(one: str, other: str) -> None:
    """The last is a Cyrillic letter, the one before it a wide one."""
    assert segment_name(one) != segment_name(other)


@given(st.text(st.characters(categories=["L", "M", "N", "P", "Zs", "Cc", "Cf", "Cs"]), max_size=130))
def test_a_name_once_spelled_stays_as_it_is_and_is_part_of_a_path(text: str) -> None:
    name = segment_name(text)

    assert name == segment_name(name) == canonical_path(name) == segment_path([name])
    assert name == segment_name(unicodedata.normalize("NFD", text))
    assert name == segment_name(f" \u200b{text}\u2060\n")
    assert len(name) <= 100
    assert "/" not in name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("fr/shop-3", "fr/shop-3"),
        ("/fr//shop-3/", "fr/shop-3"),
        ("fr/Montre\u0301al /x", "fr/Montréal/x"),
        ("", ""),
        ("/", ""),
        ("a/b/c/d/e/f/g/h/i", "a/b/c/d/e/f/g/h"),
        ("/survey/q 1 ", "/survey/q 1 "),
    ],
)
def test_a_path_that_somebody_wrote_is_spelled_as_answers_are(path: str, expected: str) -> None:
    assert expected == canonical_path(path)
