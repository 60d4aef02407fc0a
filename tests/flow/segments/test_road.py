"""The second stage: tallies become windows, and windows become scores."""

import json
from array import array
from collections.abc import Iterable
from typing import Any, get_type_hints

import msgspec
import pytest
from flow.records import DAY, HOUR, NOW, Record, of
from hypothesis import given
from hypothesis import strategies as st
from nps.making import entries

from schemas.scores import Scores
from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.messages import gaming_flag, hourly_report, tick
from worker.flow.messages.hourly_report import HourlyReport
from worker.flow.messages.tally import Tally
from worker.flow.segments import road as segments
from worker.nps.interval import interval
from worker.nps.jump import Jump
from worker.nps.latest import CountedAnswer
from worker.nps.segment import Move, Segment
from worker.nps.unreported import UnreportedHours
from worker.nps.usage import LeftOut, Usage

SHOP = b"fr/shop-3"


def tally_of(*moves: Move, source: int = 0, key: bytes = SHOP, offset: int = 0) -> Record:
    put = [number for move in moves if move.put and not move.taken for number in (move.offset, *move.put)]
    message = Tally(source, {key.decode(): entries(put, [move for move in moves if move.taken])})
    return Record(msgspec.msgpack.encode(message), None, offset, topic="nps.tallies")


def put(offset: int, score: int, at: int = NOW) -> Move:
    return Move(offset, None, CountedAnswer(at, offset, score))


def counted(*records: Record, rows: dict[bytes, bytes] | None = None, most: int = 1_000) -> Decided:
    """Decide a batch, all slices of it, each upon the rows that those before it have written."""
    there = dict(rows or {})
    decided = segments.count(records, there, 0, most)
    outputs, changed, left_out = list(decided.outputs), dict(decided.rows), decided.segments_left_out
    while decided.rest is not None:
        write(there, decided)
        decided = decided.rest()
        outputs, changed = outputs + decided.outputs, {**changed, **decided.rows}
        left_out += decided.segments_left_out
    return Decided(outputs, changed, {}, segments_left_out=left_out)


def write(rows: dict[bytes, bytes], decided: Decided) -> None:
    for key, row in decided.rows.items():
        if row is None:
            del rows[key]
        else:
            rows[key] = row


def scores(output: Output) -> dict[str, Any]:
    assert output.topic == events.SCORES
    event: dict[str, Any] = json.loads(output.value or b"")
    return event


def windows(row: bytes) -> Segment:
    """Return a segment without its unreported hours, which depend on when it was last asked for them."""
    segment = msgspec.msgpack.decode(row, type=Segment)
    segment.unreported = UnreportedHours()
    return segment


def kept(decided: Decided) -> dict[bytes, bytes]:
    """Return the segments' rows, without the one that says when the last tick was."""
    return {key: row for key, row in decided.rows.items() if row is not None and key != segments.CLOCK}


def test_a_batch_gives_one_score_per_segment_that_moved_whatever_the_number_of_tallies() -> None:
    records = [tally_of(put(n, 9), key=key, offset=n) for n in range(5) for key in (SHOP, b"")]
    decided = counted(*records)

    assert [SHOP, b""] == [output.key for output in decided.outputs]
    assert {SHOP, b""} == decided.rows.keys()
    assert [5, 5] == [scores(output)["windows"]["all"]["n"] for output in decided.outputs]


def test_the_scores_say_what_is_promised() -> None:
    moves = [put(n, score) for n, score in enumerate([10] * 20 + [8] * 15 + [3] * 5)]
    (output,) = counted(tally_of(*moves)).outputs
    event = scores(output)
    low, high = interval(20, 15, 5)

    expected = {
        "n": 40,
        "promoters": 20,
        "passives": 15,
        "detractors": 5,
        "nps": 37.5,
        "low": low,
        "high": high,
        "indicative": False,
    }
    assert event == {
        "segment": "fr/shop-3",
        "as_of": "2023-11-14T22:13:20Z",
        "histogram": [0, 0, 0, 5, 0, 0, 0, 0, 15, 0, 20],
        "windows": dict.fromkeys(["all", "last_100", "24h", "7d", "30d", "90d", "365d"], expected),
        "smoothed": {"nps": 37.5, "low": low, "high": high, "n_eff": 40.0, "half_life_days": 7},
        "trend": None,
        "survey_id": None,
        "suspect_gaming": None,
        "latest_per_customer": dict.fromkeys(["all", "30d", "90d", "365d"], expected),
        "suspect_scale": None,
    }
    assert Scores.model_validate_json(output.value or b"", strict=True).segment == "fr/shop-3"


def test_a_segment_that_is_known_for_weeks_has_a_trend() -> None:
    moves = [put(day, 10 if day % 3 else 0, NOW + day * DAY) for day in range(100)]
    output, _ = counted(tally_of(*moves)).outputs
    trend = scores(output)["trend"]

    assert trend["direction"] == "unclear"
    assert trend["low"] < trend["change"] < trend["high"]
    assert scores(output)["smoothed"]["half_life_days"] == 81


SURVEY = b"/survey/autumn"


def answered(scores: Iterable[int], first: int = 0, key: bytes = SURVEY) -> Record:
    """Return a tally of answers with these scores."""
    return tally_of(*(put(first + n, score) for n, score in enumerate(scores)), key=key)


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([1, 2, 3, 4, 5] * 10, {"lowest": 1, "highest": 5, "n": 50}),
        ([5] * 70, {"lowest": 1, "highest": 5, "n": 70}),
        ([5] * 49, None),
        ([*[5] * 60, 0], None),
        ([*[5] * 60, 6], None),
        ([*[5] * 60, 10], None),
    ],
    ids=["all of them", "fives", "too few", "a zero", "a six", "a ten"],
)
def test_answers_of_a_survey_that_never_leave_one_to_five_are_shown_in_its_scores(
    answers: list[int], found: dict[str, int] | None
) -> None:
    (output,) = counted(answered(answers)).outputs
    (segment,) = counted(answered(answers, key=SHOP)).outputs

    assert scores(output)["suspect_scale"] == found
    assert scores(segment)["suspect_scale"] is None


def test_another_scale_is_reported_once_whatever_is_corrected_or_counted_again() -> None:
    first, last = answered([4] * 49), answered([5], 49)
    taken, another = tally_of(Move(50, CountedAnswer(NOW, 0, 4), None), key=SURVEY), answered([9, 3], 51)
    rows: dict[bytes, bytes] = {}
    reported = []
    for record in (first, last, last, first, ticked(NOW + DAY), taken, answered([2], 53), another):
        decided = segments.count([record], rows, 0)
        reported.append(list(decided.on_short_scale))
        write(rows, decided)

    assert reported == [[], ["autumn"], *[[]] * 6]


def test_a_survey_on_another_scale_that_version_0_1_0_counted_is_reported_with_the_next_answer() -> None:
    row = kept(counted(answered([4] * 60)))[SURVEY]
    rows = {SURVEY: msgspec.msgpack.encode(msgspec.msgpack.decode(row)[:11])}
    decided = segments.count([answered([5], 60)], rows, 0)

    assert decided.on_short_scale == ("autumn",)
    assert msgspec.msgpack.decode(decided.rows[SURVEY] or b"", type=Segment).scale_reported


@pytest.mark.parametrize(("n", "indicative"), [(29, True), (30, False)])
def test_below_thirty_answers_a_window_is_indicative(n: int, *, indicative: bool) -> None:
    (output,) = counted(tally_of(*(put(offset, 9) for offset in range(n)))).outputs

    assert indicative == scores(output)["windows"]["all"]["indicative"]


def test_a_window_that_nobody_is_in_any_more_has_no_figures() -> None:
    gone = Move(1, CountedAnswer(NOW, 0, 9), None)
    (output,) = counted(tally_of(put(0, 9), gone)).outputs

    assert scores(output)["windows"]["24h"] == {
        "n": 0,
        "promoters": 0,
        "passives": 0,
        "detractors": 0,
        "nps": None,
        "low": None,
        "high": None,
        "indicative": True,
    }


def test_an_answer_that_comes_late_moves_no_clock() -> None:
    output = counted(tally_of(put(0, 9), put(1, 2, NOW - 30 * HOUR))).outputs[0]
    event = scores(output)

    assert event["as_of"] == "2023-11-14T22:13:20Z"
    assert [1, 2] == [event["windows"][name]["n"] for name in ("24h", "7d")]


def test_a_tally_that_was_counted_before_gives_neither_score_nor_row() -> None:
    record = tally_of(put(0, 9), put(1, 3))
    rows = kept(counted(record))

    assert Decided([], {}, {}) == counted(record, record, rows=rows)


def test_a_tally_that_comes_twice_in_a_batch_is_counted_once() -> None:
    """A crash after its acknowledgement has it sent again, and a batch of tallies takes in all that wait."""
    first, again = tally_of(put(0, 9), put(1, 3)), tally_of(put(0, 9), put(1, 3), put(2, 8), offset=1)
    moved = tally_of(Move(3, CountedAnswer(NOW, 0, 9), CountedAnswer(NOW, 0, 2)), offset=2)
    (output,) = counted(first, again, moved, moved).outputs

    assert scores(output)["histogram"] == [0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0]


def test_of_a_tally_that_overlaps_only_what_is_new_is_counted() -> None:
    rows = kept(counted(tally_of(put(0, 9), put(1, 3))))
    (output,) = counted(tally_of(put(0, 9), put(1, 3), put(2, 8)), rows=rows).outputs

    assert scores(output)["windows"]["all"]["n"] == 3


def test_the_roots_path_is_empty() -> None:
    assert [b""] == [output.key for output in counted(tally_of(put(0, 9), key=b"")).outputs]
    assert scores(counted(tally_of(put(0, 9), key=b"")).outputs[0])["segment"] == ""


def test_the_id_follows_from_the_segment_and_how_far_each_source_was_counted() -> None:
    ids = [
        dict(output.headers)["ce_id"]
        for record in (
            tally_of(put(0, 9)),
            tally_of(put(0, 9))._replace(offset=1),
            tally_of(put(0, 9))._replace(partition=1),
            tally_of(put(1, 9)),
            tally_of(put(0, 9), source=1),
            tally_of(put(0, 9), key=b"fr"),
        )
        for output in counted(record).outputs
    ]

    assert [0, 0, 0, 1, 2, 3] == [list(dict.fromkeys(ids)).index(each) for each in ids]


def test_a_row_gives_the_same_event_as_when_it_was_written() -> None:
    decided = counted(tally_of(put(0, 9), put(3, 2)), tally_of(put(0, 8), source=1))

    assert decided.outputs == [segments.scores(key, row) for key, row in kept(decided).items()]


def ticked(at: int, offset: int = 9) -> Record:
    return Record(b"", tick.KEY, offset, timestamp=at, topic="nps.tallies")


def flagged(path: str, jump: Jump | None, offset: int = 9) -> Record:
    output = gaming_flag.output(path, jump, 0)
    return Record(output.value, output.key, offset, topic="nps.tallies")


def ended(decided: Decided) -> list[HourlyReport]:
    return [hourly_report.decode(output.value or b"") for output in decided.outputs if output.topic == events.HOURS]


def test_a_tick_moves_the_windows_of_every_segment() -> None:
    rows = kept(counted(tally_of(put(0, 9)), tally_of(put(1, 2), key=b"")))
    moved = counted(ticked(NOW + 30 * HOUR), rows=rows)
    found = [scores(output) for output in moved.outputs if output.topic == events.SCORES]

    assert {SHOP, b""} == kept(moved).keys()
    assert {"fr/shop-3", ""} == {event["segment"] for event in found}
    assert [(0, 1, 1)] * 2 == [tuple(event["windows"][name]["n"] for name in ("24h", "7d", "all")) for event in found]
    assert {"2023-11-16T04:13:20Z"} == {event["as_of"] for event in found}


def test_a_tick_of_the_same_hour_gives_neither_score_nor_row() -> None:
    rows = kept(counted(tally_of(put(0, 9))))
    repeated = counted(ticked(NOW + 60_000), rows=rows)

    assert kept(repeated) == {}
    assert [output.topic for output in repeated.outputs] == [events.HOURS]


def test_a_score_that_a_tick_moved_has_an_id_of_its_own() -> None:
    first = counted(tally_of(put(0, 9)))
    rows = kept(first)
    moved = counted(ticked(NOW + 2 * HOUR), rows=rows)
    ids = [dict(output.headers)["ce_id"] for output in (*first.outputs, *moved.outputs) if output.key == SHOP]

    assert len(set(ids)) == 2


def test_a_tick_has_every_hour_reported_that_is_over_and_says_that_it_is_all() -> None:
    rows = kept(counted(tally_of(put(0, 9), put(1, 2))))
    (message,) = ended(counted(ticked(NOW + HOUR), rows=rows))

    assert message == HourlyReport(
        0, {"fr/shop-3": array("q", (NOW // HOUR, 1, 0, 1)).tobytes()}, NOW + HOUR, Usage(1, 1_000)
    )


def test_a_tick_where_there_is_no_segment_says_so() -> None:
    assert ended(counted(ticked(NOW))) == [HourlyReport(0, {}, NOW, Usage(0, 1_000))]


def test_the_hour_that_is_not_over_is_not_reported() -> None:
    (message,) = ended(counted(tally_of(put(0, 9)), ticked(NOW)))

    assert message.segments == {}


def test_where_ticks_are_behind_an_hour_is_reported_when_an_answer_of_a_day_later_comes() -> None:
    answers = [put(n, 9) for n in range(8)]
    (message,) = ended(counted(tally_of(*answers, put(8, 9, NOW + 25 * HOUR))))

    assert message == HourlyReport(0, {"fr/shop-3": array("q", (NOW // HOUR, 8, 0, 0)).tobytes()})


def test_a_hint_is_shown_in_the_scores_until_it_is_taken_back() -> None:
    rows = kept(counted(tally_of(put(0, 9))))
    jump = Jump(NOW // HOUR - 336, 0.5, 0.9, 40, 0.4, 0.45)
    shown = counted(flagged("fr/shop-3", jump), rows=rows)
    gone = counted(flagged("fr/shop-3", None), rows=kept(shown))

    assert scores(shown.outputs[0])["suspect_gaming"] == {
        "reason": "promoters_jumped_here_alone",
        "since": "2023-10-31T22:00:00Z",
        "n": 40,
        "promoters_before": 0.5,
        "promoters_since": 0.9,
        "beside_before": 0.4,
        "beside_since": 0.45,
    }
    assert scores(gone.outputs[0])["suspect_gaming"] is None
    assert counted(flagged("fr/shop-3", jump), rows=kept(shown)).outputs == []


def test_a_hint_about_a_segment_that_is_not_there_is_dropped() -> None:
    assert Decided([], {}, {}) == counted(flagged("fr/shop-3", Jump(0, 0.5, 0.9, 40, 0.4, 0.45)))


def test_a_surveys_scores_say_which_it_is() -> None:
    (output,) = counted(tally_of(put(0, 9), key=b"/survey/autumn")).outputs
    event = scores(output)

    assert ("/survey/autumn", "autumn") == (event["segment"], event["survey_id"])


@pytest.mark.unmeasured
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([b"", SHOP])), max_size=20), st.data())
def test_neither_cuts_nor_replays_nor_restarts_change_what_is_counted(
    log: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    records = [tally_of(put(n, n % 11, NOW + n * HOUR), source=source, key=key) for n, (source, key) in enumerate(log)]
    expected = kept(counted(*records))
    rows: dict[bytes, bytes] = {}
    start = 0
    while start < len(records):
        end = data.draw(st.integers(start + 1, len(records)), label="cut")
        decided = counted(*records[data.draw(st.integers(0, start), label="read again from") : end], rows=rows)
        rows |= {key: row for key, row in kept(decided).items() if data.draw(st.booleans(), label="row written")}
        rows |= kept(counted(*records[:end], rows=rows))
        start = end

    assert {key: windows(row) for key, row in expected.items()} == {key: windows(row) for key, row in rows.items()}


# Time passes: what is forgotten, what a tick passes over, and in which slices it is written.

YEAR = 365 * DAY


def test_a_segment_without_an_answer_for_a_year_is_forgotten_and_its_scores_are_a_null() -> None:
    rows = kept(counted(tally_of(put(0, 9)), tally_of(put(1, 2, NOW + 300 * DAY), key=b"")))
    before, gone = counted(ticked(NOW + YEAR - DAY), rows=rows), counted(ticked(NOW + YEAR), rows=rows)

    assert SHOP in kept(before)
    assert gone.rows[SHOP] is None
    assert [(SHOP, None)] == [(o.key, o.value) for o in gone.outputs if o.topic == events.SCORES and not o.value]
    assert {b""} == kept(gone).keys()


def test_old_answers_that_were_loaded_today_stay_for_a_year() -> None:
    """A file of last years' answers would be gone within the hour otherwise."""
    rows = kept(counted(tally_of(put(0, 9, NOW - 5 * YEAR))))
    write(rows, counted(ticked(NOW + HOUR), rows=rows))

    assert SHOP in rows
    assert [1] == [scores(o)["windows"]["all"]["n"] for o in [segments.scores(SHOP, rows[SHOP])]]

    write(rows, counted(ticked(NOW + YEAR + HOUR), rows=rows))
    assert SHOP not in rows


def test_a_row_of_before_stays_for_a_year_from_the_first_tick_on() -> None:
    rows = kept(counted(tally_of(put(0, 9, NOW - 5 * YEAR))))
    old = msgspec.msgpack.decode(rows[SHOP])[:6]
    rows = {SHOP: msgspec.msgpack.encode(old)}
    write(rows, counted(ticked(NOW), rows=rows))
    write(rows, counted(ticked(NOW + YEAR - HOUR), rows=rows))
    assert SHOP in rows

    write(rows, counted(ticked(NOW + YEAR), rows=rows))
    assert SHOP not in rows


def test_a_correction_of_an_answer_that_was_forgotten_takes_nothing_out() -> None:
    rows = kept(counted(tally_of(put(0, 9))))
    write(rows, counted(ticked(NOW + YEAR), rows=rows))
    write(rows, counted(tally_of(put(1, 9, NOW + YEAR)), rows=rows))
    late = Move(2, CountedAnswer(NOW, 0, 9), CountedAnswer(NOW, 0, 3), 0)
    write(rows, counted(tally_of(late), rows=rows))

    assert windows(rows[SHOP]).total == [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("offset", [0, -1])
def test_a_correction_makes_no_count_negative(offset: int) -> None:
    rows = kept(counted(tally_of(Move(2, CountedAnswer(NOW, 0, 9), CountedAnswer(NOW, 0, 3), offset))))

    assert windows(rows[SHOP]).total == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_correction_that_only_takes_out_makes_no_row() -> None:
    assert Decided([], {}, {}) == counted(tally_of(Move(2, CountedAnswer(NOW, 0, 9), None, 0)))


def test_beyond_the_most_a_segment_counts_for_its_parents_only() -> None:
    rows = kept(counted(tally_of(put(0, 9), key=b""), tally_of(put(0, 9), key=b"fr"), most=2))
    further = counted(
        tally_of(put(1, 9), key=b""),
        tally_of(put(1, 9), key=b"fr"),
        tally_of(put(1, 9), key=b"fr/a"),
        rows=rows,
        most=2,
    )

    assert {b"", b"fr"} == kept(further).keys()
    assert further.segments_left_out == 1
    assert {b""} == kept(counted(tally_of(put(0, 9), key=b"fr"), tally_of(put(0, 9), key=b""), most=0)).keys()


def came(hour: int, *paths: str, offset: int = 0) -> Record:
    """Return a tally that came in an hour, with an answer to each of these."""
    message = Tally(0, {path: entries([offset, NOW, offset, 9], []) for path in paths})
    return Record(msgspec.msgpack.encode(message), None, offset, timestamp=hour * HOUR + 7, topic="nps.tallies")


def usage(rows: dict[bytes, bytes], hour: int, most: int) -> Usage | None:
    """Return what the next tick says of how many segments there are."""
    (message,) = ended(counted(ticked(hour * HOUR), rows=rows, most=most))
    return message.usage


def test_an_answer_that_finds_no_room_is_remembered_and_reported_with_the_next_tick() -> None:
    rows: dict[bytes, bytes] = {}
    hour = NOW // HOUR
    write(rows, counted(came(hour, "", "fr"), rows=rows, most=2))
    assert usage(rows, hour, 2) == Usage(2, 2)

    write(rows, counted(came(hour, "", "fr", "fr/a", "fr/b", offset=1), rows=rows, most=2))
    write(rows, counted(came(hour, "fr/c", offset=2), rows=rows, most=2))
    assert usage(rows, hour + 1, 2) == Usage(2, 2, LeftOut(hour, "fr/a"))

    write(rows, counted(ticked((hour + 1) * HOUR), rows=rows, most=2))
    write(rows, counted(came(hour + 2, "fr/c", offset=3), rows=rows, most=2))
    assert usage(rows, hour + 3, 2) == Usage(2, 2, LeftOut(hour + 2, "fr/c"))
    assert segments.encode(windows(rows[segments.CLOCK])).count(b"fr/c") == 1


def test_what_was_left_out_does_not_change_when_the_last_tick_was() -> None:
    rows: dict[bytes, bytes] = {}
    write(rows, counted(came(NOW // HOUR, ""), ticked(NOW + HOUR), rows=rows, most=1))
    write(rows, counted(came(NOW // HOUR + 2, "fr", offset=1), rows=rows, most=1))

    assert msgspec.msgpack.decode(rows[segments.CLOCK], type=Segment).last_tick == NOW + HOUR


def test_the_row_of_the_last_tick_is_no_segment() -> None:
    rows: dict[bytes, bytes] = {}
    write(rows, counted(came(NOW // HOUR, ""), ticked(NOW + HOUR), rows=rows, most=2))
    further = counted(came(NOW // HOUR + 2, "fr", offset=1), rows=rows, most=2)

    assert further.segments_left_out == 0
    assert b"fr" in further.rows


def test_version_0_1_0_reads_the_row_of_the_last_tick_and_those_of_segments() -> None:
    """It has the fields that stand before the last one."""
    before = [
        (name, kind, msgspec.field(default=None))
        for name, kind in list(get_type_hints(Segment).items())
        if name != "left_out"
    ]
    version: Any = msgspec.defstruct("SegmentBefore", before, array_like=True)
    rows: dict[bytes, bytes] = {}
    write(rows, counted(came(NOW // HOUR, "", "fr"), ticked(NOW + HOUR), rows=rows, most=1))

    assert msgspec.msgpack.decode(rows[segments.CLOCK], type=version).last_tick == NOW + HOUR
    assert msgspec.msgpack.decode(rows[b""], type=version).total[9] == 1


@pytest.mark.unmeasured
@given(st.lists(st.tuples(st.integers(0, 3), st.lists(st.sampled_from("abcdef"), unique=True)), max_size=6), st.data())
def test_a_crash_between_two_slices_leaves_out_what_would_have_been_left_out(
    batches: list[tuple[int, list[str]]], data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SLICE", 2)
        whole, crashed = dict[bytes, bytes](), dict[bytes, bytes]()
        hour = NOW // HOUR
        for n, (later, paths) in enumerate(batches):
            hour += later
            batch = [came(hour, *paths, offset=n), *([ticked(hour * HOUR)] if later else [])]
            write(whole, counted(*batch, rows=whole, most=3))
            decided = segments.count(batch, crashed, 0, 3)
            for _ in range(data.draw(st.integers(0, 3))):
                if decided.rest is not None:
                    write(crashed, decided)
                    decided = decided.rest()
            write(crashed, counted(*batch, rows=crashed, most=3))

    assert {key: windows(row) for key, row in crashed.items()} == {key: windows(row) for key, row in whole.items()}


def test_a_tick_that_changes_nothing_of_a_segment_passes_it_over() -> None:
    rows = kept(counted(tally_of(put(0, 9))))
    write(rows, counted(ticked(NOW + 2 * HOUR), rows=rows))
    write(rows, counted(ticked(NOW + 25 * HOUR), rows=rows))
    write(rows, counted(ticked(NOW + 3 * DAY), rows=rows))
    passed = counted(ticked(NOW + 5 * DAY), rows=rows)

    assert kept(passed) == {}
    assert [output.topic for output in passed.outputs] == [events.HOURS]
    assert SHOP in kept(counted(ticked(NOW + 7 * DAY), rows=rows))


Steps = st.lists(
    st.tuples(
        st.integers(0, 400 * 24),  # how many hours later
        st.sampled_from([None, b"", SHOP]),  # a tick, or an answer to a segment
        st.integers(-40 * 24, 24),  # by how many hours it was given later
        st.integers(0, 10),
    ),
    max_size=25,
)


@pytest.mark.unmeasured
@given(Steps, st.data())
def test_a_tick_that_passes_segments_over_is_as_good_as_one_that_does_not(
    steps: list[tuple[int, bytes | None, int, int]], data: st.DataObject
) -> None:
    lazy: dict[bytes, bytes] = {}
    eager: dict[bytes, bytes] = {}
    now = NOW
    for offset, (hours_later, key, shift, score) in enumerate(steps):
        now += hours_later * HOUR if data.draw(st.booleans(), label="days") else hours_later % 30 * HOUR
        answer = CountedAnswer(max(0, now + shift * HOUR), offset, score)
        record = ticked(now) if key is None else tally_of(Move(offset, None, answer), key=key)._replace(timestamp=now)
        first, second = counted(record, rows=lazy), counted(record, rows=each_due(eager))
        assert ended(first) == ended(second)
        write(lazy, first)
        write(eager, second)
        assert lazy.keys() == eager.keys()
        for each in lazy.keys() - {segments.CLOCK}:
            assert shown(segments.scores(each, lazy[each])) == shown(segments.scores(each, eager[each]))


def each_due(rows: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return rows that every tick decodes, as it did once."""
    return {
        key: segments.encode(msgspec.structs.replace(msgspec.msgpack.decode(row, type=Segment), due=0))
        for key, row in rows.items()
    }


def shown(output: Output) -> dict[str, Any]:
    """Return all figures; the smoothed ones are rounded, since other terms may be added up."""
    event = scores(output)
    for name in ("smoothed", "trend"):
        if event[name] is not None:
            event[name] = {
                key: round(value, 6) if isinstance(value, float) else value for key, value in event[name].items()
            }
    return {key: value for key, value in event.items() if key != "as_of"}


def test_a_tick_is_decided_in_slices_and_says_with_the_last_that_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = kept(counted(*(tally_of(put(n, 9), key=b"s%d" % n) for n in range(25))))
    monkeypatch.setattr(segments, "SLICE", 10)
    decided, slices = segments.count([ticked(NOW + HOUR)], rows, 0), []
    while True:
        slices.append((len(kept(decided)), [message.tick for message in ended(decided)]))
        write(rows, decided)
        if decided.rest is None:
            break
        decided = decided.rest()

    assert slices == [(10, [None]), (10, [None]), (5, [NOW + HOUR])]


@pytest.mark.parametrize("slices", [1, 2])
def test_a_tick_that_is_read_again_after_some_slices_goes_on_with_the_others(
    slices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = kept(counted(*(tally_of(put(n, 9), key=b"s%d" % n) for n in range(25))))
    at_once = counted(ticked(NOW + HOUR), tally_of(put(30, 2), key=b"s1"), rows=rows)
    monkeypatch.setattr(segments, "SLICE", 10)
    decided, outputs = segments.count([ticked(NOW + HOUR), tally_of(put(30, 2), key=b"s1")], rows, 0), []
    for _ in range(slices):
        write(rows, decided)
        outputs += ended(decided)
        assert decided.rest is not None
        decided = decided.rest()
    again = counted(ticked(NOW + HOUR), tally_of(put(30, 2), key=b"s1"), rows=rows)
    outputs += ended(again)
    write(rows, again)

    assert {path: column for hour in outputs for path, column in hour.segments.items()} == ended(at_once)[0].segments
    assert {key: windows(row) for key, row in at_once.rows.items() if row} == {
        key: windows(row) for key, row in rows.items()
    }


# What somebody else wrote there

STRAYS = [
    None,
    b"",
    b"hello",
    b'{"score": 3}',
    msgspec.msgpack.encode([0]),
    msgspec.msgpack.encode([0, {"fr": [b"x" * 31, []]}]),
    msgspec.msgpack.encode([0, {"fr": [array("q", (0, -1, 0, 3)).tobytes(), []]}]),
    msgspec.msgpack.encode([0, {"fr": [array("q", (0, NOW, 0, 11)).tobytes(), []]}]),
    msgspec.msgpack.encode([0, {"fr": [b"", [[0, None, [NOW, 1, -1]]]]}]),
    msgspec.msgpack.encode([0, {"\0head": [array("q", (0, NOW, 0, 3)).tobytes(), []]}]),
    msgspec.msgpack.encode(["0", {}]),
]


@pytest.mark.parametrize("stray", STRAYS)
@pytest.mark.parametrize("key", [None, b"c-1", gaming_flag.KEY])
def test_a_stray_record_is_a_dead_letter_and_its_neighbours_count(stray: bytes | None, key: bytes | None) -> None:
    record = Record(stray, key, 1, topic="nps.tallies")
    decided = counted(tally_of(put(0, 3)), record, tally_of(put(2, 9), offset=2))
    clean = counted(tally_of(put(0, 3)), tally_of(put(2, 9), offset=2))
    (letter,) = of(events.DEAD_LETTERS, decided.outputs)

    assert (letter["reason"], letter["topic"], letter["partition"], letter["offset"]) == (
        "wrong_type",
        "nps.tallies",
        0,
        1,
    )
    assert decided.rows == clean.rows
    assert [o for o in decided.outputs if o.topic != events.DEAD_LETTERS] == clean.outputs


def test_a_tick_without_a_value_is_none() -> None:
    decided = counted(Record(None, tick.KEY, 1, timestamp=NOW, topic="nps.tallies"))

    assert [letter["detail"] for letter in of(events.DEAD_LETTERS, decided.outputs)] == [
        "value: is no tick of this version"
    ]


_LIKE = st.recursive(
    st.one_of(
        st.none(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.binary(max_size=70),
        st.text(max_size=5),
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=4, max_size=8).map(lambda some: array("q", some).tobytes()),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=12,
)
_GIVEN = st.one_of(st.none(), st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * 2, st.integers(-2, 12)))
_LIKE_ENTRIES = st.tuples(
    st.lists(st.integers(0, 12), max_size=8).map(lambda some: array("q", some).tobytes()),
    st.lists(st.tuples(st.integers(0, 9), _GIVEN, _GIVEN), max_size=2),
)
LIKE_TALLIES = st.one_of(
    _LIKE, st.tuples(st.integers(0, 3), st.dictionaries(st.text(max_size=3), st.one_of(_LIKE_ENTRIES, _LIKE)))
)


@pytest.mark.unmeasured
@given(st.lists(st.one_of(st.binary(max_size=50), LIKE_TALLIES.map(msgspec.msgpack.encode)), max_size=3))
def test_nothing_that_can_lie_there_stops_the_counting(values: list[bytes]) -> None:
    records = [Record(value, None, n, topic="nps.tallies") for n, value in enumerate([*values, *values])]
    rows: dict[bytes, bytes] = {}
    for record in records:
        rows |= kept(counted(record, rows=rows))
    counted(*records, rows=rows)
