from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.timestamps import DAY, HOUR, LATEST, from_ms, to_ms


@given(st.integers(0, LATEST))
def test_milliseconds_survive_the_way_there_and_back(ms: int) -> None:
    assert ms == to_ms(from_ms(ms))


@pytest.mark.parametrize(
    ("when", "ms"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 0),
        (datetime(1970, 1, 1, 0, 0, 0, 1_999, tzinfo=UTC), 1),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), 1_700_000_000_000),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), -62_135_647_200_000),
    ],
)
def test_a_time_is_counted_in_whole_milliseconds_rounded_down(when: datetime, ms: int) -> None:
    assert ms == to_ms(when)


def test_a_moment_is_in_utc() -> None:
    assert from_ms(0).isoformat() == "1970-01-01T00:00:00+00:00"


def test_hours_and_days_are_milliseconds() -> None:
    assert (timedelta(hours=1), timedelta(days=1)) == (from_ms(HOUR) - from_ms(0), from_ms(DAY) - from_ms(0))


@pytest.mark.parametrize("ms", [LATEST, LATEST + 1, 2**63 - 1])
def test_there_is_no_moment_after_the_year_9999(ms: int) -> None:
    assert from_ms(ms) == datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@pytest.mark.parametrize("ms", [0, -1, -(2**63)])
def test_there_is_none_before_1970(ms: int) -> None:
    assert from_ms(ms) == datetime(1970, 1, 1, tzinfo=UTC)
