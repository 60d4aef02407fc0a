"""The history of a segment: what its row says of each day and hour, in three numbers."""

from collections import Counter

import msgspec
import pytest
from flow.records import DAY, HOUR, NOW
from hypothesis import given
from hypothesis import strategies as st

from worker.board import history as module
from worker.board.history import History
from worker.board.unreadable import UNREADABLE
from worker.nps.histogram import classify
from worker.nps.segment import Segment

_ANSWERS = st.lists(st.tuples(st.integers(0, 300 * 24), st.integers(0, 10)), max_size=300)


def row(answers: list[tuple[int, int]]) -> bytes:
    """Return the row of a segment. `answers`: how many hours before NOW each was given, and its score."""
    segment = Segment()
    segment.spans.change([(NOW - hours * HOUR, number, score) for number, (hours, score) in enumerate(answers)], [])
    return msgspec.msgpack.encode(segment)


def expected(answers: list[tuple[int, int]], unit: int, oldest: int) -> list[tuple[int, int, int, int]]:
    counted: dict[int, Counter[str]] = {}
    for hours, score in answers:
        bucket = (NOW - hours * HOUR) // unit
        if bucket >= oldest:
            counted.setdefault(bucket, Counter())[classify(score)] += 1
    return [
        (bucket, found["promoter"], found["passive"], found["detractor"]) for bucket, found in sorted(counted.items())
    ]


@given(_ANSWERS)
def test_each_day_of_a_year_and_each_hour_of_a_day_has_its_answers(answers: list[tuple[int, int]]) -> None:
    history = History()
    history.take("fr", row(answers))
    newest = NOW - min((hours for hours, _ in answers), default=0) * HOUR

    assert history.days("fr") == expected(answers, DAY, 0)
    assert history.hours("fr") == expected(answers, HOUR, newest // HOUR - 23)


def test_days_with_thousands_of_answers_are_counted_as_well() -> None:
    answers = [(0, 9)] * 70_000 + [(24, 0)] * 300
    history = History()
    history.take("fr", row(answers))
    today = NOW // DAY
    assert history.days("fr") == [(today - 1, 0, 0, 300), (today, 70_000, 0, 0)]


def test_answers_that_were_taken_out_again_are_no_day() -> None:
    segment = Segment()
    segment.spans.change([(NOW, 1, 9)], [])
    segment.spans.change([], [(NOW, 1, 9)])
    history = History()
    history.take("fr", msgspec.msgpack.encode(segment))
    assert (history.days("fr"), history.hours("fr")) == ([], [])


def test_a_segment_that_is_not_known_has_no_history() -> None:
    history = History()
    history.take("fr", row([(0, 9)]), partition=1)
    history.take("de", row([(0, 9)]), partition=2)
    before = history.version
    assert (len(history), history.days("it"), history.hours("it")) == (2, [], [])
    history.take("fr", None)
    history.forget(2)
    assert (len(history), history.days("fr"), history.days("de")) == (0, [], [])
    assert history.version > before
    history.take("no row yet", msgspec.msgpack.encode(Segment()))
    assert history.days("no row yet") == []


def test_rows_wait_until_somebody_asks_or_until_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 20)
    history = History()
    for number in range(30):
        history.take(f"s-{number % 7}", row([(24 * day, 9) for day in range(number % 5)]), partition=number % 7)
        assert history._buckets == sum(peeked.size for peeked in history._waiting.values()) <= 20
    assert len(history) == 7
    for segment in range(7):
        last = max(number for number in range(30) if number % 7 == segment)
        assert len(history.days(f"s-{segment}")) == last % 5
    history.take("s-1", row([(0, 9)]), partition=1)
    history.forget(1)
    assert (len(history), history.days("s-1"), history._buckets) == (6, [], 0)


def test_a_row_is_reduced_only_as_there_is_no_room_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 8)
    history = History()
    for number in (0, 1, 0, 2, 0, 3, 0, 4):
        history.take(f"s-{number}", row([(0, 9)]))
    assert [*history._waiting] == ["s-2", "s-3", "s-0", "s-4"]
    assert [*history._rows] == ["s-1"]


def test_what_is_no_row_is_refused() -> None:
    with pytest.raises(UNREADABLE):
        History().take("fr", b"no row")


@given(_ANSWERS, st.integers(0, 301), st.integers(0, 301))
def test_the_total_of_some_days_is_the_sum_of_the_days(answers: list[tuple[int, int]], one: int, other: int) -> None:
    history = History()
    history.take("fr", row(answers))
    first, last = sorted((NOW // DAY - one, NOW // DAY - other))
    within = [counts for day, *counts in history.days("fr") if first <= day <= last]
    sums = tuple(map(sum, zip(*within, strict=True))) if within else (0, 0, 0)
    assert history.total("fr", first, last) == sums
    assert history.total("it", first, last) == (0, 0, 0)
