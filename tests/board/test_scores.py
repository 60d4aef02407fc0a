"""The book of the scores: by path, with the counts of each window, and the tree of the segments."""

import pytest
from scores.trees import scored, tree

from worker.board.scores import ScoreBook
from worker.board.unreadable import UNREADABLE


def book(**leaves: tuple[int, int, int]) -> ScoreBook:
    found = ScoreBook()
    for path, scores in tree(**leaves).items():
        found.take(path, scores.model_dump_json().encode())
    return found


def test_scores_are_known_by_their_paths_with_the_counts_of_each_window() -> None:
    found = book(fr__a=(3, 2, 1), fr__b=(1, 0, 1), de=(5, 5, 5))

    assert found.paths() == ["", "de", "fr", "fr/a", "fr/b"]
    assert (found.children(""), found.children("fr"), found.children("de")) == (["de", "fr"], ["fr/a", "fr/b"], [])
    assert found.counts("fr", "30d") == (4, 2, 2)
    assert found.counts("fr", "all") == (4, 2, 2)
    assert (found.counts("fr", "7h"), found.counts("it", "30d")) == ((0, 0, 0), (0, 0, 0))
    assert found.get("fr/a") == scored("fr/a", 3, 2, 1)
    assert found.get("it") is None
    assert len(found) == 5


def test_surveys_are_no_segments() -> None:
    found = book(fr=(1, 1, 1))
    found.take("/survey/autumn", scored("/survey/autumn", 1, 1, 1).model_dump_json().encode())

    assert (found.surveys(), found.paths(), found.children("")) == (["/survey/autumn"], ["", "fr"], ["fr"])
    found.take("/survey/autumn", None)
    assert found.surveys() == []


def test_a_segment_that_is_forgotten_is_in_no_list() -> None:
    found = book(fr__a=(3, 2, 1))
    before = found.version
    found.take("fr/a", None)

    assert (found.paths(), found.children("fr"), found.get("fr/a")) == (["", "fr"], [], None)
    assert found._children.keys() == {""}
    assert found.version > before
    before = found.version
    found.take("fr/a", None)
    assert found.version == before


def test_the_newest_record_counts_if_another_program_has_written_to_another_partition() -> None:
    found = ScoreBook()
    found.take("fr", scored("fr", 9, 0, 0).model_dump_json().encode(), at=10, partition=0)
    found.take("fr", scored("fr", 0, 0, 9).model_dump_json().encode(), at=9, partition=1)
    assert found.counts("fr", "30d") == (9, 0, 0)
    found.take("fr", scored("fr", 0, 9, 0).model_dump_json().encode(), at=9, partition=0)
    assert found.counts("fr", "30d") == (0, 9, 0)


def test_a_partition_that_was_made_again_is_forgotten() -> None:
    found = ScoreBook()
    found.take("fr", scored("fr", 9, 0, 0).model_dump_json().encode(), partition=0)
    found.take("de", scored("de", 9, 0, 0).model_dump_json().encode(), partition=1)
    found.forget(1)
    assert (found.paths(), found.children("")) == (["fr"], ["fr"])


def test_what_is_no_scores_is_refused_and_changes_nothing() -> None:
    found = book(fr=(1, 1, 1))
    before = found.version
    with pytest.raises(UNREADABLE):
        found.take("fr", b'{"segment": "fr"}')
    assert (found.version, found.counts("fr", "30d")) == (before, (1, 1, 1))
