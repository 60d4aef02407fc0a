"""What is watched of a segment is what its hours hold, however they come; old ones become days, then nothing."""

from array import array
from itertools import pairwise

import msgspec
import pytest
from detect.hourly import Hour, column, hours, watching
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Severity
from worker.detect.days import Days
from worker.detect.drops import NO_PRIOR, Classes, Detector, Group, Prior
from worker.detect.hours import Hours, noted
from worker.detect.rhythm import LongestGaps, Rhythm, Time
from worker.detect.sizes import fall_of_level
from worker.detect.watch import KEPT, OpenIncident, Watch
from worker.nps.jump import Jump

DAY = 24
Counts = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))


def history(longest: int, most: int) -> st.SearchStrategy[list[Hour]]:
    """Return hours in order, within so many, at most so many of them."""
    by_hour = st.dictionaries(st.integers(1, longest), Counts, max_size=most)
    return by_hour.map(lambda found: [(hour, *found[hour]) for hour in sorted(found)])


#: Over half a year, and too few for anything to be merged.
HalfAYear = history(180 * DAY, 60)
Close = history(400, 60)
#: Of one day, so that no other day is there to compare it with.
Today = history(DAY - 1, 23)


def cut(reported: list[Hour], data: st.DataObject) -> list[list[Hour]]:
    """Return the messages that hours came in."""
    ends = sorted({*data.draw(st.lists(st.integers(0, len(reported)), max_size=8), label="cuts"), len(reported)})
    return [reported[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def take(watch: Watch, reported: list[Hour]) -> bool:
    return watch.take(column(reported), NO_PRIOR)


def recount(reported: list[Hour]) -> tuple[int, int, int]:
    return sum(hour[1] for hour in reported), sum(hour[2] for hour in reported), sum(hour[3] for hour in reported)


def again(watch: Watch) -> Watch:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(watch), type=Watch)


@given(Close, st.data())
def test_replays_change_nothing(reported: list[Hour], data: st.DataObject) -> None:
    expected, watch = Watch(), Watch()
    messages = cut(reported, data)
    for number, message in enumerate(messages):
        take(expected, message)
        take(watch, message)
        start = data.draw(st.integers(0, number), label="replay from")
        end = data.draw(st.integers(start, number), label="replay to")
        assert [] == [other for other in messages[start : end + 1] if take(watch, other)]

    assert expected == watch


@pytest.mark.unmeasured
@given(Close, st.data())
def test_hours_that_come_again_with_others_are_passed_over(reported: list[Hour], data: st.DataObject) -> None:
    watch, end = Watch(), 0
    while end < len(reported):
        start = data.draw(st.integers(0, end), label="reported again from")
        end = data.draw(st.integers(end + 1, len(reported)), label="until")
        assert take(watch, reported[start:end])

    assert watching(reported) == watch


@given(Close, Counts)
def test_an_hour_stays_as_it_was_reported_first(reported: list[Hour], counts: tuple[int, int, int]) -> None:
    watch = watching(reported)

    assert not take(watch, [(hour, *counts) for hour, *_ in reported])
    assert watching(reported) == watch


@pytest.mark.unmeasured
@given(Close, st.data())
def test_a_row_that_is_written_and_read_goes_on_as_it_was(reported: list[Hour], data: st.DataObject) -> None:
    watch = Watch()
    for message in cut(reported, data):
        take(watch, message)
        assert watch == again(watch)
        watch = again(watch)

    assert watching(reported) == watch


def test_everything_that_was_found_is_in_the_row() -> None:
    watch = watching([(100, 60, 20, 30), (101, 0, 0, 4)])
    watch.likeness, watch.rests_until = 120.5, 130
    watch.drop, watch.silence = (
        OpenIncident(102, 101, Severity.ERROR, ["fr", "fr/shop-3"]),
        OpenIncident(110, 101, Severity.WARNING),
    )
    watch.jump = Jump(90, 0.25, 0.75, 40, 0.5, 0.55)
    watch.detector = Detector(
        (1.0, 2.0, 3.0), (0.0, 0.0, 4.0), (1.5, 2.5, 3.5), (0.5, 0.0, 0.25), (101, 0, 7), 1, 0.25, 0.125, 102
    )
    watch.detector.days = Days(12.5, 3.25, (1.0, 1.0, 1.0, 1.0, 1.0, -2.0, -3.0), (0.5,) * 8)
    watch.detector.learning_since, watch.detector.taken_until, watch.detector.fall = 90, 101, 14.5
    watch.low_since, watch.low_until = 60, 80
    watch.rhythm = Rhythm(101, Time(400, 90), 12.5, Time(130.0, 40.5), (LongestGaps(0, 12), LongestGaps(3, 9, 7)))
    watch.hours = Hours(110, bytes(range(64)))

    assert watch == again(watch)


def test_nothing_is_new_in_a_message_without_hours() -> None:
    watch = Watch()

    assert not watch.take(b"", NO_PRIOR)
    assert Watch() == watch


@given(HalfAYear, st.integers(0, 190 * DAY))
def test_a_split_equals_a_recount_of_90_days_as_long_as_nothing_is_merged(reported: list[Hour], hour: int) -> None:
    kept = [each for each in reported if each[0] > reported[-1][0] - 90 * DAY]
    expected = recount([each for each in kept if each[0] < hour]), recount([each for each in kept if each[0] >= hour])

    assert expected == watching(reported).split(hour)


def test_a_quiet_segments_answers_are_those_of_90_days_too() -> None:
    reported = [(day * DAY, 1, 0, 0) for day in range(1, 301)]

    assert ((60, 0, 0), (30, 0, 0)) == watching(reported).split(271 * DAY)


def busy(until: int) -> Watch:
    """Return the watch over a segment with answers in every hour up to one, reported hour by hour."""
    watch = Watch()
    for hour in range(1, until + 1):
        take(watch, [every(hour)])
    return watch


def every(hour: int) -> Hour:
    return hour, hour % 3, hour % 5, hour % 7


def test_a_column_is_thinned_out_to_three_days_by_the_hour_and_the_others_by_the_day() -> None:
    by_hour = list(range(325 - 3 * DAY + 1, 326))

    assert list(range(1, 325)) == [hour for hour, *_ in hours(busy(324).recent, "I")]
    assert [*range(0, 10 * DAY + 1, DAY), *by_hour] == [hour for hour, *_ in hours(busy(325).recent, "I")]


@pytest.mark.unmeasured
@pytest.mark.parametrize("until", [325, 1_000, 90 * DAY, 100 * DAY, 120 * DAY + 7])
def test_after_thinning_the_last_three_days_are_exact_and_the_days_before_whole(until: int) -> None:
    watch = busy(until)
    for hour in (*range(until - 3 * DAY + 1, until + 2), *range(until // DAY * DAY, max(0, until - 90 * DAY), -DAY)):
        since = recount([every(each) for each in range(hour, until + 1)])
        assert since == watch.split(hour)[1]


@pytest.mark.parametrize("until", [325, 100 * DAY, 120 * DAY + 7, 200 * DAY + 23])
def test_thinned_out_it_is_three_days_by_the_hour_and_90_by_the_day(until: int) -> None:
    oldest, recent = max(0, (until - KEPT + 1) // DAY * DAY), until - 3 * DAY + 1
    expected = sorted({hour // DAY * DAY for hour in range(oldest, recent)}) + list(range(recent, until + 1))

    assert expected == [hour for hour, *_ in hours(watching(map(every, range(1, until + 1))).recent, "I")]


@pytest.mark.unmeasured
@pytest.mark.parametrize("until", [100 * DAY, 120 * DAY + 7, 200 * DAY + 23])
def test_days_that_begin_more_than_90_days_ago_are_gone(until: int) -> None:
    kept = [hour for hour in range(1, until + 1) if hour // DAY * DAY > until - 90 * DAY]

    assert ((0, 0, 0), recount([every(hour) for hour in kept])) == busy(until).split(0)


@pytest.mark.unmeasured
@pytest.mark.parametrize("until", [KEPT + 100, 2 * KEPT + 50, 2 * KEPT + 200])
def test_a_row_stays_small(until: int) -> None:
    assert len(hours(busy(until).recent, "I")) <= 2 * (3 * DAY + 90)


def test_a_segment_that_had_been_quiet_for_a_year_keeps_nothing_of_before() -> None:
    watch = busy(324)
    take(watch, [(325 + 365 * DAY, 1, 2, 3)])

    assert [(325 + 365 * DAY, 1, 2, 3)] == hours(watch.recent, "I")


@given(HalfAYear)
def test_first_and_last_are_those_of_the_hours_with_answers_which_are_counted(reported: list[Hour]) -> None:
    answered = [hour for hour, *counts in reported if sum(counts)]
    watch = watching(reported)

    assert (min(answered, default=0), max(answered, default=0)) == (watch.first_hour, watch.last_hour)
    assert (sum(recount(reported)), len(answered)) == (watch.answers, watch.answered_hours)


@given(Close, st.integers(0, 410), st.integers(0, 410))
def test_answers_are_counted_until_an_hour_and_listed_between_two(reported: list[Hour], one: int, other: int) -> None:
    """As long as nothing is merged; of an hour with two answers, all count, as one hour."""
    watch = watching(reported)
    answered = {hour: sum(counts) for hour, *counts in reported if sum(counts)}
    until = [n for hour, n in answered.items() if hour <= one]

    if one > watch.reported_until - 3 * DAY:
        assert (sum(until), len(until)) == watch.count_until(one)
    found = {each.first: each.n for each in watch.answered(min(one, other), max(one, other))}
    assert {hour: n for hour, n in answered.items() if min(one, other) < hour < max(one, other)} == found


@pytest.mark.unmeasured
def test_days_whose_hours_are_not_kept_count_as_up_to_24_hours() -> None:
    """Each of the days has 24 hours with answers, of which 22 have any."""
    watch = busy(400)
    whole = [sum(every(hour)[1:]) for hour in range(24, 48)]
    day = next(each for each in watch.answered(23, 400))

    assert (24, 47, sum(whole)) == day
    assert (sum(whole), 24) == tuple(
        later - earlier for earlier, later in zip(watch.count_until(23), watch.count_until(47), strict=True)
    )


def test_an_hour_that_corrections_emptied_is_reported_and_has_no_answer() -> None:
    watch = watching([(10, 1, 0, 0), (12, 0, 0, 0)])

    assert (12, 10, 10, 1) == (watch.reported_until, watch.first_hour, watch.last_hour, watch.answered_hours)
    assert [(10, 10, 1)] == list(watch.answered(0, 20))


@given(Today, st.sampled_from([NO_PRIOR, Prior((0.5, 0.3, 0.2), 150.0)]))
def test_the_detector_takes_each_hour_with_answers_as_a_group(reported: list[Hour], prior: Prior) -> None:
    watch, expected = Watch(), Detector()
    watch.take(column(reported), prior)
    for hour in reported:
        if sum(hour[1:]):
            expected.take(Group(*hour), prior)

    assert expected == watch.detector


# How the days differ, and what becomes of a row of the version before.

MONDAY = 4 * DAY


def weekly(until: int, n: int = 60) -> list[Hour]:
    """Return hours, one a day, whose weekends have fewer promoters and more detractors."""
    return [
        (day * DAY + 12, n - 2 * worse, n, n // 2 + 2 * worse)
        for day in range(4, until)
        for worse in [n // 8 if day % 7 in (2, 3) else 0]
    ]


def test_the_days_of_the_week_are_learned_from_what_is_kept() -> None:
    watch = watching(weekly(60, 600))

    assert pytest.approx([5.5] * 5 + [-14] * 2, abs=1) == list(watch.detector.days.offsets)
    assert pytest.approx(1_500) == watch.detector.days.usual


def test_a_week_is_no_drop_once_it_is_known() -> None:
    watch, found = Watch(), []
    for hour in weekly(150, 600):
        take(watch, [hour])
        found.append(watch.detector.has_dropped(300))

    assert not any(found)


@given(st.integers(0, 7 * DAY - 1), st.integers(1, 40))
def test_in_which_messages_the_hours_come_changes_nothing_of_what_is_learned(phase: int, size: int) -> None:
    reported, one, many = weekly(60), Watch(), Watch()
    one.take(column(reported), NO_PRIOR, phase=phase)
    for first in range(0, len(reported), size):
        many.take(column(reported[first : first + size]), NO_PRIOR, phase=phase)

    assert one == many


def daily(days: range, n: int = 200) -> list[Hour]:
    """Return hours, 24 a day, whose evenings have fewer promoters and more detractors."""
    return [
        (hour, n // 2 - worse, n // 3, n // 5 + worse)
        for hour in range(days.start * DAY, days.stop * DAY)
        for worse in [n // 16 if hour % DAY >= 15 else 0]
    ]


def profile(n: int = 200) -> tuple[float, ...]:
    """Return by how many points each block of `daily` is better than the day."""
    fall = 100 * 2 * (n // 16) / (n // 2 + n // 3 + n // 5)
    return (fall * 3 / 8,) * 5 + (-fall * 5 / 8,) * 3


@pytest.mark.parametrize("size", [1, 7, DAY, 50 * DAY])
def test_the_hours_of_the_day_are_learned_before_they_are_merged(size: int) -> None:
    reported, watch = daily(range(4, 54)), Watch()
    for first in range(0, len(reported), size):
        take(watch, reported[first : first + size])

    assert pytest.approx(profile(), abs=0.5) == watch.detector.days.blocks
    assert watch.hours.until >= 47
    whole = array("I", [number for hour in reported for number in hour])
    assert noted(Hours(), whole, 4, watch.hours.until) == watch.hours


def test_evenings_are_no_drop_once_they_are_known() -> None:
    watch, found = Watch(), []
    for hour in daily(range(4, 60), 600):
        take(watch, [hour])
        found.append(watch.detector.has_dropped(91))

    assert not any(found)


def test_a_segment_with_few_answers_keeps_nothing_about_hours() -> None:
    watch = watching([(hour, 0, 1, 0) for hour in range(4 * DAY, 54 * DAY, 2)])

    assert watch.detector.days.usual == 12
    assert (watch.hours, watch.detector.days.blocks) == (Hours(), ())


def test_a_row_without_hours_of_the_day_learns_them_from_those_that_it_has() -> None:
    """Older versions wrote rows without the last field, and the days without their last one."""
    watch = watching(daily(range(4, 40)))
    row = msgspec.msgpack.decode(msgspec.msgpack.encode(watch))
    assert row.pop() == 0  # nor the rest after a silence
    assert row.pop() == []  # nor the drops that have recovered
    assert row.pop() == [watch.hours.until, watch.hours.sums]
    of_days = next(at for at, field in enumerate(row[0]) if isinstance(field, list) and len(field) == 4)
    assert row[0][of_days].pop() == list(watch.detector.days.blocks)
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(row), type=Watch)
    assert (old.hours, old.detector.days.blocks) == (Hours(), ())

    take(old, daily(range(40, 41))[:1])

    assert pytest.approx(profile(), abs=1.5) == old.detector.days.blocks
    assert old.hours.until == 40


def old_row(r_values: Classes) -> bytes:
    """Return a row as version 0.2.0 wrote it: 3,000 answers in 30 days, and R as a number of answers."""
    recent = b"".join(number.to_bytes(4, "little") for day in range(100, 130) for number in (day * DAY, 50, 30, 20))
    detector = [
        [1500.0, 900.0, 600.0],
        [0.0, 0.0, 3.0],
        list(r_values),
        [0.5, 0.0, 0.0],
        [3_000, 0, 0],
        None,
        0.0,
        0.0,
        0,
    ]
    return msgspec.msgpack.encode([detector, 130 * DAY - 1, 100 * DAY, 129 * DAY, 23, recent, 0.0, None, None, 0, None])


def test_a_row_of_the_version_before_goes_on_with_r_in_days() -> None:
    watch = msgspec.msgpack.decode(old_row((200.0, 400.0, 100.0)), type=Watch)
    take(watch, [(130 * DAY, 0, 1, 0)])

    assert watch.detector.is_learned(NO_PRIOR)
    assert pytest.approx((2, 4, 1), abs=0.3) == watch.detector.r_values
    assert not watch.detector.has_dropped(91)
    assert watch == again(watch)


def test_the_level_before_a_rise_is_found_but_not_without_a_rise() -> None:
    risen, level = Watch(), Watch()
    for day in range(4, 104):
        high = 20 if 60 <= day < 90 else 0
        low = 20 if day >= 90 else 0
        take(risen, [(day * DAY, 50 + high, 30, 40 - high)])
        take(level, [(day * DAY, 50 - low, 30, 40 + low)])
    assert risen.detector.likely_start // DAY in (90, 91)

    found = risen.level_before_rise()
    assert found is not None
    assert pytest.approx(100 / 12, abs=0.1) == found.points
    assert level.detector.likely_start // DAY in (90, 91)
    assert level.level_before_rise() is None


def test_weeks_in_which_a_drop_was_open_are_no_level_to_return_to() -> None:
    watch = Watch()
    for day in range(4, 104):
        low = 20 if 20 <= day < 60 or day >= 90 else 0
        take(watch, [(day * DAY, 60 - low, 30, 10 + low)])
        if day == 60:
            watch.end_drop(20 * DAY, 60 * DAY, recovered=True)
    assert watch.detector.likely_start // DAY in (90, 91)

    assert watch.level_before_rise() is None
    watch.low_since = watch.low_until = 0
    assert watch.level_before_rise() is not None


def fallen(*days: tuple[int, int]) -> Watch:
    """Return a watch with a drop that was opened on day 60; `days`: until which day how many points are missing."""
    watch, day = Watch(), 4
    for until, points in ((60, 0), *days):
        for each in range(day, until):
            take(watch, [(each * DAY, 50 - points // 2, 30, 20 + points // 2)])
        day = until
        if watch.detector.open_size is None:
            watch.detector.open_drop(hour=60 * DAY)
    return watch


def points_of(classes: Classes) -> float:
    return 100 * (classes[0] - classes[2]) / sum(classes)


def test_a_level_that_is_new_is_that_of_the_last_four_weeks() -> None:
    """Of two drops one after the other, it is the level after the second one, and no mixture of both."""
    watch = fallen((80, 16), (120, 32))
    watch.end_drop(60 * DAY, 120 * DAY, recovered=False)

    assert pytest.approx(-2) == points_of(watch.detector.baseline)
    assert watch.detector.open_size is None


def test_with_few_answers_it_is_that_of_all_answers_since_the_drop() -> None:
    watch = Watch()
    for day in range(4, 60):
        take(watch, [(day * DAY, 4, 0, 1)])
    watch.detector.open_drop(hour=60 * DAY)
    for day in range(60, 120):
        take(watch, [(day * DAY, 1, 0, 2)])
    watch.end_drop(60 * DAY, 120 * DAY, recovered=False)

    assert (60, 0, 120) == watch.detector.baseline


def test_a_segment_that_had_no_drop_of_its_own_keeps_a_baseline_that_is_known() -> None:
    """If the segment above has a new level, what its other segments learn it from is more than the last few answers."""
    watch = fallen((120, 0))
    watch.detector.restart()
    take(watch, [(120 * DAY, 0, 0, 5)])
    watch.end_drop(60 * DAY, 120 * DAY + 1, recovered=False)

    assert sum(watch.detector.baseline) > 1_000


@pytest.mark.parametrize("until", [200, 324, 325, 350, 400])
def test_an_hour_at_midnight_is_no_day_as_long_as_its_day_is_kept_by_the_hour(until: int) -> None:
    """A column is thinned out when it is long, and not when its hours are three days old."""
    watch = busy(until)
    answered = [hour for hour in range(1, until + 1) if sum(every(hour)[1:])]
    covered = [hour for each in watch.answered(-1, until + 1) for hour in range(each.first, each.last + 1)]
    counted = [watch.count_until(hour) for hour in range(until + 1)]

    assert len(covered) == len(set(covered))
    assert set(answered) <= set(covered)
    assert (sum(sum(every(hour)[1:]) for hour in answered), len(answered)) == counted[-1]
    assert all(0 <= later[1] - earlier[1] <= 24 for earlier, later in pairwise(counted))
    if until < 325:
        assert [(hour, hour) for hour in answered] == [
            (each.first, each.last) for each in watch.answered(-1, until + 1)
        ]


def test_in_a_row_of_the_version_before_midnights_older_than_three_days_are_days() -> None:
    watch = msgspec.msgpack.decode(old_row((0.0, 0.0, 0.0)), type=Watch)

    assert (100 * DAY, 101 * DAY - 1, 100) == next(watch.answered(0, 130 * DAY))
    assert 23 == len([each for each in watch.answered(100 * DAY, 124 * DAY) if each.last - each.first == 23])


def test_what_was_answered_during_a_drop_that_has_recovered_is_left_out_of_the_usual_answers() -> None:
    found = Watch()
    found.take(column((hour, 1, 0, 0) for hour in range(100, 200)), NO_PRIOR)
    found.end_drop(120, 150, recovered=True)
    found.end_drop(140, 180, recovered=True)

    assert ((120, 150), (150, 180)) == found.recovered
    assert [*range(160, 200)] == [group.hour for group in found.usual_groups()]
    assert 40 == sum(sum(group.classes) for group in found.usual_groups())
    found.end_drop(100, 150 + 91 * 24, recovered=True)
    assert ((180, 150 + 91 * 24),) == found.recovered[-1:]
    found.end_drop(150, 200, recovered=False)
    assert found.groups() == found.usual_groups()


def test_the_size_of_a_drop_knows_the_hours_of_the_day_and_the_days_of_the_week() -> None:
    """Evenings are 24 points worse than mornings, and nothing else has changed when an evening is over."""
    found = Watch()
    morning, evening = (500, 300, 200), (380, 300, 320)
    answers = [(24 * day + hour, *counts) for day in range(40) for hour, counts in ((9, morning), (20, evening))]
    found.take(column(answers), NO_PRIOR)
    blocks = tuple(12.0 if block < 6 else -12.0 for block in range(8))
    found.detector.days = Days(usual=200.0, offsets=(0.0,) * 7, blocks=blocks)
    known, unknown = found.fall(), fall_of_level(found.groups())
    found.detector.days = Days(usual=200.0, offsets=(0.0,) * 7)
    assert known is not None
    assert unknown is not None

    assert unknown == found.fall()
    assert unknown.points < known.points - 3


def test_the_size_of_a_drop_takes_a_day_whose_hours_are_not_kept_as_a_whole() -> None:
    found = Watch()
    found.take(column((24 * day, 50, 30 - day, 20 + day) for day in range(30)), NO_PRIOR)
    found.by_day_until = found.reported_until + 23
    size = found.fall()
    found.detector.days = Days(blocks=(40.0, *[-40 / 7] * 7))
    assert size is not None

    assert size == found.fall()
    found.detector.days = Days(offsets=(20.0, *[-20 / 6] * 6))
    assert size != found.fall()


def test_a_second_drop_is_as_large_as_it_is_soon_after_one_that_has_recovered() -> None:
    """It began 20 days after the first one had ended; both were of 20 points."""
    found = Watch()
    for days, counts in ((40, (50, 30, 20)), (10, (40, 30, 30)), (20, (50, 30, 20)), (5, (40, 30, 30))):
        first = found.reported_until + 1
        found.take(column((first + 24 * day, *counts) for day in range(days)), NO_PRIOR)
        found.reported_until = first + 24 * days - 1
    found.end_drop(40 * 24, 50 * 24, recovered=True)
    with_all, usual = fall_of_level(found.groups()), fall_of_level(found.usual_groups())
    assert with_all is not None
    assert usual is not None

    assert -17.5 < with_all.points
    assert pytest.approx(-20, abs=1.5) == usual.points
