"""The windows over time equal a recount, late answers and corrections included."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.nps import spans as module
from worker.nps.buckets import Buckets
from worker.nps.spans import Spans
from worker.nps.windows import DAY, HOUR, SPANS

#: Name -> unit in ms, number of units: written out, so that a change there is seen here.
WINDOWS = {
    "24h": (3_600_000, 24),
    "7d": (86_400_000, 7),
    "30d": (86_400_000, 30),
    "90d": (86_400_000, 90),
    "365d": (86_400_000, 365),
}
#: Times near the edges of hours and days, over more than the widest window.
Times = st.builds(
    lambda day, hour, edge: day * DAY + hour * HOUR + edge,
    st.one_of(st.integers(0, 3), st.integers(0, 500)),
    st.integers(0, 23),
    st.sampled_from([0, 1, HOUR // 2, HOUR - 1]),
)
Answers = st.lists(st.tuples(Times, st.integers(0, 10)), max_size=40)


def recount(answers: list[tuple[int, int]], newest: int) -> dict[str, list[int]]:
    found = {}
    for name, (unit, length) in WINDOWS.items():
        inside = [score for at, score in answers if newest // unit - at // unit < length]
        found[name] = [inside.count(score) for score in range(11)]
    return found


def put(spans: Spans, at: int, score: int) -> None:
    spans.change([(at, 0, score)], [])


def take(spans: Spans, at: int, score: int) -> None:
    spans.change([], [(at, 0, score)])


def totals(spans: Spans) -> dict[str, list[int]]:
    return {span.name: total for span, total in zip(SPANS, spans.totals, strict=True)}


def test_the_windows_are_those_that_are_promised() -> None:
    assert {span.name: (span.unit, span.length) for span in SPANS} == WINDOWS


@given(Answers)
def test_each_window_holds_what_a_recount_finds_at_every_step(answers: list[tuple[int, int]]) -> None:
    spans = Spans()
    for seen, (at, score) in enumerate(answers, start=1):
        put(spans, at, score)
        assert recount(answers[:seen], max(at for at, _ in answers[:seen])) == totals(spans)


@given(Answers.flatmap(lambda answers: st.tuples(st.just(answers), st.permutations(answers))))
def test_the_order_of_arrival_makes_no_difference(orders: tuple[list[tuple[int, int]], list[tuple[int, int]]]) -> None:
    one, other = Spans(), Spans()
    for at, score in orders[0]:
        put(one, at, score)
    for at, score in orders[1]:
        put(other, at, score)

    assert totals(one) == totals(other)
    assert one.until == other.until


@given(Answers, st.data())
def test_answers_taken_out_again_leave_no_trace_but_the_clock(
    answers: list[tuple[int, int]], data: st.DataObject
) -> None:
    spans, there = Spans(), []
    newest: int | None = None
    for at, score in answers:
        put(spans, at, score)
        there.append((at, score))
        newest = at if newest is None else max(newest, at)
        if data.draw(st.booleans(), label="take one"):
            gone = there.pop(data.draw(st.integers(0, len(there) - 1), label="which"))
            take(spans, *gone)
        if data.draw(st.booleans(), label="restart"):
            spans = msgspec.msgpack.decode(msgspec.msgpack.encode(spans), type=Spans)
        assert recount(there, newest) == totals(spans)


def test_nothing_can_be_taken_before_anything_was_put() -> None:
    spans = Spans()
    take(spans, DAY, 5)

    assert Spans() == spans


@pytest.mark.parametrize(
    ("late_by", "inside"),
    [
        (0, {"24h", "7d", "30d", "90d", "365d"}),
        (23 * HOUR, {"24h", "7d", "30d", "90d", "365d"}),
        (24 * HOUR, {"7d", "30d", "90d", "365d"}),
        (6 * DAY, {"7d", "30d", "90d", "365d"}),
        (7 * DAY, {"30d", "90d", "365d"}),
        (30 * DAY, {"90d", "365d"}),
        (89 * DAY, {"90d", "365d"}),
        (90 * DAY, {"365d"}),
        (364 * DAY, {"365d"}),
        (365 * DAY, set()),
    ],
)
def test_a_late_answer_goes_to_the_windows_that_reach_back_so_far(late_by: int, inside: set[str]) -> None:
    spans = Spans()
    put(spans, 1_000 * DAY, 10)
    put(spans, 1_000 * DAY - late_by, 0)

    assert inside == {name for name, total in totals(spans).items() if total[0]}


@pytest.mark.unmeasured
def test_buckets_that_left_every_window_are_dropped_so_a_row_stays_small() -> None:
    spans = Spans()
    for hour in range(10_000):
        put(spans, hour * HOUR, 5)
    put(spans, 0, 5)
    take(spans, HOUR, 5)

    assert {HOUR: 24, DAY: 365} == {unit: len(buckets.indexes) // 4 for unit, buckets in spans.buckets.items()}


@pytest.fixture
def fewer(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set the windows to what an earlier release may have kept: days back to 30 only."""
    wide = [span for span in SPANS if span.length <= 30]
    monkeypatch.setattr(module, "SPANS", wide)
    monkeypatch.setattr(module, "_WIDEST", {HOUR: 24, DAY: 30})
    monkeypatch.setattr(module, "_SHAPE", "24h,7d,30d")
    return monkeypatch


def old_row(answers: list[tuple[int, int]]) -> bytes:
    spans = Spans(buckets={HOUR: Buckets(), DAY: Buckets()}, totals=[[0] * 11 for _ in range(3)], shape="24h,7d,30d")
    for at, score in answers:
        put(spans, at, score)
    return msgspec.msgpack.encode(spans)


def refitted(row: bytes) -> Spans:
    spans = msgspec.msgpack.decode(row, type=Spans)
    spans.refit()
    return spans


def test_a_row_of_other_windows_is_refitted_from_its_buckets(fewer: pytest.MonkeyPatch) -> None:
    answers = [(day * DAY, day % 11) for day in range(20)]
    row = old_row(answers)
    fewer.undo()
    spans = refitted(row)
    put(spans, 20 * DAY, 10)

    assert recount([*answers, (20 * DAY, 10)], 20 * DAY) == totals(spans)


def test_an_empty_row_of_other_windows_is_refitted_too(fewer: pytest.MonkeyPatch) -> None:
    row = old_row([])
    fewer.undo()

    assert Spans() == refitted(row)


def test_a_row_of_these_windows_is_left_alone() -> None:
    spans = Spans()
    put(spans, DAY, 9)

    assert spans == refitted(msgspec.msgpack.encode(spans))


def test_no_window_goes_below_zero_after_a_longer_one_was_added(fewer: pytest.MonkeyPatch) -> None:
    row = old_row([(0, 3), (40 * DAY, 9)])
    fewer.undo()
    spans = refitted(row)
    take(spans, 0, 3)

    assert all(n >= 0 for total in spans.totals for n in total)


def test_taking_out_an_answer_whose_bucket_is_not_there_changes_nothing() -> None:
    spans = Spans()
    put(spans, 50 * DAY, 9)
    before = msgspec.msgpack.encode(spans)
    take(spans, 50 * DAY, 3)
    take(spans, 10 * DAY, 9)

    assert before == msgspec.msgpack.encode(spans)


@given(Answers, st.data())
def test_many_at_once_are_as_one_after_the_other(answers: list[tuple[int, int]], data: st.DataObject) -> None:
    one, many = Spans(), Spans()
    for at, score in answers:
        put(one, at, score)
    gone = [answer for answer in answers if data.draw(st.booleans(), label="take")]
    for at, score in gone:
        take(one, at, score)
    many.change([(at, 0, score) for at, score in answers], [(at, 0, score) for at, score in gone])

    assert totals(one) == totals(many)
    assert one.until == many.until


#: What comes: an answer of a time and a score, or a tick.
Events = st.lists(st.tuples(Times, st.one_of(st.integers(0, 10), st.none())), max_size=40)


def ended(events: list[tuple[int, int | None]]) -> int | None:
    """Return in which hour the windows end: that of the newest answer or of a tick after the first, if it is later."""
    hours = [at // HOUR for at, _ in events]
    scores = [score for _, score in events]
    first = next((number for number, score in enumerate(scores) if score is not None), None)
    return None if first is None else max(hours[first:])


@given(Events)
def test_the_windows_end_with_the_newest_answer_or_a_later_tick(events: list[tuple[int, int | None]]) -> None:
    spans = Spans()
    for seen, (at, score) in enumerate(events, start=1):
        expected = ended(events[:seen])
        if score is None:
            assert spans.tick(at) == (expected != ended(events[: seen - 1]))
        else:
            put(spans, at, score)
        assert expected == (None if spans.until is None else spans.until // HOUR)


@given(Events, st.data())
def test_with_ticks_each_window_holds_what_a_recount_finds_at_every_step(
    events: list[tuple[int, int | None]], data: st.DataObject
) -> None:
    spans, there = Spans(), list[tuple[int, int]]()
    for at, score in events:
        if score is None:
            spans.tick(at)
        else:
            put(spans, at, score)
            there.append((at, score))
        if data.draw(st.booleans(), label="take one") and there:
            take(spans, *there.pop(data.draw(st.integers(0, len(there) - 1), label="which")))
        if data.draw(st.booleans(), label="restart"):
            spans = msgspec.msgpack.decode(msgspec.msgpack.encode(spans), type=Spans)
        assert recount(there, spans.until or 0) == totals(spans)


@given(Answers, Times, st.data())
def test_when_a_tick_comes_among_answers_makes_no_difference_once_there_is_one(
    answers: list[tuple[int, int]], time: int, data: st.DataObject
) -> None:
    early, late = Spans(), Spans()
    tick_at = data.draw(st.integers(1, max(1, len(answers))), label="tick after")
    for seen, (at, score) in enumerate(answers, start=1):
        put(early, at, score)
        put(late, at, score)
        if seen == tick_at:
            early.tick(time)
    late.tick(time)

    assert totals(late) == totals(early)
    assert recount(answers, late.until or 0) == totals(late)
    assert (late.until or 0) // HOUR == (early.until or 0) // HOUR


@pytest.mark.parametrize("time", [0, 50 * DAY - 1, 50 * DAY, 50 * DAY + HOUR - 1])
def test_a_tick_of_the_past_or_of_the_same_hour_changes_nothing(time: int) -> None:
    spans = Spans()
    put(spans, 50 * DAY + HOUR // 2, 9)
    before = msgspec.msgpack.encode(spans)

    assert not spans.tick(time)
    assert before == msgspec.msgpack.encode(spans)


def test_a_tick_before_any_answer_does_nothing() -> None:
    spans = Spans()

    assert not spans.tick(50 * DAY)
    assert Spans() == spans


@pytest.mark.parametrize(
    ("later", "inside"),
    [
        (HOUR, {"24h", "7d", "30d", "90d", "365d"}),
        (24 * HOUR, {"7d", "30d", "90d", "365d"}),
        (7 * DAY, {"30d", "90d", "365d"}),
        (30 * DAY, {"90d", "365d"}),
        (90 * DAY, {"365d"}),
        (365 * DAY, set()),
    ],
)
def test_a_tick_moves_answers_out_of_the_windows_that_do_not_reach_back_so_far(later: int, inside: set[str]) -> None:
    spans = Spans()
    put(spans, 1_000 * DAY, 0)

    assert spans.tick(1_000 * DAY + later)
    assert inside == {name for name, total in totals(spans).items() if total[0]}


def test_an_answer_after_a_tick_is_late_if_it_is_of_before() -> None:
    spans = Spans()
    put(spans, 1_000 * DAY, 9)
    spans.tick(1_010 * DAY)
    put(spans, 1_002 * DAY, 0)

    assert 1_010 * DAY == spans.until
    assert {"30d", "90d", "365d"} == {name for name, total in totals(spans).items() if total[0]}


def test_what_a_segment_says_of_itself_is_as_of_the_tick() -> None:
    spans = Spans()
    for day in range(40):
        put(spans, (1_000 + day) * DAY, 10)
    before = spans.indicator()
    spans.tick(1_100 * DAY)
    after = spans.indicator()

    assert before is not None
    assert after is not None
    assert before.smoothed.half_life < after.smoothed.half_life
    spans.tick(3_000 * DAY)
    assert spans.indicator() is None
