"""Whatever the bytes of a record are, a store takes it in or says that it is unreadable, and can still be read."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from board.records import ALERT, CASE, INCIDENT
from board.test_cases import case, row
from flow.records import NOW, Record
from hypothesis import given
from hypothesis import strategies as st
from notify.silencer import silence

from schemas import examples
from worker.board.answers import AnswerQuery
from worker.board.board import Board
from worker.board.cases import CaseQuery
from worker.board.dead_letters import LetterQuery
from worker.board.deliveries import LineQuery
from worker.board.recoveries import LoopQuery
from worker.board.unreadable import UNREADABLE
from worker.nps.segment import Segment

Take = Callable[[Board, bytes, bytes | None], None]


def _from(store: str, kind: bytes | None = None) -> Take:
    """Return what gives a store a record with a key and a value. `kind`: what the header `ce_type` says."""

    def take(board: Board, key: bytes, value: bytes | None) -> None:
        headers = [] if kind is None else [("ce_type", kind)]
        getattr(board, store).take(Record(value, key, 0, timestamp=NOW, headers=headers))

    return take


#: What gives each store a record, and an event that it takes in.
EVENTS: dict[str, tuple[Take, dict[str, Any]]] = {
    "scores": (lambda board, key, value: board.scores.take(key.decode(), value), examples.SCORES),
    "silences": (
        lambda board, key, value: board.silences.take(key, value), json.loads(silence().model_dump_json())
    ),
    "alerts": (_from("alerts", ALERT), examples.ALERT),
    "case steps": (_from("alerts", CASE), examples.CASE),
    "incidents": (_from("incidents", INCIDENT), examples.INCIDENT),
    "recoveries": (_from("recoveries"), examples.RECOVERY),
    "answers": (_from("answers"), examples.DECISION),
    "deliveries": (_from("deliveries"), examples.DELIVERY),
    "dead letters": (_from("dead_letters"), examples.DEAD_LETTER),
}  # fmt: skip
#: The same for the stores that get rows of tables: their rows are arrays, encoded by msgpack.
ROWS: dict[str, tuple[Take, bytes]] = {}


def _rows() -> None:
    segment = Segment()
    segment.spans.change([(NOW, 1, 9)], [])
    ROWS["cases"] = (lambda board, key, value: board.cases.take(key, value), row(case()))
    ROWS["history"] = (
        lambda board, key, value: board.history.take(key.decode(), value), msgspec.msgpack.encode(segment)
    )  # fmt: skip


_rows()
TAKES = {name: take for name, (take, _) in [*EVENTS.items(), *ROWS.items()]}
_SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text() |
    st.sampled_from(["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "é", "=", "\ud800", ""])
)  # fmt: skip
_JSON = st.recursive(_SCALARS, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=5)
_DEEP = 200_000


def _look(board: Board) -> None:
    """Ask each store what pages ask."""
    for path in ["fr", *board.scores.paths()]:
        board.scores.get(path)
        board.history.days(path)
        board.history.hours(path)
        board.history.total(path, 0, 1)
    board.cases.listed(CaseQuery(), NOW)
    board.cases.choices()
    board.alerts.of_alert(examples.ALERT["alert_id"])
    board.incidents.open()
    board.incidents.past()
    board.recoveries.figures(LoopQuery("segment"))
    board.answers.latest(AnswerQuery())
    board.deliveries.latest(LineQuery())
    board.deliveries.digests()
    board.dead_letters.latest(LetterQuery())
    board.silences.active(NOW)


@pytest.mark.parametrize("name", TAKES)
@given(key=st.binary(), value=st.none() | st.binary())
def test_any_bytes(name: str, key: bytes, value: bytes | None) -> None:
    board = Board()
    with suppress(*UNREADABLE):
        TAKES[name](board, key, value)
    _look(board)


@pytest.mark.parametrize("name", TAKES)
@pytest.mark.parametrize(
    "value",
    [
        b'{"zz":' + b"[" * _DEEP + b"]" * _DEEP + b"}",
        b"[" * _DEEP,
        b'{"a":' * _DEEP,
        b"\x91" * _DEEP,
        b'{"a":' + b"9" * 5_000 + b"}",
        b'{"a":1e999}',
    ],
    ids=["known too deep", "lists", "objects", "msgpack", "a long number", "infinity"],
)
def test_values_that_are_nested_deeply_or_have_large_numbers(name: str, value: bytes) -> None:
    board = Board()
    with pytest.raises(UNREADABLE):
        TAKES[name](board, b"fr", value)
    _look(board)


@pytest.mark.parametrize("name", EVENTS)
@given(data=st.data())
def test_any_json_in_place_of_a_field(name: str, data: st.DataObject) -> None:
    take, event = EVENTS[name]
    field = data.draw(st.sampled_from(sorted(event)))
    board = Board()
    with suppress(*UNREADABLE):
        take(board, b"fr", json.dumps(event | {field: data.draw(_JSON)}).encode())
    _look(board)


def _places(row: object, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """Return where the values of an array are, also those of arrays in it."""
    if not isinstance(row, list):
        return [path]
    return [path, *(place for number, part in enumerate(row) for place in _places(part, (*path, number)))]


@pytest.mark.parametrize("name", ROWS)
@given(data=st.data())
def test_anything_in_place_of_a_value_of_a_row(name: str, data: st.DataObject) -> None:
    take, encoded = ROWS[name]
    found: Any = [msgspec.msgpack.decode(encoded)]
    *path, last = data.draw(st.sampled_from(_places(found)[1:]))
    place = found
    for number in path:
        place = place[number]
    place[last] = data.draw(
        st.none() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(st.characters(codec="utf-8"))
    )
    board = Board()
    with suppress(*UNREADABLE):
        take(board, b"fr", msgspec.msgpack.encode(found[0]))
    _look(board)


@pytest.mark.parametrize("name", TAKES)
def test_what_is_taken_in_as_it_should_be(name: str) -> None:
    value = json.dumps(EVENTS[name][1]).encode() if name in EVENTS else ROWS[name][1]
    board = Board()
    TAKES[name](board, b"fr", value)
    _look(board)


def test_a_key_of_a_case_that_is_no_text_is_unreadable() -> None:
    board = Board()
    with pytest.raises(UNREADABLE):
        board.cases.take(b"\xff", row(case()))
    assert len(board.cases) == 0
