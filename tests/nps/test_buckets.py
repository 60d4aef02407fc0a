"""Buckets hold what a plain dictionary would, however large the numbers grow."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.nps.buckets import Buckets, Cells, MutableBuckets
from worker.nps.histogram import BINS

Large = st.one_of(st.integers(1, 3), st.sampled_from([254, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32]))
Steps = st.lists(
    st.tuples(st.sampled_from(["add", "take", "drop"]), st.integers(0, 40), st.integers(0, BINS - 1), Large),
    max_size=30,
)


def read(buckets: Buckets) -> list[int]:
    """Return the sum of each of the buckets 0 to 40, and of each score."""
    return [n for index in range(41) for n in MutableBuckets(buckets).between(index, index + 1)]


@given(Steps)
def test_they_hold_what_was_added_and_not_taken_or_dropped(steps: list[tuple[str, int, int, int]]) -> None:
    buckets, expected = Buckets(), Counter[int]()
    for what, index, score, n in steps:
        opened = MutableBuckets(buckets)
        cells: Cells = {index * BINS + score: n}
        if what == "add":
            opened.add(cells)
            expected.update(cells)
        elif what == "take":
            taken = opened.take(cells)
            assert min(n, expected[index * BINS + score]) == taken.get(index * BINS + score, 0)
            expected.subtract(taken)
        else:
            opened.drop(index)
            expected = Counter({cell: n for cell, n in expected.items() if cell >= index * BINS})
        buckets = msgspec.msgpack.decode(msgspec.msgpack.encode(opened.frozen()), type=Buckets)
        assert [expected[cell] for cell in range(41 * BINS)] == read(buckets)


@given(Steps, st.integers(0, 40), st.integers(0, 40))
def test_a_sum_is_that_of_the_buckets_in_between(steps: list[tuple[str, int, int, int]], first: int, end: int) -> None:
    opened, expected = MutableBuckets(Buckets()), [0] * BINS
    for _, index, score, n in steps:
        opened.add({index * BINS + score: n})
        if first <= index < end:
            expected[score] += n

    assert expected == opened.between(first, end)


@pytest.mark.parametrize(("n", "width"), [(255, 1), (256, 2), (65_535, 2), (65_536, 4), (2**32, 8)])
def test_counts_are_as_wide_as_the_largest_must_be(n: int, width: int) -> None:
    opened = MutableBuckets(Buckets())
    opened.add({5: n - 1})
    opened.add({5: 1})

    assert width * BINS == len(opened.frozen().counts)
