"""Attempts: who has tried too often has to wait, and what is remembered is bounded."""

from worker.access.attempts import Attempts


def test_after_as_many_attempts_a_key_waits_until_the_first_of_them_is_long_ago() -> None:
    attempts = Attempts(3, 1_000)
    for now in (0, 100, 200):
        assert attempts.wait("a", now) == 0
        attempts.note("a", now)

    assert attempts.wait("a", 300) == 700
    assert attempts.wait("b", 300) == 0
    assert attempts.wait("a", 1_000) == 0
    attempts.note("a", 1_000)
    assert attempts.wait("a", 1_050) == 50


def test_an_unknown_key_never_waits() -> None:
    attempts = Attempts(1, 1_000)
    attempts.note("", 0)

    assert attempts.wait("", 1) == 0


def test_a_success_is_a_new_beginning() -> None:
    attempts = Attempts(1, 1_000)
    attempts.note("a", 0)
    attempts.forgive("a")
    attempts.forgive("b")

    assert attempts.wait("a", 1) == 0


def test_the_key_that_was_used_first_is_forgotten_first() -> None:
    attempts = Attempts(1, 1_000, keys=2)
    for key in ("a", "b", "a", "c"):
        attempts.note(key, 0)

    assert [attempts.wait(key, 1) > 0 for key in "abc"] == [True, False, True]
