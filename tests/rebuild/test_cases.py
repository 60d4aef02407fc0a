"""The cases again: their log gives the rows that the worker had, with their time limits and what has happened."""

from typing import Any

import pytest
from flow.cases.following import COMMANDS, POLICY
from flow.cases.test_escalation import MOVES, SERVICE, log_of, run
from hypothesis import given
from hypothesis import strategies as st

from worker.flow.cases import road
from worker.flow.policy import IntakePolicy
from worker.rebuild.cases import CasesAgain


@given(MOVES, st.integers(1, 3))
def test_rows_are_as_the_worker_had_them_however_the_log_is_cut(moves: list[Any], most: int) -> None:
    """Also if ticks are decided in several slices."""
    records = log_of(moves)
    lived = run(records)
    rebuilt = CasesAgain(COMMANDS, POLICY, IntakePolicy(), SERVICE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(road, "CUSTOMERS_PER_SLICE", most)
        rebuilt.take(records[:7])
        rebuilt.take(records[7:])

    assert rebuilt.rows == lived.rows
    head = rebuilt.head(len(records))
    assert (head.mark, head.latest_time) == (len(records) - 1, lived.latest_time)
