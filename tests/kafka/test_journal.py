"""Writes in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.kafka import journal

ROWS = st.dictionaries(st.binary(min_size=1, max_size=8), st.none() | st.binary(max_size=200), min_size=1)


@given(ROWS, st.integers(1, 1_000))
def test_pieces_make_up_the_write_and_each_fits(rows: dict[bytes, bytes | None], largest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "LARGEST", largest)
        pieces = dict(journal.pieces(rows))
        joined = journal.joined({b"a": b"row", **pieces}, len(pieces))

        assert list(rows.items()) == list(joined.items())
        assert all(len(piece) <= largest or len(journal.joined({key: piece}, 1)) == 1 for key, piece in only(pieces))
        assert journal.fits(rows) == (len(pieces) == 1) or len(rows) == 1


def only(pieces: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return each piece as if it were the only one."""
    return [(next(iter(pieces)), piece) for piece in pieces.values()]


def test_a_piece_that_is_missing_is_an_error() -> None:
    pieces = dict(journal.pieces({b"a": b"1"}))

    with pytest.raises(KeyError):
        journal.joined(pieces, 2)


def test_keys_are_those_of_pieces_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LARGEST", 1)
    pieces = dict(journal.pieces({b"%d" % number: b"" for number in range(12)}))

    assert len(pieces) == 12
    assert list(pieces) == journal.keys([b"\0head", *reversed(pieces), b"piece", b"a"])
