from datetime import timedelta
from itertools import count, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.notify.retry import RetryPolicy

DAYS = timedelta(days=5)


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 300), (2, 600), (3, 1_200), (4, 2_400), (5, 4_000), (6, 4_000), (110, 4_000)]
)
def test_the_wait_doubles_up_to_the_longest(attempt: int, seconds: float) -> None:
    assert timedelta(seconds=seconds) == RetryPolicy().delay(attempt)


@pytest.mark.parametrize("attempt", [111, 112, 10_000, 10**9])
def test_a_mail_is_given_up_after_five_days(attempt: int) -> None:
    assert RetryPolicy().delay(attempt) is None


def test_a_first_wait_longer_than_the_longest_is_the_longest() -> None:
    assert timedelta(seconds=60) == RetryPolicy(first_seconds=90, longest_seconds=60).delay(1)


@pytest.mark.unmeasured
@given(st.floats(1, 86_400), st.floats(60, 86_400), st.floats(0.01, 0.5))
def test_the_waits_add_up_to_the_days_and_not_beyond(first: float, longest: float, days: float) -> None:
    policy = RetryPolicy(first_seconds=first, longest_seconds=longest, give_up_days=days)
    waits = list(takewhile(lambda wait: wait is not None, map(policy.delay, count(1))))
    waited = sum((wait for wait in waits if wait is not None), timedelta())
    slack = timedelta(milliseconds=1)

    assert waited <= timedelta(days=days) + slack
    assert waited + timedelta(seconds=min(first * 2.0 ** min(len(waits), 60), longest)) > timedelta(days=days) - slack
