"""Which segments and surveys an answer counts for."""

import pytest

from worker.flow.lineage import lineage, parent_of, paths_of, survey_of


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
    ],
)
def test_a_path_says_what_is_above_it_and_whether_it_is_a_survey(
    path: str, parent: str | None, survey: str | None
) -> None:
    assert (parent, survey) == (parent_of(path), survey_of(path))
