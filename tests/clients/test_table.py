from clients.table import is_good, summary, table
from clients.trial import Row

EXACT = Row("a", "none", "1.0", 315, 64, 300, 15, exact=True)
WRONG = Row("a", "lz4", "1.0", 315, 64, 299, 15, exact=False, wrong="I1 decisions: 299, expected 300")
NOT_TRIED = Row("b", "none", wrong="no go on this machine")


def test_what_was_not_tried_is_said_and_counted_apart() -> None:
    assert summary([EXACT, NOT_TRIED]) == "1 exact, 0 not exact, 1 not tried"
    assert "not tried" in table([EXACT, NOT_TRIED])[-1]


def test_one_row_that_is_not_exact_is_enough_to_fail() -> None:
    assert is_good([EXACT, NOT_TRIED])
    assert not is_good([EXACT, WRONG])


def test_nothing_tried_is_no_success() -> None:
    assert not is_good([NOT_TRIED])


def test_the_lines_of_a_table_are_equally_wide() -> None:
    assert len({len(line) for line in table([EXACT, WRONG, NOT_TRIED])}) == 1
