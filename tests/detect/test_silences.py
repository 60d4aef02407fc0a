"""A segment is silent when its neighbours go on and it does not, for far longer than usual."""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from math import log

import msgspec
import pytest
from detect.hourly import column
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, lomax

from schemas.alert import Severity
from worker.detect.drops import NO_PRIOR
from worker.detect.rhythm import Rhythm
from worker.detect.silences import is_silent, missed, noted
from worker.detect.watch import OpenIncident, Watch

DAY = 24
WEEK = 7 * DAY
#: 1970-03-02 was a Monday.
MONDAY = 60 * DAY
#: When a segment's last answers come, seven weeks after its first; a Monday.
STOP = MONDAY + 7 * WEEK

#: How many answers come in an hour.
Rate = Callable[[int], int]


class Pair:
    """A segment and its parent, which has the answers of the segment's neighbours as well. They live hour by hour."""

    def __init__(self, own: Rate, others: Rate | None, first: int = MONDAY) -> None:
        self.own, self.others, self.hour = own, others, first
        self.segment, self.parent = Watch(), Watch()
        self.counts: dict[int, tuple[int, int]] = {}

    def live(self, until: int, every: int = 12) -> "Pair":
        """Live until an hour. `every`: how many hours are reported and looked at at once."""
        while self.hour < until:
            hours = range(self.hour, min(self.hour + every, until))
            self.hour = hours.stop
            for hour in hours:
                self.counts[hour] = self.own(hour), 0 if self.others is None else self.others(hour)
            self.segment.take(column((hour, self.counts[hour][0], 0, 0) for hour in hours), NO_PRIOR)
            self.parent.take(column((hour, sum(self.counts[hour]), 0, 0) for hour in hours), NO_PRIOR)
            self.segment.rhythm = noted(self.segment, self.above, self.hour)
        return self

    @property
    def above(self) -> Watch | None:
        return None if self.others is None else self.parent

    @property
    def is_silent(self) -> bool:
        return is_silent(self.segment, self.above, self.hour)

    def silent(self, until: int) -> list[int]:
        """Return as of which hours the segment is silent."""
        return [self.hour for hour in range(self.hour + 1, until + 1) if self.live(hour).is_silent]

    def first_silent(self, until: int) -> int:
        return next(hour for hour in range(self.hour + 1, until) if self.live(hour).is_silent)

    def report(self) -> None:
        """Note that a silence is reported."""
        self.segment.silence = OpenIncident(self.hour, self.segment.last_hour, Severity.ERROR)


def every(hours: int, n: int = 1) -> Rate:
    return lambda hour: 0 if hour % hours else n


def until(end: int, rate: Rate) -> Rate:
    return lambda hour: rate(hour) if hour < end else 0


def without(hours: range, rate: Rate) -> Rate:
    return lambda hour: 0 if hour in hours else rate(hour)


def office(hour: int) -> int:
    """Return an answer in each hour from nine to five, Mondays to Fridays."""
    return int((hour - MONDAY) % WEEK < 5 * DAY and 9 <= hour % DAY < 17)


class Recount:
    """What is known of a segment, recounted from the answers of each hour: the segment's own, and those of others."""

    def __init__(self, counts: dict[int, tuple[int, int]], *, root: bool) -> None:
        answered = [hour for hour, (own, _) in counts.items() if own]
        last = answered[-1]
        self.own = self.others = self.hours = 0.0
        gaps = [0, 0]
        for earlier, hour in pairwise(answered):
            weight = 0.5 ** ((last - hour) / (30 * DAY))
            between = [counts[each] for each in range(earlier + 1, hour)]
            open_hours = len(between) if root else len([others for _, others in between if others])
            self.own += weight * counts[hour][0]
            self.others += weight * (sum(others for _, others in between) + counts[hour][1])
            self.hours += weight * (open_hours + 1)
            gaps.append(open_hours)
        since = [counts[hour][1] for hour in counts if hour > last]
        self.usual = sorted(gaps)[-2]
        self.more, self.gap = sum(since), len(since) if root else len([others for others in since if others])
        self.root = root

    @property
    def missed(self) -> float:
        return self.own * (self.gap / self.hours if self.root else self.more / self.others)

    @property
    def is_silent(self) -> bool:
        chance = lomax(self.own, scale=self.hours).sf(self.gap)
        if not self.root:
            chance = max(chance, betabinom(self.more, self.own, self.others).pmf(0))
        gaps_a_year = min(self.own * 365.25 / (30 / log(2)), 365.25 * DAY)
        return bool(self.gap > 2 * self.usual and chance * gaps_a_year <= 0.02)


Counts = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=40)


@pytest.mark.unmeasured
@given(Counts, st.integers(0, 30), st.booleans(), st.integers(1, 9))
def test_what_is_missed_is_what_a_recount_finds(
    found: list[tuple[int, int]], gap: int, root: bool, at_once: int
) -> None:
    """It is the segment's share or rate in the past, times what has passed since, however many hours come at once."""
    found = [(1, 1), *found, (1, 1), *[(0, others) for _, others in found[:gap]]]
    pair = Pair(
        lambda hour: found[hour - MONDAY][0] if hour < MONDAY + len(found) else 0,
        None if root else lambda hour: found[hour - MONDAY][1] if hour < MONDAY + len(found) else 0,
    ).live(MONDAY + len(found), at_once)
    recount = Recount(pair.counts, root=root)
    if root or (recount.others > 1 and recount.own < 19 * recount.others):
        assert pytest.approx(recount.missed) == missed(pair.segment, pair.above, pair.hour)


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("own", [every(1), every(5), every(30, 2), every(DAY, 40)])
def test_a_segment_is_silent_from_the_hour_that_a_recount_finds(own: Rate, root: bool) -> None:
    pair = Pair(until(STOP, own), None if root else every(2, 3)).live(STOP)
    first = pair.first_silent(STOP + 60 * DAY)
    recounts = [
        Recount({hour: n for hour, n in pair.counts.items() if hour < until}, root=root) for until in (first - 1, first)
    ]

    assert [False, True] == [recount.is_silent for recount in recounts]


def test_a_closure_of_everything_makes_no_stop_later_to_be_found() -> None:
    """The hours that everything is closed for are no time at all to a segment with neighbours."""

    def delay(days: int) -> int:
        stop = STOP + 14 * DAY
        closed = range(STOP - days * DAY, STOP)
        pair = Pair(without(closed, until(stop, every(3))), without(closed, every(1, 4))).live(stop)
        return pair.first_silent(stop + 60 * DAY) - stop

    alone = delay(0)
    assert all(alone / 1.3 <= delay(days) <= 1.3 * alone for days in (3, 21))


def test_a_closure_of_the_root_that_was_reported_makes_no_stop_later_to_be_found() -> None:
    closed, stop = range(STOP, STOP + 21 * DAY), STOP + 28 * DAY
    expected = Pair(until(STOP, office), None).live(STOP).first_silent(closed.stop) - STOP
    pair = Pair(without(closed, until(stop, office)), None).live(STOP)

    assert STOP + expected == pair.first_silent(closed.stop)
    pair.report()
    pair.live(stop)
    assert max(gaps.longest for gaps in pair.segment.rhythm.gaps) == 64
    assert stop + expected == pair.first_silent(stop + 60 * DAY)


def test_one_gap_is_no_rhythm_but_two_are() -> None:
    """Within 90 days; a segment that has been known for less than three times as long may have just this rhythm."""

    def delay(*closed: range, first: int = MONDAY) -> int:
        def own(hour: int) -> int:
            return 0 if hour >= STOP or any(hour in each for each in closed) else 1

        return Pair(own, every(1, 9), first).live(STOP).first_silent(STOP + 60 * DAY) - STOP

    usual = delay()
    week, before = range(STOP - 8 * DAY, STOP - DAY), range(STOP - 20 * DAY, STOP - 13 * DAY)
    assert usual <= delay(week) <= 1.3 * usual
    assert 14 * DAY + 1 == delay(week, before)
    assert 14 * DAY + 1 == delay(week, first=STOP - 20 * DAY)
    assert delay(week, first=STOP - 23 * DAY) <= 2 * usual


def test_gaps_are_forgotten_after_120_days() -> None:
    twice = [range(STOP - 8 * DAY, STOP - DAY), range(STOP - 20 * DAY, STOP - 13 * DAY)]
    rhythms = [
        Pair(lambda hour: int(not any(hour in each for each in twice)), every(1, 9)).live(STOP + days * DAY, DAY)
        for days in (80, 121)
    ]

    assert [7 * DAY, 0] == [pair.segment.rhythm.usual_gap(pair.hour, pair.hour - MONDAY) for pair in rhythms]


def test_of_a_history_that_is_taken_in_at_once_the_rhythm_is_the_same() -> None:
    at_once, by_hour = (Pair(office, every(3, 4)).live(MONDAY + 24 * 13, each) for each in (24 * 13, 1))
    rhythms = [pair.segment.rhythm for pair in (at_once, by_hour)]
    shares = [rhythm.answers / rhythm.time.others for rhythm in rhythms]
    rates = [rhythm.answers / rhythm.time.hours for rhythm in rhythms]

    assert pytest.approx(shares[1], rel=0.03) == shares[0]
    assert pytest.approx(rates[1], rel=0.03) == rates[0]


def test_no_segment_is_silent_when_all_are() -> None:
    """As in the night: it is the parent's silence, if it is one."""
    assert [] == Pair(until(STOP, every(1)), until(STOP, every(1, 3))).live(STOP).silent(STOP + 40 * DAY)


def test_a_large_survey_of_a_neighbour_makes_no_silence() -> None:
    """An answer comes every eight hours; two are missing, after 5,000 came to a neighbour in one hour."""

    def others(hour: int) -> int:
        return 5_000 if hour == STOP + 1 else 2

    own = without(range(STOP + 1, STOP + DAY), every(8))
    assert [] == Pair(own, others).live(STOP).silent(STOP + 7 * DAY)


@pytest.mark.parametrize("others", [every(1, 2), None], ids=["a segment", "the root"])
def test_what_is_closed_at_night_and_at_weekends_is_not_silent_then(others: Rate | None) -> None:
    assert [] == Pair(office, others).live(MONDAY + 3 * WEEK).silent(MONDAY + 5 * WEEK)


@pytest.mark.parametrize("days", [7, 30])
def test_a_survey_that_is_sent_once_a_week_or_month_is_never_silent(days: int) -> None:
    def survey(hour: int) -> int:
        return 40 if (hour - MONDAY) % (days * DAY) < 5 else 0

    assert [] == Pair(survey, every(1, 3)).silent(MONDAY + 130 * DAY)


def test_it_is_silent_when_it_does_not_open_again() -> None:
    """From Friday at five to Monday at nine are 64 hours: more than twice that is on the Wednesday after."""
    friday = MONDAY + 6 * WEEK + 4 * DAY + 17
    wednesday = friday + 2 * 64 + 1

    assert [wednesday] == Pair(until(friday, office), every(1, 2)).live(friday).silent(wednesday)


@pytest.mark.parametrize(("n", "expected"), [(6, False), (12, True), (20, True)])
def test_what_has_few_answers_is_watched_slowly(n: int, *, expected: bool) -> None:
    """With six answers in seven weeks, a segment would be forgotten before its silence could be found."""
    found = Pair(until(STOP, every(7 * WEEK // n)), every(1, 5)).live(STOP).silent(STOP + 90 * DAY)

    assert expected == bool(found)
    assert not found or found[0] > STOP + 25 * DAY


@pytest.mark.parametrize(("days", "expected"), [(13, False), (14, True)])
@pytest.mark.parametrize("others", [every(1, 3), None], ids=["a segment", "the root"])
def test_no_rhythm_is_known_before_two_weeks(days: int, others: Rate | None, *, expected: bool) -> None:
    pair = Pair(until(STOP, every(1)), others, STOP - 1 - days * DAY)

    assert expected == pair.live(STOP + 2 * DAY).is_silent


def test_what_is_nearly_all_of_its_parent_is_as_95_of_100() -> None:
    """Otherwise the first answers of a new neighbour would make it silent."""
    pair = Pair(until(STOP, every(1, 100)), until(STOP + 2, lambda hour: int(hour >= STOP))).live(STOP + 2)

    assert pytest.approx(2 * 19) == missed(pair.segment, pair.parent, pair.hour)
    assert not pair.is_silent


@pytest.mark.parametrize("ahead", [1, 20, 40])
def test_a_parent_that_has_reported_more_than_is_judged_changes_nothing(ahead: int) -> None:
    """Its hours may come from another partition, which is further."""
    pair = Pair(until(STOP, every(7)), every(3, 2)).live(STOP - DAY)
    before = pair.segment.rhythm
    pair.live(STOP + 3)
    further = deepcopy(pair.parent)
    further.take(column((hour, 4, 0, 0) for hour in range(pair.hour, pair.hour + ahead)), NO_PRIOR)

    assert missed(pair.segment, pair.parent, pair.hour) == missed(pair.segment, further, pair.hour)
    expected, pair.segment.rhythm = pair.segment.rhythm, before
    assert expected == noted(pair.segment, further, pair.hour) == noted(pair.segment, pair.parent, pair.hour)


def test_answers_of_the_hour_that_is_judged_are_not_taken_in_yet() -> None:
    pair = Pair(every(1), every(1)).live(STOP)

    assert noted(pair.segment, pair.parent, STOP - 1) is pair.segment.rhythm
    fresh = Watch()
    fresh.take(column((hour, 1, 0, 0) for hour in range(STOP - 10, STOP)), NO_PRIOR)
    assert STOP - 6 == noted(fresh, pair.parent, STOP - 5).hour


def test_a_parent_that_has_reported_less_than_its_child_is_no_error() -> None:
    pair = Pair(until(STOP, every(1)), every(1, 3)).live(STOP)

    assert missed(pair.segment, Watch(), STOP + 100) == 0
    assert not is_silent(pair.segment, Watch(), STOP + 100)


def test_a_segment_of_which_nothing_is_known_is_not_silent() -> None:
    assert not is_silent(Watch(), None, STOP)
    assert not is_silent(Watch(), Watch(), STOP)
    assert missed(Watch(), None, 10) == missed(Watch(), Watch(), 10) == 0


def row_of_the_version_before(watch: Watch) -> Watch:
    """Return a watch as it is read from a row of a version that did not know rhythms."""
    fields: list[object] = msgspec.msgpack.decode(msgspec.msgpack.encode(watch))
    first_new = Watch.__struct_fields__.index("answers")
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(fields[:first_new]), type=Watch)
    assert (old.answers, old.answered_hours, old.rhythm) == (0, 0, Rhythm())
    return old


def test_a_row_of_the_version_before_learns_the_rhythm_from_the_answers_that_it_has() -> None:
    """Those of older days are kept by the day, so what is found is about the same."""

    def delay(*, upgraded: bool) -> int:
        pair = Pair(until(STOP, every(6)), every(1, 2)).live(STOP - 5 * DAY)
        if upgraded:
            pair.segment = row_of_the_version_before(pair.segment)
            pair.parent = row_of_the_version_before(pair.parent)
        return pair.live(STOP).first_silent(STOP + 30 * DAY) - STOP

    assert delay(upgraded=False) <= 1.2 * delay(upgraded=True) <= 1.5 * delay(upgraded=False)


def test_a_row_stays_small() -> None:
    """At most two gaps of each of four periods are kept."""

    def own(hour: int) -> int:
        return int(hour % 97 in {0, 5, 21})

    pair = Pair(own, every(1, 3)).live(MONDAY + 400 * DAY, DAY)

    assert len(pair.segment.rhythm.gaps) == 4
    assert len(msgspec.msgpack.encode(pair.segment.rhythm)) <= 90


def test_a_segment_that_has_fewer_answers_than_before_is_soon_not_silent_any_more() -> None:
    """It goes from 20 answers an hour to one answer in some hours. Each reported silence ends with an answer."""
    gaps = [2, 5, 1, 7, 3, 9, 4, 1, 6, 2]
    answered = {STOP + sum((gaps * 12)[:number]) for number in range(120)}
    pair = Pair(lambda hour: 20 if hour < STOP else int(hour in answered), None).live(STOP)
    reported = 0
    for hour in range(STOP + 1, STOP + 20 * DAY):
        if pair.segment.silence is not None and pair.segment.last_hour != pair.segment.silence.since:
            pair.segment.silence = None
        pair.live(hour)
        if pair.segment.silence is None and pair.is_silent:
            pair.report()
            reported += 1

    assert 1 <= reported <= 6
