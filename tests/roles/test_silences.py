"""The silences as their topic has them: all are known before anything is sent, and changes are told."""

from typing import Any

import pytest
from flow.records import NOW, Record
from notify.silencer import silence

from schemas.silence import Silence
from worker.roles.silences import FollowedSilences
from worker.settings import Settings


def record(state: Silence, offset: int, partition: int = 0) -> Any:
    value = state.model_dump_json().encode()
    return Record(value, state.silence_id.encode(), offset, partition, topic="nps.silences")


async def test_those_who_follow_are_told_of_changes_once_the_topic_was_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    followed, told = FollowedSilences(Settings.model_construct()), list[str]()
    followed.observe(told.append)
    assert not followed.caught_up.is_set()
    followed.take([record(silence(), 0), record(silence("s-2"), 4, partition=1)])
    assert told == []
    followed.note_caught_up({})
    followed.note_caught_up({})
    assert followed.ready
    assert "2 silences are known" in caplog.text
    followed.take([record(silence(version=2, ended_at=NOW), 1), record(silence(), 2)])
    assert told == ["s-1"]
    assert (followed.next_offset(0), followed.next_offset(1), followed.next_offset(2)) == (3, 5, 0)


async def test_what_another_program_has_written_is_skipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    followed = FollowedSilences(Settings.model_construct())
    followed.take([Record(b"noise", b"s-1", 7, topic="nps.silences"), record(silence(), 8)])
    assert "nps.silences, partition 0, offset 7: is no silence of this version" in caplog.text
    assert followed.known.find("s-1") is not None


async def test_a_topic_that_was_created_again_is_read_from_its_beginning() -> None:
    followed = FollowedSilences(Settings.model_construct())
    other = Record(b"x", b"s-2", 3, topic="nps.silences")._replace(partition=1)
    followed.take([record(silence(), 8), other])
    assert followed.next_offset(1) == 4
    followed.forget(0)
    # All silences are forgotten, so all partitions have to be read again.
    assert (followed.next_offset(0), followed.next_offset(1)) == (0, 0)
    assert followed.known.find("s-1") is None
