"""What is said of how far a rebuild is."""

import pytest

from worker.rebuild import progress
from worker.rebuild.progress import Progress, offsets_in


def test_percent_and_rate_are_said_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now, said = [100.0], list[str]()
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    part = Progress("responses", 4_000, said.append)
    now[0] += 1
    part.count(500)
    assert said == []
    now[0] += 1
    part.count(1_500)
    part.count(1_000)
    assert said == ["responses: 50 % of 4,000 records, 1,000 a second"]
    now[0] += 2
    part.count(1_000)
    part.end()

    assert said[1:] == ["responses: 100 % of 4,000 records, 1,000 a second"] * 2


def test_nothing_to_do_is_done() -> None:
    said: list[str] = []
    Progress("rows", 0, said.append).end()

    assert said == ["rows: 100 % of 0 records, 0 a second"]


def test_a_topic_that_begins_late_has_only_the_offsets_that_exist() -> None:
    assert offsets_in([(90, 100), (0, 5), (7, 7)]) == 15
    assert offsets_in([(9, 4)]) == 0, "the records up to 9 were deleted before anybody has decided them"
