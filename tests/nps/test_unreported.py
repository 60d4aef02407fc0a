"""Every answer is reported once, by the hour and in order, unless it comes far too late."""

from collections import Counter

import msgspec
import pytest
from detect.hourly import Hour, hours
from hypothesis import example, given
from hypothesis import strategies as st

from worker.nps.buckets import Cells
from worker.nps.unreported import UnreportedHours

#: An hour and a score.
Answer = tuple[int, int]
Answers = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 10)), max_size=20)
Batches = st.lists(st.tuples(Answers, st.booleans()), max_size=8)
#: Answers that come, answers that go, and whether everything is to be reported then.
Corrections = st.lists(st.tuples(Answers, Answers, st.booleans()), max_size=8)


def cells(answers: list[Answer]) -> Cells:
    return dict(Counter(hour * 11 + score for hour, score in answers))


def put(unreported: UnreportedHours, *answers: Answer) -> None:
    unreported.change(cells(list(answers)), {})


def report(unreported: UnreportedHours, until: int, *, everything: bool = False) -> list[Hour]:
    return hours(unreported.report(until, everything=everything))


def place(score: int) -> int:
    """Return which of promoters, passives and detractors a score is."""
    return 0 if score >= 9 else 1 if score >= 7 else 2


def recount(answers: list[Answer]) -> list[Hour]:
    found = {hour: [0, 0, 0] for hour, _ in sorted(answers)}
    for hour, score in answers:
        found[hour][place(score)] += 1
    return [(hour, promoters, passives, detractors) for hour, (promoters, passives, detractors) in found.items()]


def reported_once(hour: int = 10) -> UnreportedHours:
    """Return one whose last reported hour is this."""
    unreported = UnreportedHours()
    put(unreported, (hour, 9))
    assert [(hour, 1, 0, 0)] == report(unreported, hour + 1, everything=True)
    return unreported


@pytest.mark.parametrize("score", range(11))
def test_an_answer_is_reported_as_promoter_passive_or_detractor(score: int) -> None:
    unreported = UnreportedHours()
    put(unreported, (5, score))

    assert recount([(5, score)]) == report(unreported, 6, everything=True)


@given(Batches)
@example([([(10, 9)], True), ([(40, 9), (90, 9)], False), ([(41, 9), (70, 9), (15, 9)], True)])
def test_each_answer_is_reported_once_or_waits_or_came_a_day_after_its_hour_was_reported(
    batches: list[tuple[list[Answer], bool]],
) -> None:
    unreported, reported = UnreportedHours(), list[Hour]()
    until, known, expected = 0, -1, [0, 0, 0]
    for answers, everything in batches:
        until = max([until, *(hour for hour, _ in answers)])
        put(unreported, *answers)
        for hour, score in answers:
            expected[place(score)] += hour > known - 24
        now = report(unreported, until, everything=everything)
        known = until - 1 if now or everything else known
        reported += now
        unreported = msgspec.msgpack.decode(msgspec.msgpack.encode(unreported), type=UnreportedHours)
    waiting = unreported.hours.values()

    assert expected == [
        sum(hour[1 + kind] for hour in reported) + sum(counts[kind] for counts in waiting) for kind in range(3)
    ]


@given(Batches)
def test_no_hour_is_reported_twice_or_out_of_order_or_before_it_is_over(
    batches: list[tuple[list[Answer], bool]],
) -> None:
    unreported, until, reported = UnreportedHours(), 0, [-1]
    for answers, everything in batches:
        until = max([until, *(hour for hour, _ in answers)])
        put(unreported, *answers)
        reported += [hour for hour, *_ in report(unreported, until, everything=everything)]
        assert reported[-1] < until or reported == [-1]

    assert sorted(set(reported)) == reported


@given(Answers.flatmap(lambda answers: st.tuples(st.just(answers), st.permutations(answers))), st.data())
def test_what_has_not_been_reported_is_reported_by_the_hour_whatever_the_order_and_the_cuts(
    orders: tuple[list[Answer], list[Answer]], data: st.DataObject
) -> None:
    answers, shuffled = orders
    unreported, start = UnreportedHours(), 0
    while start < len(shuffled):
        end = data.draw(st.integers(start + 1, len(shuffled)), label="cut")
        put(unreported, *shuffled[start:end])
        start = end

    assert recount(answers) == report(unreported, 101, everything=True)


@given(Answers, st.data())
def test_a_history_in_order_is_reported_as_it_was_whatever_the_cuts(answers: list[Answer], data: st.DataObject) -> None:
    history = sorted(answers)
    unreported, reported, start = UnreportedHours(), list[Hour](), 0
    while start < len(history):
        end = data.draw(st.integers(start + 1, len(history)), label="cut")
        until = history[end - 1][0]
        put(unreported, *history[start:end])
        reported += report(unreported, until, everything=data.draw(st.booleans(), label="everything"))
        start = end

    assert recount(answers) == reported + report(unreported, 101, everything=True)


@pytest.mark.parametrize(("late", "expected"), [(1, [(100, 0, 0, 1)]), (24, [(100, 0, 0, 1)]), (25, []), (90, [])])
def test_a_late_answer_is_reported_with_the_next_hour_unless_it_is_a_day_late(late: int, expected: list[Hour]) -> None:
    unreported = reported_once(99)
    put(unreported, (100 - late, 0))

    assert expected == report(unreported, 101, everything=True)


def test_an_answer_whose_hour_was_not_reported_is_never_too_late() -> None:
    unreported = reported_once(10)
    put(unreported, (100, 9))
    put(unreported, (50, 0))

    assert [(50, 0, 0, 1), (100, 1, 0, 0)] == report(unreported, 101, everything=True)


@pytest.mark.parametrize(
    ("n", "until", "expected"),
    [(7, 47, []), (8, 47, [(30, 8, 0, 0)]), (1, 48, [(30, 1, 0, 0)]), (7, 200, [(30, 7, 0, 0)])],
)
def test_few_answers_of_today_wait_and_those_of_yesterday_do_not(n: int, until: int, expected: list[Hour]) -> None:
    unreported = UnreportedHours()
    put(unreported, *[(30, 10)] * n)

    assert expected == report(unreported, until)


def test_few_of_today_are_reported_with_those_of_yesterday() -> None:
    unreported = UnreportedHours()
    put(unreported, (20, 10), (30, 10))

    assert [(20, 1, 0, 0), (30, 1, 0, 0)] == report(unreported, 31)


def test_everything_is_reported_when_asked_but_for_the_hour_that_is_not_over() -> None:
    unreported = UnreportedHours()
    put(unreported, (30, 10), (31, 0))

    assert [(30, 1, 0, 0)] == report(unreported, 31, everything=True)
    assert [(31, 0, 0, 1)] == report(unreported, 32, everything=True)


def test_an_hour_without_answers_is_over_too_once_everything_was_reported() -> None:
    unreported = reported_once(10)

    assert b"" == unreported.report(50, everything=True)
    put(unreported, (48, 0))
    assert [(50, 0, 0, 1)] == report(unreported, 51, everything=True)


def test_without_a_word_of_everything_an_hour_without_answers_is_not_over() -> None:
    unreported = reported_once(10)

    assert b"" == unreported.report(50, everything=False)
    put(unreported, (48, 0))
    assert [(48, 0, 0, 1)] == report(unreported, 51, everything=True)


def test_a_row_of_none_has_nothing_to_report() -> None:
    assert b"" == UnreportedHours().report(0, everything=True)
    assert b"" == UnreportedHours().report(100, everything=False)


def test_a_correction_of_an_answer_that_waits_leaves_only_the_corrected_one() -> None:
    unreported = UnreportedHours()
    put(unreported, (30, 10), (30, 10))
    unreported.change(cells([(30, 2)]), cells([(30, 10)]))

    assert [(30, 1, 0, 1)] == report(unreported, 32, everything=True)


def test_a_correction_of_an_answer_that_was_reported_changes_the_next_hour() -> None:
    unreported = reported_once(10)
    put(unreported, (11, 9), (11, 9))
    unreported.change(cells([(10, 7)]), cells([(10, 9)]))

    assert [(11, 1, 1, 0)] == report(unreported, 12, everything=True)


def test_a_correction_that_is_a_day_late_changes_nothing() -> None:
    unreported = reported_once(34)
    put(unreported, (35, 9))
    unreported.change(cells([(10, 7)]), cells([(10, 9)]))

    assert [(35, 1, 0, 0)] == report(unreported, 36, everything=True)


@pytest.mark.unmeasured
@given(Corrections)
def test_corrections_make_no_count_negative(corrections: list[tuple[list[Answer], list[Answer], bool]]) -> None:
    unreported, until, reported = UnreportedHours(), 0, list[Hour]()
    for came, went, everything in corrections:
        until = max([until, *(hour for hour, _ in came)])
        unreported.change(cells(came), cells(went))
        reported += report(unreported, until, everything=everything)
    waiting = [n for counts in unreported.hours.values() for n in counts]

    assert [] == [n for n in [*waiting, *(n for hour in reported for n in hour)] if n < 0]


@given(Batches)
def test_a_row_is_the_same_when_it_is_read_again(batches: list[tuple[list[Answer], bool]]) -> None:
    unreported, until = UnreportedHours(), 0
    for answers, everything in batches:
        until = max([until, *(hour for hour, _ in answers)])
        put(unreported, *answers)
        unreported.report(until, everything=everything)

    assert unreported == msgspec.msgpack.decode(msgspec.msgpack.encode(unreported), type=UnreportedHours)
