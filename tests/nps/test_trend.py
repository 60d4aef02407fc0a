"""The trend says what the weeks show, seldom says what they do not show, and does not waver."""

from itertools import pairwise
from math import sqrt

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from worker.nps.buckets import Buckets, MutableBuckets
from worker.nps.histogram import BINS
from worker.nps.latest import PlainAnswer
from worker.nps.smoothed import Days, by_week, smoothed
from worker.nps.spans import Spans
from worker.nps.trend import _FEWEST_WEEKS, WEEKS, Direction, Trend, Weeks, _student, trend
from worker.nps.windows import DAY

#: A Monday, in days since 1970.
MONDAY = 20_003
Counts = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
Histories = st.lists(Counts, min_size=1, max_size=WEEKS)


def weeks(history: list[tuple[int, int, int]]) -> Weeks:
    """Return weeks; `history`: the promoters, passives and detractors of each, the latest week first."""
    return Weeks([sum(week) for week in history], [week[0] for week in history], [week[2] for week in history])


def along(levels: list[float], rate: int = 1_000) -> list[tuple[int, int, int]]:
    """Return weeks without chance; `levels`: the NPS of each, the latest week first; `rate`: answers a week."""
    return [(round(rate * (0.35 + nps / 200)), rate * 3 // 10, round(rate * (0.35 - nps / 200))) for nps in levels]


def said(history: list[tuple[int, int, int]]) -> Trend:
    found = trend(weeks(history))
    assert found is not None
    return found


def drawn(
    rate: float,
    days: int,
    slope: float = 0.0,
    day_effect: float = 0.0,
    cycle: tuple[float, ...] = (0.0,),
    seed: int = 1,
) -> list[Direction]:
    """Draw days; return the word at the end of each of the last weeks, of which the first sees a year.

    `rate`: answers a day; `slope`: points per 30 days; `day_effect`: the standard deviation of days, in points.
    """
    chance = np.random.default_rng(seed)
    time = np.arange(days)
    level = 30 + slope * (time - days / 2) / 30 + np.resize(cycle, days) + day_effect * chance.standard_normal(days)
    half = np.clip(level, -60, 60) / 200
    n = chance.poisson(rate, days)
    promoters = chance.binomial(n, 0.35 + half)
    detractors = chance.binomial(n - promoters, (0.35 - half) / (0.65 - half))
    by_weeks = [
        [int(total) for total in of_class.reshape(-1, 7).sum(1)[::-1]] for of_class in (n, promoters, detractors)
    ]
    found = (trend(Weeks(*(of_class[ago : ago + WEEKS] for of_class in by_weeks))) for ago in range(days // 7 - WEEKS))
    return [Direction.UNCLEAR if one is None else one.direction for one in found]


@given(Histories)
def test_the_change_is_the_slope_of_the_weighted_line(history: list[tuple[int, int, int]]) -> None:
    """Up to 180 answers a week in at most 13 weeks: the line goes through all of them. The oracle is numpy."""
    history = history[:13]
    found = trend(weeks(history))
    n = np.array([sum(week) for week in history], float)
    if (n > 0).sum() < _FEWEST_WEEKS or n.sum() < 30:
        assert found is None
        return
    assert found is not None
    means = np.array([week[0] - week[2] for week in history]) / np.maximum(n, 1)
    slope, latest = np.polyfit(-np.arange(len(n)), means, 1, w=np.sqrt(n))
    residuals = np.sqrt(n) * (means - latest + slope * np.arange(len(n)))
    p, d = ((sum(week[kind] for week in history) + 0.75) / (n.sum() + 3) for kind in (0, 2))
    variance = p + d - (p - d) ** 2
    freedom = int((n > 0).sum()) - 2
    squares = float((residuals**2).sum())
    correlation = float((residuals[1:] * residuals[:-1]).sum()) / squares if squares > 1e-9 else 0.0
    scatter = max(1.0, (1 + 2 * min(max(correlation, 0.0), 0.45)) * squares / variance / freedom)
    middle = -(n * np.arange(len(n))).sum() / n.sum()
    error = sqrt(scatter * variance / float((n * (-np.arange(len(n)) - middle) ** 2).sum()))
    half = 3_000 / 7 * error * float(stats.t.ppf(0.975, freedom))

    assert pytest.approx(3_000 / 7 * slope, abs=1e-6) == found.change
    assert pytest.approx(half, rel=0.011) == found.high - found.change
    assert pytest.approx(found.change - found.low) == found.high - found.change


@pytest.mark.parametrize("freedom", [3, 4, 5, 8, 11, 24, 50])
@pytest.mark.parametrize("probability", [0.975, 0.985])
def test_the_quantile_is_students(probability: float, freedom: int) -> None:
    assert pytest.approx(float(stats.t.ppf(probability, freedom)), rel=0.011) == _student(probability, freedom)


def test_the_line_goes_through_a_quarter_or_more_until_it_is_sure_to_a_point() -> None:
    """What lies before the weeks of the line does not count for the slope."""
    busy = along([30.0] * 13 + [90.0] * 39, 7_000)
    quiet = along([30.0] * 13 + [90.0] * 39, 70)

    assert said(busy).change == 0
    assert said(quiet).change < -5


@pytest.mark.parametrize(
    ("per_week", "direction"),
    [(1.2, Direction.RISING), (-1.2, Direction.FALLING), (0.05, Direction.STEADY), (0.0, Direction.STEADY)],
)
def test_many_answers_say_where_it_goes(per_week: float, direction: Direction) -> None:
    assert said(along([20 - per_week * week for week in range(26)])).direction is direction


def test_few_answers_do_not_say_steady() -> None:
    assert said([(2, 2, 1)] * 20).direction is Direction.UNCLEAR


@pytest.mark.parametrize("history", [[(500, 0, 0)] * 4, [(5, 0, 0)] * 5, [(0, 0, 0)] * 52, []], ids=len)
def test_of_few_weeks_or_answers_there_is_none(history: list[tuple[int, int, int]]) -> None:
    assert trend(weeks(history)) is None


def test_a_word_stays_until_the_evidence_is_gone() -> None:
    """A fall that begins must be larger until it is said than a fall that has ended while it still is."""
    begins = [said(along([-1.5 * max(0, since - week) for week in range(52)], 400)) for since in range(30)]
    ends = [said(along([1.5 * max(0, week - since) for week in range(52)], 400)) for since in range(30)]

    first = next(found for found in begins if found.direction is Direction.FALLING)
    last = next(one for one, other in pairwise(ends) if other.direction is not Direction.FALLING)

    assert first.high < 0
    assert last.direction is Direction.FALLING
    assert last.high > 0
    assert first.change < last.change < 0


def test_a_fall_that_has_ended_is_not_said_for_ever() -> None:
    words = [said(along([0.0] * since + [1.2 * week for week in range(40)])).direction for since in range(15)]

    assert words[0] is Direction.FALLING
    assert words[13] is Direction.STEADY
    assert sum(one is not other for one, other in pairwise(words)) == 1


@pytest.mark.unmeasured
@pytest.mark.parametrize("rate", [10, 50, 500])
def test_minus_five_a_month_is_falling(rate: int) -> None:
    words = [drawn(rate, 364 + 7, -5.0, seed=seed)[0] for seed in range(60)]

    assert words.count(Direction.FALLING) >= 0.9 * len(words)


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("rate", "day_effect", "cycle"),
    [
        (2, 0, (0.0,)),
        (10, 0, (0.0,)),
        (50, 6, (0.0,)),
        (500, 0, (2.0, 2.0, 2.0, 2.0, 2.0, -5.0, -5.0)),
        (500, 6, (0.0,)),
        (5_000, 3, (0.0,)),
    ],
)
def test_without_a_change_it_is_seldom_said_to_fall_or_rise(
    rate: int, day_effect: float, cycle: tuple[float, ...]
) -> None:
    years = [drawn(rate, 2 * 364, 0.0, day_effect, cycle, seed) for seed in range(30)]
    words = [word for year in years for word in year]
    began = sum(
        one is not other and one in {Direction.FALLING, Direction.RISING}
        for year in years
        for one, other in pairwise(year)
    )

    assert words.count(Direction.FALLING) <= 0.05 * len(words)
    assert words.count(Direction.RISING) <= 0.05 * len(words)
    assert began <= len(years)
    assert words.count(Direction.STEADY) > len(words) / 2


def of_days(history: dict[int, tuple[int, int, int]], today: int) -> Spans:
    """Return the windows of a segment that had promoters, passives and detractors on days of these ages."""
    opened = MutableBuckets(Buckets())
    for age, (promoters, passives, detractors) in sorted(history.items(), reverse=True):
        first = (today - age) * BINS
        opened.add({first + 10: promoters, first + 7: passives, first: detractors})
    return Spans(until=today * DAY, buckets={DAY: opened.frozen()})


@pytest.mark.parametrize("weekday", range(7))
def test_weeks_begin_on_monday_and_the_current_one_does_not_count(weekday: int) -> None:
    today = MONDAY + weekday
    full = dict.fromkeys(range(weekday + 1, weekday + 8 * 7 + 1), (5, 3, 2))
    with_current = {**full, **dict.fromkeys(range(weekday + 1), (0, 0, 900))}

    assert of_days(full, today).indicator() is not None
    expected = trend(weeks([(35, 21, 14)] * 8))
    found = of_days(with_current, today).indicator()
    assert found is not None
    assert expected == found.trend


def test_the_days_at_hand_say_the_same_as_the_row() -> None:
    history = {age: (5 + age // 20, 3, 2) for age in range(300)}
    spans = of_days(history, MONDAY + 3)
    days = Days(list(reversed(history)), *(list(reversed([c[kind] for c in history.values()])) for kind in range(3)))

    found = spans.indicator()
    assert found is not None
    assert found.smoothed == smoothed(days, 7)
    assert found.trend == trend(by_week(days, 4))
    assert by_week(days, 4).n[0] == 70


Answers = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 10)), min_size=40, max_size=120)


@given(Answers, st.randoms(use_true_random=False), st.data())
def test_it_does_not_depend_on_when_answers_and_corrections_arrive(
    drawn_answers: list[tuple[int, int]], chance: object, data: st.DataObject
) -> None:
    answers: list[PlainAnswer] = [
        ((MONDAY + day) * DAY, place, score) for place, (day, score) in enumerate(drawn_answers)
    ]
    wrong = [(at, place, 10 - score) for at, place, score in answers[:20]]
    in_order, by_and_by = Spans(), Spans()
    in_order.change(answers, [])
    for answer in data.draw(st.permutations(wrong + answers[20:])):
        by_and_by.change([answer], [])
    for new, old in zip(answers[:20], wrong, strict=True):
        by_and_by.change([new], [old])

    assert in_order == by_and_by
    assert in_order.indicator() == by_and_by.indicator() == Spans(in_order.until, in_order.buckets).indicator()


def test_a_tick_after_the_end_of_a_week_brings_the_week_in() -> None:
    spans = Spans()
    spans.change([((MONDAY + day) * DAY, place, 10) for day in range(35) for place in range(3)], [])
    before = spans.trend
    assert (MONDAY + 35) * 24 in spans.changes()

    spans.tick((MONDAY + 35) * DAY)

    assert before is None
    assert spans.trend is not None
    assert (MONDAY + 42) * 24 in spans.changes()


def test_a_row_of_a_version_that_did_not_keep_the_trend_is_read_and_gets_it_with_the_next_answer() -> None:
    spans = Spans()
    spans.change([((MONDAY + day) * DAY, place, 10) for day in range(50) for place in range(3)], [])
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(spans), strict=False)
    assert len(fields) == 6
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(fields[:4]), type=Spans)

    assert (old.trend_week, old.trend) == (0, None)
    assert spans.indicator() == old.indicator()
    later: PlainAnswer = ((MONDAY + 49) * DAY, 9, 10)
    spans.change([later], [])
    old.change([later], [])
    assert spans == old
