"""The second stage: tallies become windows, and windows become scores."""

import json
from typing import Any

import msgspec
import pytest
from flow.records import DAY, HOUR, NOW, Record
from hypothesis import given
from hypothesis import strategies as st
from nps.telling import entries

from schemas.scores import Scores
from worker.flow import outbox, segments
from worker.flow.outbox import Output
from worker.flow.road import Decided
from worker.flow.tally import Tally
from worker.nps.interval import adjusted_wald
from worker.nps.latest import Given
from worker.nps.segment import Move, Segment

SHOP = b"fr/shop-3"


def told(*moves: Move, source: int = 0, key: bytes = SHOP, offset: int = 0) -> Record:
    put = [number for move in moves if move.put and not move.taken for number in (move.offset, *move.put)]
    message = Tally(source, {key.decode(): entries(put, [move for move in moves if move.taken])})
    return Record(msgspec.msgpack.encode(message), None, offset, topic="nps.tallies")


def put(offset: int, score: int, at: int = NOW) -> Move:
    return Move(offset, None, Given(at, offset, score))


def counted(*records: Record, rows: dict[bytes, bytes] | None = None) -> Decided:
    return segments.count(records, (rows or {}).get)


def scores(output: Output) -> dict[str, Any]:
    assert output.topic == outbox.SCORES
    event: dict[str, Any] = json.loads(output.value or b"")
    return event


def kept(decided: Decided) -> dict[bytes, bytes]:
    return {key: row for key, row in decided.rows.items() if row is not None}


def test_a_batch_gives_one_score_per_segment_that_moved_whatever_the_number_of_tallies() -> None:
    records = [told(put(n, 9), key=key, offset=n) for n in range(5) for key in (SHOP, b"")]
    decided = counted(*records)

    assert [SHOP, b""] == [output.key for output in decided.outputs]
    assert {SHOP, b""} == decided.rows.keys()
    assert [5, 5] == [scores(output)["windows"]["all"]["n"] for output in decided.outputs]


def test_the_scores_say_what_is_promised() -> None:
    moves = [put(n, score) for n, score in enumerate([10] * 20 + [8] * 15 + [3] * 5)]
    (output,) = counted(told(*moves)).outputs
    event = scores(output)
    low, high = adjusted_wald(20, 15, 5)

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
    }
    assert Scores.model_validate_json(output.value or b"", strict=True).segment == "fr/shop-3"


def test_a_segment_that_is_known_for_weeks_has_a_trend() -> None:
    moves = [put(day, 10 if day % 3 else 0, NOW + day * DAY) for day in range(100)]
    (output,) = counted(told(*moves)).outputs
    trend = scores(output)["trend"]

    assert trend["direction"] == "unclear"
    assert trend["low"] < trend["change"] < trend["high"]
    assert scores(output)["smoothed"]["half_life_days"] == 81


@pytest.mark.parametrize(("n", "indicative"), [(29, True), (30, False)])
def test_below_thirty_answers_a_window_is_indicative(n: int, *, indicative: bool) -> None:
    (output,) = counted(told(*(put(offset, 9) for offset in range(n)))).outputs

    assert indicative == scores(output)["windows"]["all"]["indicative"]


def test_a_window_that_nobody_is_in_any_more_has_no_figures() -> None:
    gone = Move(1, Given(NOW, 0, 9), None)
    (output,) = counted(told(put(0, 9), gone)).outputs

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
    (output,) = counted(told(put(0, 9), put(1, 2, NOW - 30 * HOUR))).outputs
    event = scores(output)

    assert event["as_of"] == "2023-11-14T22:13:20Z"
    assert [1, 2] == [event["windows"][name]["n"] for name in ("24h", "7d")]


def test_a_tally_that_was_counted_before_gives_neither_score_nor_row() -> None:
    record = told(put(0, 9), put(1, 3))
    rows = kept(counted(record))

    assert Decided([], {}, {}) == counted(record, record, rows=rows)


def test_a_tally_that_comes_twice_in_a_batch_is_counted_once() -> None:
    """A crash after its acknowledgement has it sent again, and a batch of tallies takes in all that wait."""
    first, again = told(put(0, 9), put(1, 3)), told(put(0, 9), put(1, 3), put(2, 8), offset=1)
    moved = told(Move(3, Given(NOW, 0, 9), Given(NOW, 0, 2)), offset=2)
    (output,) = counted(first, again, moved, moved).outputs

    assert scores(output)["histogram"] == [0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0]


def test_of_a_tally_that_overlaps_only_what_is_new_is_counted() -> None:
    rows = kept(counted(told(put(0, 9), put(1, 3))))
    (output,) = counted(told(put(0, 9), put(1, 3), put(2, 8)), rows=rows).outputs

    assert scores(output)["windows"]["all"]["n"] == 3


def test_the_roots_path_is_empty() -> None:
    assert [b""] == [output.key for output in counted(told(put(0, 9), key=b"")).outputs]
    assert scores(counted(told(put(0, 9), key=b"")).outputs[0])["segment"] == ""


def test_the_id_follows_from_the_segment_and_how_far_each_source_was_counted() -> None:
    ids = [
        dict(output.headers)["ce_id"]
        for record in (
            told(put(0, 9)),
            told(put(0, 9))._replace(offset=1),
            told(put(0, 9))._replace(partition=1),
            told(put(1, 9)),
            told(put(0, 9), source=1),
            told(put(0, 9), key=b"fr"),
        )
        for output in counted(record).outputs
    ]

    assert [0, 0, 0, 1, 2, 3] == [list(dict.fromkeys(ids)).index(each) for each in ids]


def test_a_row_gives_the_same_event_as_when_it_was_written() -> None:
    decided = counted(told(put(0, 9), put(3, 2)), told(put(0, 8), source=1))

    assert decided.outputs == [segments.scores(key, row) for key, row in kept(decided).items()]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([b"", SHOP])), max_size=20), st.data())
def test_neither_cuts_nor_replays_nor_restarts_change_what_is_counted(
    log: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    records = [told(put(n, n % 11, NOW + n * HOUR), source=source, key=key) for n, (source, key) in enumerate(log)]
    expected = kept(counted(*records))
    rows: dict[bytes, bytes] = {}
    start = 0
    while start < len(records):
        end = data.draw(st.integers(start + 1, len(records)), label="cut")
        decided = counted(*records[data.draw(st.integers(0, start), label="read again from") : end], rows=rows)
        rows |= {key: row for key, row in kept(decided).items() if data.draw(st.booleans(), label="row written")}
        rows |= kept(counted(*records[:end], rows=rows))
        start = end

    assert {key: msgspec.msgpack.decode(row, type=Segment) for key, row in expected.items()} == {
        key: msgspec.msgpack.decode(row, type=Segment) for key, row in rows.items()
    }
