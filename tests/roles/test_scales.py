"""The warning about surveys that ask on another scale."""

import logging

import pytest

from worker.flow.batch import Decided
from worker.roles.scales import warned_of_scales


def test_each_survey_is_one_line_also_in_the_rest_of_a_batch(caplog: pytest.LogCaptureFixture) -> None:
    rest = Decided([], {}, {}, on_short_scale=("spring",))
    decided = warned_of_scales(Decided([], {}, {}, rest=lambda: rest, on_short_scale=("autumn", "winter")))

    assert decided.rest is not None
    assert decided.rest() == rest
    assert [line.split(" are ")[0] for line in caplog.messages] == [
        "All answers to survey autumn",
        "All answers to survey winter",
        "All answers to survey spring",
    ]
    assert "are from 1 to 5. Scores must be from 0 to 10" in caplog.messages[0]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
