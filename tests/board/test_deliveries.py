"""The latest deliveries: attempt by attempt, and what digests list."""

import pytest
from board.records import delivery
from flow.records import NOW, Record

from worker.board.deliveries import DeliveryLog, Line, LineQuery
from worker.board.newest import Bounds
from worker.board.unreadable import UNREADABLE


def log(*records: Record) -> DeliveryLog:
    found = DeliveryLog(Bounds(100))
    for one in records:
        found.take(one)
    return found


def test_a_delivery_is_shown_by_its_newest_line_and_has_all_of_them() -> None:
    found = log(
        delivery(NOW, delivery_id="d-1", attempt=1),
        delivery(NOW + 1, delivery_id="d-2", alert_id="a-2", receiver="care", channel="chat"),
        delivery(NOW + 2, delivery_id="d-1", attempt=2, status="sent", reason="accepted", next_attempt_at=None),
    )
    (first, second) = found.latest(LineQuery()).entries
    assert (first.delivery_id, first.status, first.attempt, first.next_attempt_at) == ("d-1", "sent", 2, None)
    assert (second.delivery_id, second.next_attempt_at) == ("d-2", 1772439547000)
    assert [line.attempt for line in found.of_delivery("d-1")] == [1, 2]
    assert [line.delivery_id for line in found.of_alert("a-2")] == ["d-2"]
    assert found.receivers() == ["care", "lyon"]


def test_each_filter_takes_what_fits() -> None:
    found = log(
        delivery(NOW, delivery_id="d-1", status="failed"),
        delivery(NOW + 1, delivery_id="d-2", alert_id="a-2", receiver="care", channel="chat"),
    )

    def ids(**query: str) -> list[str]:
        return [one.delivery_id for one in found.latest(LineQuery(**query)).entries]

    assert ids() == ["d-2", "d-1"]
    assert (ids(status="failed"), ids(channel="chat"), ids(receiver="care")) == (["d-1"], ["d-2"], ["d-2"])

    def is_second(line: Line) -> bool:
        return line.alert_id == "a-2"

    assert [one.delivery_id for one in found.latest(LineQuery(), is_second).entries] == ["d-2"]


def test_a_digest_has_the_notices_that_it_lists_and_those_that_wait_for_it() -> None:
    found = log(
        delivery(NOW, delivery_id="d-1", alert_id="a-1", reason="capped", digest_id="digest"),
        delivery(NOW + 1, delivery_id="d-2", alert_id="a-2", reason="capped", digest_id="digest"),
        delivery(NOW + 2, delivery_id="d-2", alert_id="a-2", reason="capped", digest_id="later"),
        delivery(NOW + 3, delivery_id="digest", alert_id="digest", status="sent", reason="accepted"),
        delivery(NOW + 4, delivery_id="d-1", alert_id="a-1", status="sent", reason="in_digest", digest_id="digest"),
        delivery(NOW + 5, delivery_id="d-3", alert_id="a-3"),
    )
    digest = found.digest("digest")
    assert digest is not None
    assert [line.status for line in digest.lines] == ["sent"]
    assert [(line.delivery_id, line.reason) for line in digest.members] == [("d-1", "in_digest")]
    later = found.digest("later")
    assert later is not None
    assert (later.lines, [line.delivery_id for line in later.members]) == ([], ["d-2"])
    assert found.digest("other") is None
    assert [line.digest_id for line in found.digests().entries] == ["digest", "later"]


def test_a_digest_that_all_notices_have_left_is_not_listed() -> None:
    found = log(
        delivery(NOW, delivery_id="d-1", alert_id="a-1", reason="capped", digest_id="left"),
        delivery(NOW + 1, delivery_id="d-1", alert_id="a-1", reason="capped", digest_id="later"),
    )
    assert [line.digest_id for line in found.digests().entries] == ["later"]
    assert found.digest("left") is None


def test_what_a_silence_holds_back_is_counted_until_it_is_sent() -> None:
    found = log(delivery(NOW, delivery_id="d-1", reason="silenced", silence_id="s"), delivery(NOW, delivery_id="d-2"))
    assert (found.held_by("s"), found.held_by("other")) == (1, 0)
    found.take(delivery(NOW + 1, delivery_id="d-1", status="sent", reason="accepted"))
    assert found.held_by("s") == 0


def test_a_line_that_is_published_again_is_shown_once() -> None:
    found = log(delivery(NOW), delivery(NOW + 1), delivery(NOW + 2, attempt=2), delivery(NOW + 3))
    assert [line.attempt for line in found.of_delivery("e2f8b4d6-7a95-5c1e-a3b0-4d6c8e9f0a12")] == [1, 2, 1]


def test_old_lines_and_a_partition_are_forgotten() -> None:
    found = DeliveryLog(Bounds(2))
    for number in range(5):
        found.take(delivery(NOW + number, delivery_id=f"d-{number}", alert_id=f"a-{number}", digest_id="digest"))
    assert len(found.latest(LineQuery()).entries) == 2
    assert (found.of_alert("a-0"), found.of_delivery("d-0")) == ([], [])
    found.forget(0)
    assert (len(found), found.digest("digest")) == (0, None)


def test_what_is_no_line_is_refused() -> None:
    for one in (Record(b"{}"), Record(None), delivery(next_attempt_at="2026-03-02T08:19:07")):
        with pytest.raises(UNREADABLE):
            log(one)
