"""Which mails wait for which digest, as it follows from the rows."""

from hypothesis import given
from hypothesis import strategies as st
from notify.mailboxes import pending, settled

from schemas.alert import Severity
from worker.notify import mailbox
from worker.notify.digest import Member, Members, opened, order
from worker.notify.mailbox import Mailbox


def row(*waiting: tuple[str, str]) -> bytes:
    return mailbox.encode(Mailbox([settled(99), *(pending(delivery_id=one, digest=digest) for one, digest in waiting)]))


def test_members_follow_from_the_rows_and_change_with_them() -> None:
    members = Members()
    members.note_rows(0, {b"c-1": row(("d-1", "x"), ("d-2", "")), b"c-2": row(("d-3", "x"), ("d-4", "y"))})
    members.note_rows(1, {b"c-3": row(("d-5", "x"))})
    assert members.of(0, "x") == [Member(b"c-1", "d-1"), Member(b"c-2", "d-3")]
    assert members.of(1, "x") == [Member(b"c-3", "d-5")]

    members.note_rows(0, {b"c-2": row(("d-3", "z")), b"c-1": None, b"\x04desk": b"\x97", b"c-1\x00d-1": None})
    assert (members.of(0, "x"), members.of(0, "y")) == ([], [])
    assert members.of(0, "z") == [Member(b"c-2", "d-3")]
    members.clear()
    assert members.of(0, "z") == []
    assert not members._in_row


def test_what_is_no_longer_a_member_is_not_listed() -> None:
    rows = {b"c-1": row(("d-1", "x")), b"c-2": row(("d-2", "y"))}
    found = opened("x", [Member(b"c-1", "d-1"), Member(b"c-2", "d-2"), Member(b"c-9", "d-9")], rows.get)
    assert (found.items, found.listed, found.lost) == ([], [], [Member(b"c-1", "d-1")])


def test_a_severity_of_a_later_version_comes_last() -> None:
    texts = [b'{"severity": "%b", "alert_id": "a"}' % word for word in (b"warning", b"dire", b"critical", b"error")]
    assert sorted(texts, key=lambda text: order(pending(), text)) == [texts[2], texts[3], texts[0], texts[1]]


def notice(severity: str, alert_id: str) -> bytes:
    return b'{"severity": "%b", "alert_id": "%b"}' % (severity.encode(), alert_id.encode())


def test_critical_notices_come_first_then_the_earliest_time_limit_then_severity_and_id() -> None:
    in_order = [
        (3_000, "critical", "f"),
        (0, "critical", "e"),
        (1_000, "warning", "z"),
        (2_000, "error", "y"),
        (2_000, "warning", "b"),
        (2_000, "warning", "c"),
        (0, "error", "b"),
        (0, "warning", "a"),
    ]
    found = sorted(sorted(in_order), key=lambda one: order(pending(act_by=one[0]), notice(*one[1:])))
    assert found == in_order


@given(st.permutations([(limit, severity, name) for limit in (0, 5, 9) for severity in Severity for name in "ab"]))
def test_the_order_does_not_depend_on_how_they_came(notices: list[tuple[int, str, str]]) -> None:
    def place(one: tuple[int, str, str]) -> tuple[bool, float, int, str]:
        limit, severity, name = one
        rank = ["critical", "error", "warning"].index(severity)
        return rank != 0, limit or float("inf"), rank, name

    found = sorted(notices, key=lambda one: order(pending(act_by=one[0]), notice(*one[1:])))
    assert found == sorted(notices, key=place)
