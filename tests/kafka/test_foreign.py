"""How a partition of another program's topic goes on whose state does not fit its log."""

import pytest

from worker.flow.record import EPOCH
from worker.kafka.foreign import repair
from worker.kafka.rows import Head
from worker.kafka.source import Comparison, Log, Source, difference

READ = Head(mark=9, marked_at=7)
SHORTER = "partition 0: everything up to offset 9 was decided, but it ends at 5"
REMEDY = "The next start reads it from its beginning"


@pytest.mark.parametrize(
    ("head", "log", "committed"),
    [
        (Head(), Log(0, 0), 0),
        (Head(), Log(5, 9), 0),
        (READ, Log(0, 20, 7), 10),
        (READ, Log(0, 20, 7), 4),
        (READ, Log(0, 20, None), 10),
        (READ, Log(15, 20, None), 10),
        (Head(mark=EPOCH + 3, base=EPOCH, marked_at=7), Log(0, 4, 7), 4),
    ],
    ids=["new", "nothing read", "read", "not committed yet", "compacted", "deleted by retention", "a later epoch"],
)
def test_a_state_that_fits_its_log_stays(head: Head, log: Log, committed: int) -> None:
    assert repair(head, log, committed) is None


@pytest.mark.parametrize(
    ("head", "log", "committed", "why"),
    [
        (READ, Log(0, 5), 10, "everything up to offset 9 was decided, but it ends at 5"),
        (READ, Log(2, 20, 8), 10, "at offset 9 it has another record than the one that was decided"),
        (Head(), Log(0, 3), 10, "everything up to offset 9 was read, but it ends at 3"),
    ],
    ids=["shorter", "grown past the mark", "shorter, and the changelog is lost"],
)
def test_a_log_that_is_another_one_is_read_from_its_beginning(head: Head, log: Log, committed: int, why: str) -> None:
    found = repair(head, log, committed)

    assert found is not None
    assert found.why == f"{why}; it is read from its beginning"
    assert found.commit == log.first
    assert found.head.stands_at == 0
    assert found.head.base > found.head.mark
    assert repair(found.head, log, log.first) is None, "it may be repeated"


def test_a_lost_changelog_is_replaced_by_what_was_committed() -> None:
    found = repair(Head(), Log(0, 20), 10)

    assert found is not None
    assert (found.head.stands_at, found.commit) == (10, None)
    assert found.why == "its changelog was lost; reading goes on at offset 10"
    assert repair(found.head, Log(0, 20, 7), 10) is None


def test_only_in_a_topic_that_may_be_compacted_can_the_record_at_the_mark_be_missing() -> None:
    assert difference(READ, Log(0, 20, None)) is not None
    assert difference(READ, Log(0, 20, None), may_be_compacted=True) is None
    assert difference(READ, Log(0, 20, 8), may_be_compacted=True) is not None


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        (None, "crm.answers: the topic does not exist any more. The next start waits for it"),
        ({0: Log(0, 5)}, f"crm.answers was deleted and created again, or cut back ({SHORTER}). {REMEDY}"),
    ],
)
def test_the_next_start_is_the_remedy_and_no_command(logs: dict[int, Log] | None, said: str) -> None:
    found = Comparison()
    found.add(Source("crm.answers", "crm.answers", must_be_complete=False, is_foreign=True), {0: READ}, {0: 10}, logs)

    assert found.problems == [said]
