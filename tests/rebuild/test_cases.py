"""The cases again: their log gives the rows that the worker had, with their time limits and what has happened."""

from typing import Any

from flow.cases.following import COMMANDS, POLICY
from flow.cases.test_escalation import MOVES, SERVICE, log_of, run
from hypothesis import given

from worker.flow.policy import IntakePolicy
from worker.rebuild.cases import CasesAgain


@given(MOVES)
def test_rows_are_as_the_worker_had_them_however_the_log_is_cut(moves: list[Any]) -> None:
    records = log_of(moves)
    rebuilt = CasesAgain(COMMANDS, POLICY, IntakePolicy(), SERVICE)
    rebuilt.take(records[:7])
    rebuilt.take(records[7:])
    lived = run(records)

    assert rebuilt.rows == lived.rows
    head = rebuilt.head(len(records))
    assert (head.mark, head.latest_time) == (len(records) - 1, lived.latest_time)
