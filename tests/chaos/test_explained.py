"""What explains a replay is what workers say, whatever the reason: a busy machine has reasons of its own."""

from dataclasses import dataclass
from typing import cast

import pytest
from chaos.saboteur import CUT_SHORT, PUT_OUT
from chaos.world import IN_HAND, Life
from integration.processes import Process


@dataclass
class Ended:
    """A process that has ended."""

    lines: list[str]
    code: int = 0
    ended: bool = True

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)


def life(process: Ended, *, mails: bool = True) -> tuple[int, int]:
    lived = Life(cast(Process, process), "w", mails=mails)
    return lived.interruptions, lived.ambiguous


SHARES = ["w-process has partitions 0, 1 of 4", "w-notify has partitions 0, 1 of 4"]


@pytest.mark.parametrize(
    ("lines", "interruptions", "ambiguous"),
    [
        (SHARES, 0, 0),
        ([*SHARES, "w-process has partitions 0 of 4", "w-notify stands by: other workers have all"], 2, 0),
        ([*SHARES, f"chaos: w-notify {PUT_OUT}"], 1, IN_HAND),
        ([*SHARES, f"chaos: w-process {PUT_OUT}"], 1, 0),
        ([*SHARES, f"chaos: {CUT_SHORT}", f"chaos: {CUT_SHORT}"], 0, 2),
    ],
    ids=["undisturbed", "rebalance", "session of notify", "session of process", "cut short"],
)
def test_each_thing_that_interrupts_a_worker_is_counted(lines: list[str], interruptions: int, ambiguous: int) -> None:
    assert (interruptions, ambiguous) == life(Ended(lines))


def test_an_end_that_is_not_in_order_interrupts_what_was_in_hand() -> None:
    assert life(Ended(SHARES, code=-9)) == (1, IN_HAND)
    assert life(Ended(SHARES, code=1), mails=False) == (1, 0)
    assert life(Ended([], code=0)) == (0, 0)
