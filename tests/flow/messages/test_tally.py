"""One event is one entry per segment, with what it takes out and what it puts in."""

from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nps.making import entries, numbers

from worker.errors import Rejected
from worker.flow import events
from worker.flow.messages import tally
from worker.flow.messages.tally import CountedUnder, Tallies, Tally
from worker.lineage import lineage
from worker.nps import columns
from worker.nps.latest import CountedAnswer
from worker.nps.segment import Entries, Move

BEFORE, AFTER = CountedAnswer(1_000, 7, 3), CountedAnswer(2_000, 7, 9)

Paths = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map("/".join)


def entered(taken: str | None, put: str | None) -> dict[str, Entries]:
    tallies = Tallies()
    if taken is not None:
        tallies.move(5, (CountedUnder(taken, ""), BEFORE), None if put is None else (CountedUnder(put, ""), AFTER))
    elif put is not None:
        tallies.put(5, CountedUnder(put, ""), AFTER)
    return read(tallies)


def moved(taken: CountedAnswer | None, put: CountedAnswer | None) -> Entries:
    return entries(moves=[Move(5, taken, put, past=())])


def spread(path: bytes) -> int:
    return len(path) % 3


def read(tallies: Tallies, source: int = 0) -> dict[str, Entries]:
    found: dict[str, Entries] = {}
    for output in tallies.outputs(source, spread):
        message = tally.decode(output.value or b"")
        assert (events.TALLIES, None, source) == (output.topic, output.key, message.source)
        assert {output.partition} == {spread(path.encode()) for path in message.segments}
        assert not found.keys() & message.segments.keys()
        found |= message.segments
    return found


def test_a_new_answer_is_put_into_its_segment_and_every_ancestor() -> None:
    put = entries([5, *AFTER])

    assert entered(None, "fr/shop-3") == {"fr/shop-3": put, "fr": put, "": put}


def test_a_correction_in_place_takes_and_puts_in_one_entry() -> None:
    both = moved(BEFORE, AFTER)

    assert entered("fr/shop-3", "fr/shop-3") == {"fr/shop-3": both, "fr": both, "": both}


def test_an_answer_that_became_a_trial_is_only_taken() -> None:
    taken = moved(BEFORE, None)

    assert entered("fr", None) == {"fr": taken, "": taken}


def test_a_move_takes_here_and_puts_there_and_does_both_where_the_ways_meet() -> None:
    assert entered("fr/shop-3/delivery", "fr/shop-4") == {
        "fr/shop-3/delivery": moved(BEFORE, None),
        "fr/shop-3": moved(BEFORE, None),
        "fr/shop-4": moved(None, AFTER),
        "fr": moved(BEFORE, AFTER),
        "": moved(BEFORE, AFTER),
    }


@pytest.mark.parametrize(("taken", "put"), [("fr/shop-3", "fr"), ("fr", "fr/shop-3"), ("", "fr"), ("fr", "")])
def test_a_move_along_one_line_does_both_in_every_segment_they_share(taken: str, put: str) -> None:
    found = entered(taken, put)
    shared = {path for path, entries in found.items() if entries == moved(BEFORE, AFTER)}

    assert set(lineage(min(taken, put, key=len))) == shared
    assert len(found) == 1 + len(shared)


@given(Paths, Paths)
def test_each_segment_concerned_gets_exactly_one_entry(taken: str, put: str) -> None:
    found = entered(taken, put)

    assert set(lineage(taken)) | set(lineage(put)) == found.keys()
    for path, changes in found.items():
        (move,) = changes.moves
        assert not changes.put
        assert (path in lineage(taken), path in lineage(put)) == (move.taken is not None, move.put is not None)


def test_many_events_are_few_messages_with_all_their_entries() -> None:
    tallies = Tallies()
    for offset in range(100):
        tallies.put(offset, CountedUnder(f"shop-{offset % 2}", ""), AFTER)
    found = read(tallies, source=9)

    assert list(range(100)) == sorted(numbers(found[""])[::4])
    assert list(range(0, 100, 2)) == numbers(found["shop-0"])[::4]
    assert len(found) == 3


def test_a_partition_gets_one_message_whatever_the_number_of_its_segments() -> None:
    tallies = Tallies()
    for offset in range(100):
        tallies.put(offset, CountedUnder(f"shop-{offset}", ""), AFTER)
        desks = CountedUnder(f"desk-{offset}", ""), CountedUnder(f"desk-{offset + 1}", "")
        tallies.move(100 + offset, (desks[0], BEFORE), (desks[1], AFTER))

    assert {0, 1} == {output.partition for output in tallies.outputs(0, lambda path: len(path) > 4)}
    assert len(tallies.outputs(0, lambda path: len(path) > 4)) == 2


def test_what_kafka_would_not_take_in_one_message_comes_in_several() -> None:
    tallies = Tallies()
    paths = [f"{number}/{'x' * 5_000}" for number in range(300)]
    for offset, path in enumerate(paths):
        tallies.put(offset, CountedUnder(path, ""), AFTER)
    outputs = tallies.outputs(0, lambda _: 0)

    assert len(outputs) > 1
    assert max(len(output.value or b"") for output in outputs) <= 500_000
    assert {*paths, *map(str, range(300)), ""} == read(tallies).keys()


def test_an_answer_is_put_into_its_survey_as_well() -> None:
    tallies = Tallies()
    tallies.put(5, CountedUnder("fr", "after-delivery"), AFTER)
    tallies.put(6, CountedUnder("uk", "after-delivery"), AFTER)
    found = read(tallies)

    assert {"fr", "uk", "", "/survey/after-delivery"} == found.keys()
    assert [5, 6] == numbers(found["/survey/after-delivery"])[::4]


def test_a_correction_moves_an_answer_from_one_survey_to_another() -> None:
    tallies = Tallies()
    tallies.move(5, (CountedUnder("fr", "a"), BEFORE), (CountedUnder("fr", "b"), AFTER))

    assert read(tallies) == {
        "fr": moved(BEFORE, AFTER),
        "": moved(BEFORE, AFTER),
        "/survey/a": moved(BEFORE, None),
        "/survey/b": moved(None, AFTER),
    }


def test_what_several_changes_of_one_event_come_to_is_added_once_and_in_order() -> None:
    first, second = (5, 1_000, 3, 2), (5, 2_000, 9, 5)
    tallies = Tallies()
    tallies.put(5, CountedUnder("fr", ""), AFTER)
    tallies.add_differences(5, {"fr": [(first, -1)], "": [(first, -1)]})
    tallies.add_differences(5, {"fr": [(first, 1), (second, 1)]})
    tallies.add_differences(6, {"fr": [((6, 1_000, 3, 2), -1)]})
    found = read(tallies)

    assert columns.write(array(columns.SIGNED, (*second, 6, 1_000, -4, 2))) == found["fr"].people
    assert columns.write(array(columns.SIGNED, (5, 1_000, -4, 2))) == found[""].people


def test_a_batch_without_answers_sends_nothing() -> None:
    assert Tallies().outputs(0, spread) == []


def test_a_tally_that_is_none_is_noticed() -> None:
    with pytest.raises(msgspec.DecodeError):
        tally.decode(msgspec.msgpack.encode({"source": 1}))


@pytest.mark.parametrize("wrong", [CountedAnswer(-1, 7, 3), CountedAnswer(1_000, 7, 11)])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_correction_whose_numbers_are_out_of_range_is_refused(wrong: CountedAnswer, is_first: bool) -> None:
    first, further = (wrong, BEFORE) if is_first else (BEFORE, wrong)
    message = Tally(0, {"": Entries(moves=[Move(5, first, None, 3, more=((None, further, 4),))])})

    with pytest.raises(Rejected):
        tally.read(msgspec.msgpack.encode(message))


def test_segments_stand_in_the_order_in_which_they_came_so_that_a_replay_gives_the_same_bytes() -> None:
    tallies, names = Tallies(), [f"shop-{number}" for number in range(40)]
    for offset, name in enumerate(names):
        tallies.move(offset, (CountedUnder(name, ""), BEFORE), (CountedUnder(name, ""), AFTER))

    (output,) = tallies.outputs(0, lambda _: 0)

    assert [path for path in tally.decode(output.value or b"").segments if path] == names
