"""An outage: who may be tried when, and what is news."""

from worker.notify.outage import Outage

SECOND = 1_000


def test_without_an_outage_all_hands_are_free() -> None:
    outage = Outage()

    assert outage.until is None
    assert outage.hands(4, now=0) == 4


def test_in_an_outage_one_mail_is_tried_when_the_wait_is_over() -> None:
    outage = Outage()
    outage.begins(now=0)

    assert SECOND == outage.until
    assert [0, 1] == [outage.hands(4, now) for now in (SECOND - 1, SECOND)]


def test_the_waits_double_up_to_half_a_minute() -> None:
    outage, now, waits = Outage(), 0, []
    for _ in range(7):
        outage.begins(now)
        assert outage.until is not None
        waits.append((outage.until - now) // SECOND)
        now = outage.until

    assert [1, 2, 4, 8, 16, 30, 30] == waits


def test_what_was_under_way_when_it_began_is_no_news() -> None:
    outage = Outage()

    assert [True, False, False] == [outage.begins(now) for now in (0, 1, SECOND - 1)]
    assert SECOND == outage.until


def test_it_ends_once_and_the_next_one_begins_anew() -> None:
    outage = Outage()
    assert not outage.ends()
    outage.begins(0)
    outage.begins(SECOND)

    assert [True, False] == [outage.ends(), outage.ends()]
    assert outage.hands(4, now=SECOND) == 4
    outage.begins(2 * SECOND)
    assert 3 * SECOND == outage.until
