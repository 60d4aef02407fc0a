"""A process ends at its deadline, with the exit code it should have, whatever it is doing."""

import subprocess
import sys
import time

import pytest

_PROGRAM = """
import logging, threading, time
from worker.deadline import end_within
logging.basicConfig()
guard = end_within({seconds}, {code}, "it is late")
{then}
"""
_BLOCKED = "time.sleep(60)"
_THREAD_STAYS = "threading.Thread(target=time.sleep, args=(60,)).start()"


def run(then: str, *, seconds: float = 0.2, code: int = 1) -> tuple[int, str]:
    """Run a program to its end; return its exit code and what it logged."""
    program = _PROGRAM.format(seconds=seconds, code=code, then=then)
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, check=False, timeout=20)
    return done.returncode, done.stderr


@pytest.mark.parametrize("then", [_BLOCKED, _THREAD_STAYS])
@pytest.mark.parametrize(("code", "level"), [(1, "CRITICAL"), (0, "WARNING")])
def test_the_process_ends_at_its_deadline_with_the_code(then: str, code: int, level: str) -> None:
    found, said = run(then, code=code)

    assert found == code
    assert said.startswith(f"{level}:worker.deadline:stopped at once: it is late; what is not committed")


def test_it_ends_earlier_when_it_can_and_nothing_is_said() -> None:
    began = time.monotonic()

    assert run("", seconds=15) == (0, "")
    assert time.monotonic() - began < 10


def test_a_deadline_that_is_cancelled_ends_nothing() -> None:
    assert run("guard.cancel(); time.sleep(0.5)") == (0, "")
