"""Who owns the topics: the group of the first claim on the topic, or the one that superseded it."""

from types import SimpleNamespace
from typing import Any

import msgspec

from worker.kafka import ownership
from worker.kafka.ownership import Claim

SECRET, OTHER = b"a" * 32, b"b" * 32


def log(*values: bytes | Claim, first: int = 0) -> list[Any]:
    return [
        SimpleNamespace(
            topic="nps.worker",
            partition=0,
            offset=first + place,
            value=msgspec.json.encode(value) if isinstance(value, Claim) else value,
        )
        for place, value in enumerate(values)
    ]


def owner(*values: bytes | Claim, first: int = 0) -> tuple[str, bytes] | None:
    found = ownership.in_force(log(*values, first=first))
    return None if found is None else (found.claim.group, found.claim.secret)


def test_of_two_workers_that_start_at_once_the_first_claim_counts() -> None:
    assert owner(Claim("a", SECRET), Claim("b", OTHER)) == ("a", SECRET)


def test_nobody_owns_an_empty_topic() -> None:
    assert owner() is None


def test_a_claim_that_supersedes_the_one_in_force_counts() -> None:
    assert owner(Claim("a", SECRET), Claim("b", OTHER), Claim("c", SECRET, 0)) == ("c", SECRET)


def test_of_two_that_take_over_at_once_the_first_counts() -> None:
    assert owner(Claim("a", SECRET), Claim("c", SECRET, 0), Claim("d", SECRET, 0)) == ("c", SECRET)


def test_what_is_no_claim_is_passed_over() -> None:
    strange = (b"", b"{", b'{"group":"x"}', Claim("", SECRET), Claim("x", b"short"))
    assert owner(*strange, Claim("a", SECRET)) == ("a", SECRET)


def test_where_the_front_of_the_log_was_cut_the_first_that_is_left_counts() -> None:
    assert owner(Claim("b", SECRET, 0), first=5) == ("b", SECRET)


def test_what_this_version_writes_stays_readable() -> None:
    written = b'{"group":"nps-worker","secret":"' + b"YWFh" * 10 + b"YWE=" + b'","supersedes":3}'
    assert msgspec.json.decode(written, type=Claim) == Claim("nps-worker", SECRET, 3)
