"""The cases in memory follow their changelog, also over erasures, zombies and a changelog that was made again."""

from collections.abc import Iterable
from typing import Any, cast

from aiokafka import ConsumerRecord
from flow.cases.following import CUSTOMER, FORGOTTEN, POLICY, Following, command, opened, record, step
from flow.records import NOW

from worker.flow.messages import case_log
from worker.kafka import journal
from worker.kafka.rows import Fence, Head, PartitionState
from worker.settings import KafkaSettings
from worker.web.following import FollowedCases


class Changelog:
    """One partition of a changelog as a worker writes it."""

    def __init__(self, cases: FollowedCases, partition: int = 0) -> None:
        self.cases = cases
        self.partition = partition
        self.worker = PartitionState()
        self.worker.own = Fence(0, 1)
        self.end = 0

    def write(self, rows: dict[bytes, bytes | None], worker: PartitionState | None = None) -> None:
        """Write rows, and let the cases read them."""
        made = [(worker or self.worker).record(key, row) for key, row in rows.items()]
        self.cases.take(self._records([*made, self.worker.head_record(Head(self.end))]))

    def _records(self, made: Iterable[Any]) -> list[ConsumerRecord]:
        found = []
        for key, value, headers in made:
            found.append(
                ConsumerRecord(
                    "cases",
                    self.partition,
                    self.end,
                    0,
                    0,
                    key,
                    value,
                    None,
                    len(key),
                    len(value or b""),
                    tuple(headers),
                )
            )
            self.end += 1
        return found


def cases() -> FollowedCases:
    return FollowedCases(KafkaSettings(), "cases", POLICY)


def rows(following: Following) -> dict[bytes, bytes | None]:
    return cast(dict[bytes, bytes | None], dict(following.rows))


def state(found: FollowedCases, alert_id: str = "a-1", now: int = NOW) -> str | None:
    known = found.find(alert_id, now)
    assert known is None or known.customer_id == CUSTOMER.decode()
    return None if known is None else known.case.state


def test_a_case_is_found_by_its_alert_as_it_is_now_and_not_once_it_is_forgotten_or_erased() -> None:
    found, following = cases(), opened()
    changelog = Changelog(found)
    assert state(found) is None
    changelog.write(rows(following))
    assert state(found) == "open"
    following.say(command())
    following.take(record(step(1, alert_id="a-2")))
    changelog.write(rows(following))
    assert (state(found), state(found, "a-2")) == ("acknowledged", "open")
    assert state(found, now=FORGOTTEN) is None
    following.take(record(case_log.Erasure(2, 0)))
    changelog.write({CUSTOMER: None})
    assert (state(found), state(found, "a-2"), found._places) == (None, None, {})


def test_a_case_that_left_a_row_is_not_found_and_one_that_moved_is() -> None:
    found, following, other = cases(), opened(), opened()
    first, second = Changelog(found), Changelog(found, 1)
    first.write(rows(following))
    other.take(record(step(1, alert_id="a-2")))
    second.write(rows(other))
    first.write({CUSTOMER: None})

    assert (state(found), state(found, "a-2")) == ("open", "open")
    assert set(found._places.values()) == {(1, CUSTOMER)}


def test_rows_of_a_zombie_and_pieces_of_a_journal_do_not_count() -> None:
    found, following = cases(), opened()
    changelog = Changelog(found)
    changelog.write({})
    zombie = PartitionState()
    changelog.write(rows(following), zombie)
    assert state(found) is None
    changelog.write(dict(journal.pieces({CUSTOMER: following.rows[CUSTOMER]})))
    assert (state(found), found._places) == (None, {})


def test_a_changelog_that_was_made_again_is_read_from_its_beginning() -> None:
    found, following = cases(), opened()
    before = Changelog(found)
    before.worker.own = Fence(5, 1)
    before.write(rows(following))
    following.say(command())
    again = Changelog(found)
    again.write(rows(following))

    assert state(found) == "acknowledged"
