"""The silences: those that hold notices back now, and those that are over."""

import pytest
from flow.records import DAY, NOW
from notify.silencer import silence

from schemas.silence import Silence
from worker.board.silences import SilenceBook
from worker.board.unreadable import UNREADABLE


def book(*silences: Silence) -> SilenceBook:
    found = SilenceBook()
    for one in silences:
        found.take(one.silence_id.encode(), one.model_dump_json().encode())
    return found


def test_silences_are_active_until_they_are_over_or_ended() -> None:
    found = book(silence("long", until=NOW + 9 * DAY), silence("short"), silence("ended", 2, ended_at=NOW - DAY))
    assert [one.state.silence_id for one in found.active(NOW)] == ["short", "long"]
    assert [one.state.silence_id for one in found.past(NOW)] == ["ended"]
    assert [one.state.silence_id for one in found.past(NOW + DAY)] == ["short", "ended"]
    known = found.find("short")
    assert known is not None
    assert (known.state.silence_id, found.find("other"), len(found)) == ("short", None, 3)


def test_a_version_grows_only_with_news() -> None:
    found = book(silence())
    before = found.version
    found.take(b"s-1", silence().model_dump_json().encode())
    assert found.version == before
    found.take(b"s-1", silence(version=2, ended_at=NOW).model_dump_json().encode())
    assert found.version > before
    found.forget()
    assert len(found) == 0
    with pytest.raises(UNREADABLE):
        found.take(b"s-1", b"noise")
