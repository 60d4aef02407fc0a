"""The last 30 days against the 60 days before: what changed below, and what the shares of the answers did."""

import pytest
from scores.trees import scored, window

from schemas.scores import Scores
from worker.board.tree import branches
from worker.nps.interval import difference
from worker.scores.changes import changes, table

Classes = tuple[int, int, int]


def changed(path: str, earlier: Classes, later: Classes) -> Scores:
    """Return a segment with its answers of the 60 days before, and of the last 30 days."""
    both = window(*(one + other for one, other in zip(earlier, later, strict=True)))
    found = scored(path, *later)
    return found.model_copy(update={"windows": found.windows | {"90d": both}})


#: The shares of two countries change from 80 and 20 % to 20 and 80 %. In "uk", both shops fell.
FOUND = {
    one.segment: one
    for one in (
        changed("", (630, 230, 140), (185, 195, 120)),
        changed("fr", (560, 160, 80), (70, 20, 10)),
        changed("uk", (70, 70, 60), (115, 175, 110)),
        changed("uk/a", (50, 30, 20), (30, 30, 40)),
        changed("uk/b", (20, 40, 40), (85, 145, 70)),
        changed("de", (0, 0, 0), (0, 0, 0)),
        changed("/survey/autumn", (1, 1, 1), (1, 1, 1)),
    )
}


def test_a_change_is_split_into_what_is_due_to_the_segments_and_to_their_shares() -> None:
    root, fr, uk = (changes(FOUND)[path] for path in ("", "fr", "uk"))

    assert root[:5] == pytest.approx((49, 13, 1000, 500, -36))
    assert root[-2:] == pytest.approx((-0.75, -35.25))
    assert root[5:7] == pytest.approx(difference((185, 195, 120), (630, 230, 140)))
    assert (fr.within, fr.mix) == (None, None)
    assert uk.within == pytest.approx((-10 - 30) / 2 + (5 + 20) / 2)
    assert uk.before is not None
    assert uk.after is not None
    assert (uk.within or 0) + (uk.mix or 0) == pytest.approx(uk.after - uk.before)
    assert changes(FOUND)["de"] == (None, None, 0, 0, None, None, None, None, None)
    assert "/survey/autumn" not in changes(FOUND)


def test_the_table_is_a_tree_of_at_most_80_columns() -> None:
    long = "uk/" + "a very long name of a shop in a very long street"
    found = {**FOUND, long: changed(long, (1, 0, 0), (0, 0, 1))}
    shown = table(branches(found, "", "90d", depth=None), changes(found)).splitlines()

    assert [line.split() for line in (shown[0], shown[1])] == [
        ["segment", "60", "d", "n", "30", "d", "n", "change", "95", "%", "within", "mix"],
        ["all", "+49", "1,000", "+13", "500", "-36", "-44", "to", "-28", "-1", "-35"],
    ]
    assert next(line.split("…")[1].split() for line in shown if line.startswith("    a very long name")) == [
        *("+100*", "1", "-100*", "1", "-200"),
        *(f"{end:+.0f}" if end else "to" for end in (-200, 0, difference((0, 0, 1), (1, 0, 0))[1])),
        *("–", "–"),
    ]
    assert shown[-1] == "* fewer than 30 answers: the NPS is only indicative"
    assert max(map(len, shown)) <= 80
    assert next(line for line in shown if line.startswith("  fr ")).split()[-2:] == ["–", "–"]


def test_many_answers_are_counted_in_thousands_and_no_mark_needs_no_hint() -> None:
    found = {"": changed("", (400_000, 700_000, 134_000), (99_999, 0, 0))}
    _, line = table(branches(found, "", "90d", depth=None), changes(found)).splitlines()

    assert line.split()[1:5] == ["+22", "1,234k", "+100", "99,999"]
