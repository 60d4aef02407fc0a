"""What explains a replay is what workers say, whatever the reason: a busy machine has reasons of its own."""

from dataclasses import dataclass
from typing import cast

import pytest
from chaos.closed_loop import lines as lines_of
from chaos.invariants import Event
from chaos.saboteur import PUT_OUT, cut_short
from chaos.world import IN_HAND, Life
from integration.processes import Process

from worker.notify.deliveries import HANDED_OVER


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
        ([*SHARES, f"chaos: {cut_short('')}", f"chaos: {cut_short('e0')}"], 0, 2),
    ],
    ids=["undisturbed", "rebalance", "session of notify", "session of process", "cut short"],
)
def test_each_thing_that_interrupts_a_worker_is_counted(lines: list[str], interruptions: int, ambiguous: int) -> None:
    assert (interruptions, ambiguous) == life(Ended(lines))


def test_an_end_that_is_not_in_order_interrupts_what_was_in_hand() -> None:
    assert life(Ended(SHARES, code=-9)) == (1, IN_HAND)
    assert life(Ended(SHARES, code=1), mails=False) == (1, 0)
    assert life(Ended([], code=0)) == (0, 0)


def test_what_the_outbox_says_again_of_a_mail_that_a_plan_has_taken_over_does_not_count_as_the_newest() -> None:
    log = [
        Event("3", {"reason": HANDED_OVER}, b"", at=30),
        Event("2", {"reason": "accepted"}, b"", at=20),
        Event("1", {"reason": "planned"}, b"", at=10),
    ]

    assert [line["reason"] for line in lines_of(log)] == ["planned", "accepted"]
