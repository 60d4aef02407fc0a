"""The warning about segments for which there is no room."""

import logging

import pytest

from worker.flow.batch import Decided
from worker.roles import left_out as module
from worker.roles.left_out import LeftOutWarnings


def test_what_a_partition_leaves_out_is_warned_of_once_in_ten_minutes(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    warnings = LeftOutWarnings(1_000)
    for seconds, partition, count in [(0.0, 0, 3), (1.0, 0, 4), (2.0, 1, 5), (3.0, 2, 0), (599.0, 0, 6), (600.0, 0, 7)]:
        now[0] = seconds
        warnings.warned_of(Decided([], {}, {}, segments_left_out=count), partition)

    assert [record.args for record in caplog.records] == [(1_000, 0, 3), (1_000, 1, 5), (1_000, 0, 7)]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_the_rest_of_a_batch_is_looked_at_too(caplog: pytest.LogCaptureFixture) -> None:
    decided = LeftOutWarnings(10).warned_of(
        Decided([], {}, {}, rest=lambda: Decided([], {}, {}, segments_left_out=2)), 0
    )
    assert not caplog.records

    assert decided.rest is not None
    assert decided.rest().segments_left_out == 2
    assert len(caplog.records) == 1
