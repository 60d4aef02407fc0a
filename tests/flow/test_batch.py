"""The overlay: rows are read once, changed in memory, and written with the batch."""

from collections.abc import Callable

import msgspec
import pytest

from worker.flow.batch import Overlay


class Row(msgspec.Struct):
    count: int = 0


def overlay(rows: dict[bytes, int]) -> tuple[Overlay[Row], list[bytes]]:
    """Return an overlay over these rows, and the keys that it reads from now on."""
    asked: list[bytes] = []

    def read(key: bytes) -> bytes | None:
        asked.append(key)
        return msgspec.json.encode(Row(rows[key])) if key in rows else None

    return Overlay(read, lambda row: msgspec.json.decode(row, type=Row), msgspec.json.encode), asked


def encoded(count: int) -> bytes:
    return msgspec.json.encode(Row(count))


def test_a_row_is_read_once_and_a_change_of_it_is_kept() -> None:
    found, asked = overlay({b"a": 1})
    row = found.get(b"a")
    assert row is not None
    row.count = 2

    assert found.get(b"a") is row
    assert [b"a"] == asked
    assert {b"a": encoded(2)} == found.rows()


def test_what_is_not_there_is_asked_for_once_and_erasing_it_again_does_no_harm() -> None:
    found, asked = overlay({})

    assert [None, None] == [found.get(b"a"), found.get(b"a")]
    assert [b"a"] == asked
    assert {b"a": None} == found.rows()


@pytest.mark.parametrize(
    ("last", "row"), [(lambda rows: rows.erase(b"a"), None), (lambda rows: rows.put(b"a", Row(3)), encoded(3))]
)
def test_the_last_of_several_changes_counts(last: Callable[[Overlay[Row]], None], row: bytes | None) -> None:
    found, _ = overlay({b"a": 1})
    found.put(b"a", Row(2))
    found.erase(b"a")
    last(found)

    assert {b"a": row} == found.rows()


def test_opened_rows_are_those_that_were_read_or_put_and_not_erased() -> None:
    found, _ = overlay({b"read": 1, b"never asked for": 5})
    found.get(b"read")
    found.get(b"absent")
    found.put(b"put", Row(2))
    found.put(b"erased", Row(3))
    found.erase(b"erased")

    assert [(b"read", Row(1)), (b"put", Row(2))] == found.opened()
