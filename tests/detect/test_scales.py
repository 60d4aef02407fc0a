"""Surveys whose answers all lie from 1 to 5 are recognised once there are enough answers."""

import pytest

from worker.detect.scales import answers_on_short_scale
from worker.nps.histogram import BINS


def histogram(**scores: int) -> list[int]:
    return [scores.get(f"s{score}", 0) for score in range(BINS)]


@pytest.mark.parametrize(
    ("scores", "answers"),
    [
        ({"s1": 10, "s5": 40}, 50),
        ({"s1": 10, "s5": 39}, 0),
        ({"s3": 50, "s0": 1}, 0),
        ({"s3": 50, "s6": 1}, 0),
        ({}, 0),
    ],
    ids=["from 1 to 5", "too few", "one answer below", "one answer above", "none"],
)
def test_answers_that_all_lie_on_a_short_scale_are_counted(scores: dict[str, int], answers: int) -> None:
    assert answers == answers_on_short_scale(histogram(**scores))
