"""A segment is silent when its neighbours go on and it does not, far longer than it ever did."""

from collections.abc import Callable
from math import log

import pytest
from detect.hourly import column, watching
from hypothesis import given
from hypothesis import strategies as st

from worker.detect.drops import NO_PRIOR
from worker.detect.silences import is_silent, missed
from worker.detect.watch import Watch

DAY = 24
#: 1970-01-05 was a Monday.
MONDAY = 4 * DAY
#: When a segment's last answers come, three weeks after its first.
STOP = MONDAY + 21 * DAY

#: How many answers come in an hour.
Rhythm = Callable[[int], int]


def watch(*rhythms: Rhythm, until: int, first: int = MONDAY) -> Watch:
    """Return what is watched of a segment, of the hours before one; it has the answers of all rhythms."""
    counts = ((hour, sum(rhythm(hour) for rhythm in rhythms)) for hour in range(first, until))
    return watching((hour, n, 0, 0) for hour, n in counts if n)


def every(hours: int, n: int = 1) -> Rhythm:
    return lambda hour: 0 if hour % hours else n


def until(end: int, rhythm: Rhythm) -> Rhythm:
    return lambda hour: rhythm(hour) if hour < end else 0


def office(hour: int) -> int:
    """Return an answer in each hour from nine to five, Mondays to Fridays."""
    return int((hour - MONDAY) % (7 * DAY) < 5 * DAY and 9 <= hour % DAY < 17)


def silent(own: Rhythm, siblings: Rhythm | None, hours: range, first: int = MONDAY) -> list[int]:
    """Return as of which of these hours a segment is silent whose neighbours have such a rhythm; None: it has none."""
    found, segment, parent = [], Watch(), Watch()
    for hour in range(first, hours.stop):
        if hour in hours and is_silent(segment, None if siblings is None else parent, hour):
            found.append(hour)
        n, others = own(hour), 0 if siblings is None else siblings(hour)
        segment.take(column([(hour, n, 0, 0)]), NO_PRIOR)
        parent.take(column([(hour, n + others, 0, 0)]), NO_PRIOR)
    return found


@pytest.mark.unmeasured
@given(st.integers(1, 5), st.integers(1, 20), st.integers(0, 200))
def test_what_is_missed_is_by_the_share_and_the_neighbours_answers_since(own: int, others: int, gap: int) -> None:
    """Nobody of m is one of a share p with the chance (1-p)^m: as of nobody when so many are expected."""
    rhythm, first, end = until(STOP, every(1, own)), STOP - 100, STOP + gap
    segment = watch(rhythm, until=end, first=first)
    found = missed(segment, watch(rhythm, every(1, others), until=end, first=first), end)
    share = own / (own + others)

    assert pytest.approx(-gap * others * log(1 - share)) == found


def test_a_segment_is_silent_once_twelve_answers_are_missed() -> None:
    """A quarter of all: 42 others have come by the end of the 14th hour."""
    assert 13 * 3 * -log(0.75) < 12 < 14 * 3 * -log(0.75)

    assert [STOP + 14, STOP + 15] == silent(until(STOP, every(1)), every(1, 3), range(STOP - 1, STOP + 16))


def test_a_gap_must_be_more_than_twice_the_longest_one() -> None:
    """It comes every 20 hours, ten at a time: after a day and a quarter twelve are missed."""
    last = (STOP - 1) // 20 * 20
    own = until(STOP, every(20, 10))

    assert missed(watch(own, until=last + 31), watch(own, every(1, 100), until=last + 31), last + 31) > 12
    assert [last + 40, last + 41] == silent(own, every(1, 100), range(last + 1, last + 42))


def test_no_segment_is_silent_when_all_are() -> None:
    """As in the night: it is the parent's silence, if it is one."""
    assert [] == silent(until(STOP, every(1)), until(STOP, every(1, 3)), range(STOP, STOP + 40 * DAY))


def test_while_few_answers_come_to_its_siblings_nothing_is_silent() -> None:
    assert [] == silent(until(STOP, every(1)), until(STOP + 13, every(1, 3)), range(STOP, STOP + 40 * DAY))


def test_the_root_is_silent_by_its_own_rhythm() -> None:
    assert pytest.approx(11) == missed(watch(until(STOP, every(1)), until=STOP + 11), None, STOP + 11)
    assert [STOP + 12, STOP + 13] == silent(until(STOP, every(1)), None, range(STOP, STOP + 14))


def test_the_roots_rhythm_is_that_of_90_days_however_long_it_has_been_known() -> None:
    """One every 36 hours, for 480 days: the twelfth is missed after 18 days."""
    last = 480 * DAY
    known = watch(every(36), until=last + 1)

    assert pytest.approx(12, rel=0.02) == missed(known, None, last + 1 + 18 * DAY)
    assert not is_silent(known, None, last + 17 * DAY)
    assert is_silent(known, None, last + 19 * DAY)


@pytest.mark.unmeasured
def test_a_share_is_one_of_the_same_90_days_however_long_a_segment_has_been_known() -> None:
    last = 480 * DAY
    own, now = until(last + 1, every(36)), last + 1 + DAY
    found = missed(watch(own, until=now), watch(own, every(1), until=now), now)

    assert pytest.approx(DAY / 36, rel=0.05) == found


@pytest.mark.parametrize(("days", "expected"), [(13, False), (14, True)])
def test_no_rhythm_is_known_before_two_weeks(days: int, *, expected: bool) -> None:
    first = STOP - 1 - days * DAY
    hour = STOP + 20

    assert expected == bool(silent(until(STOP, every(1)), every(1, 3), range(hour, hour + 1), first))
    assert expected == bool(silent(until(STOP, every(1)), None, range(hour, hour + 1), first))


@pytest.mark.parametrize(("n", "expected"), [(49, False), (50, True)])
def test_no_rhythm_is_known_before_50_answers(n: int, *, expected: bool) -> None:
    own = until(STOP - (504 - n * 10), every(10))
    last = max(hour for hour in range(MONDAY, STOP) if own(hour))
    assert n == sum(own(hour) for hour in range(MONDAY, STOP))

    assert expected == bool(silent(own, every(1, 100), range(last + 200, last + 201)))


def test_a_segment_that_is_closed_at_night_and_at_weekends_is_not_silent_then() -> None:
    start = MONDAY + 21 * DAY

    assert [] == silent(office, every(1, 2), range(start, start + 14 * DAY))
    assert [] == silent(office, None, range(start, start + 14 * DAY))


def test_it_is_silent_when_it_does_not_open_again() -> None:
    """From Friday at five to Monday at nine are 64 hours: more than twice that is on the Wednesday after."""
    friday = MONDAY + 18 * DAY + 17
    wednesday = friday + 2 * 64 + 1
    expected = list(range(wednesday, friday + 10 * DAY))

    assert expected == silent(until(friday, office), every(1, 2), range(friday, friday + 10 * DAY))


def test_what_is_nearly_all_of_its_parent_is_as_95_of_100() -> None:
    own = until(STOP, every(1, 1_000))
    found = missed(watch(own, until=STOP + 10), watch(own, every(1), until=STOP + 10), STOP + 10)

    assert pytest.approx(10 * -log(0.05)) == found


def test_a_parent_that_has_reported_less_than_its_child_is_no_error() -> None:
    """Its hours may come from another partition, which is not as far."""
    own = watch(until(STOP, every(1)), until=STOP)

    assert missed(own, Watch(), STOP + 100) == 0
    assert not is_silent(own, Watch(), STOP + 100)


def test_a_segment_of_which_nothing_is_known_is_not_silent() -> None:
    assert not is_silent(Watch(), None, STOP)
    assert not is_silent(Watch(), Watch(), STOP)
    assert missed(Watch(), None, 10) == missed(Watch(), Watch(), 10) == 0
