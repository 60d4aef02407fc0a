from datetime import timedelta

import pytest

from worker.notify.retry import RetryPolicy


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 300), (2, 600), (3, 1_200), (4, 2_400), (5, 4_000), (6, 4_000), (10_000, 4_000)]
)
def test_the_wait_doubles_up_to_the_longest(attempt: int, seconds: float) -> None:
    assert timedelta(seconds=seconds) == RetryPolicy().delay(attempt)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(timedelta(0), False), (timedelta(days=5), False), (timedelta(days=5, microseconds=1), True)],
)
def test_a_mail_is_given_up_after_five_days(age: timedelta, *, expected: bool) -> None:
    assert expected == RetryPolicy().gives_up(age)
