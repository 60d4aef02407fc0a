"""Segments and what is watched over, made again: as they were, with the incidents that receivers know of."""

from copy import deepcopy
from functools import cache

import msgspec
import pytest
from flow.carrying import PARTITIONS, spread
from flow.records import DAY, HOUR
from rebuild.living import CALM, DESKS, Living, incidents

from worker.detect.watch import Watch
from worker.flow import events
from worker.flow.incidents import road as watching
from worker.flow.messages import gaming_flag
from worker.flow.segments import road as segments
from worker.nps.jump import Jump
from worker.nps.segment import Segment
from worker.rebuild.records import as_record
from worker.rebuild.tree import Tree, counted_until, learned_until, reported_until

JUMP = Jump(5, 0.1, 0.9, 40, 0.1, 0.1)


@cache
def _calm() -> Living:
    living = Living()
    assert living.live(25) == []
    return living


@cache
def _fallen() -> Living:
    living = deepcopy(_calm())
    [opened] = living.live(6, "send")
    assert ("fr/send", "opened") == (opened.segment, opened.action)
    return living


def calm() -> Living:
    return deepcopy(_calm())


def fallen() -> Living:
    return deepcopy(_fallen())


def segment(row: bytes) -> Segment:
    return msgspec.msgpack.decode(row, type=Segment)


def read(rows: list[dict[bytes, bytes]]) -> list[dict[bytes, Segment]]:
    """Return segments of rows as they are after the last tick, whether or not it has changed them."""
    return [{key: caught_up(row, of[segments.CLOCK]) for key, row in of.items()} for of in rows]


def caught_up(row: bytes, clock: bytes) -> Segment:
    found = segment(row)
    found.catch_up(segment(clock).last_tick)
    found.due = 0
    return found


def watch(rows: dict[bytes, bytes], path: str) -> Watch:
    return msgspec.msgpack.decode(rows[path.encode()], type=Watch)


def test_what_is_made_again_is_what_there_was() -> None:
    living = calm()
    answers, tree = living.rebuilt(watches=True, every=6 * HOUR)

    assert answers.rows == living.contacts
    assert read(tree.segments) == read(living.segments)
    assert tree.watches.keys() == living.watches.keys()
    for path in ("", "fr", *(f"fr/{desk}" for desk in DESKS), "/survey/autumn"):
        before, after = watch(living.watches, path), watch(tree.watches, path)
        # In which order a parent and its child learn of the same hour, nothing says; a ratio shows it a little.
        assert after.detector.r_values == pytest.approx(before.detector.r_values, rel=0.01)
        after.detector.r_values = before.detector.r_values
        assert after == before


def test_ticks_by_the_day_give_the_same_windows_and_the_same_level() -> None:
    living = calm()
    _, tree = living.rebuilt(watches=True)

    assert read(tree.segments) == read(living.segments)
    for path in ("", "fr", "fr/send"):
        before, after = watch(living.watches, path), watch(tree.watches, path)
        assert (before.reported_until, before.last_hour, before.split(0)) == (
            after.reported_until,
            after.last_hour,
            after.split(0),
        )
        assert sum(before.detector.baseline) + sum(before.detector.pending) == sum(after.detector.baseline) + sum(
            after.detector.pending
        )


def test_an_open_incident_stays_the_same_one_and_its_end_is_reported_under_its_id() -> None:
    living = fallen()
    [opened] = incidents(living.published)
    _, tree = living.rebuilt(watches=True)
    before, after = watch(living.watches, "fr/send").drop, watch(tree.watches, "fr/send").drop
    assert before is not None
    assert after is not None
    assert (before.hour, before.since, before.severity) == (after.hour, after.since, after.severity)

    living.watches = tree.watches
    assert living.live(1, "send") == []
    [resolved] = living.live(45)
    assert (opened.alert_id, "resolved") == (resolved.alert_id, resolved.action)


def test_a_drop_that_was_not_reported_is_opened_by_the_next_tick_of_a_worker_not_by_the_rebuild() -> None:
    living = fallen()
    living.published = [output for output in living.published if output.topic != events.ALERTS]
    _, tree = living.rebuilt(watches=True)
    assert watch(tree.watches, "fr/send").drop is None

    living.watches = tree.watches
    [opened] = living.live(1, "send")
    assert ("fr/send", "opened") == (opened.segment, opened.action)


def test_an_incident_that_is_over_is_not_opened_again() -> None:
    living = fallen()
    [resolved] = [step for step in living.live(45) if step.segment == "fr/send"]
    assert resolved.action == "resolved"
    _, tree = living.rebuilt(watches=True)
    assert watch(tree.watches, "fr/send").drop is None
    assert watch(tree.watches, "fr/send").rests_until >= watch(living.watches, "fr/send").rests_until

    living.watches = tree.watches
    assert living.live(5) == []


def test_hours_are_reported_up_to_where_an_intact_table_has_them() -> None:
    living = calm()

    assert counted_until(living.segments) == {number: log[-1].offset for number, log in enumerate(living.log)}
    assert reported_until(living.segments) == dict.fromkeys(range(PARTITIONS), living.now + 5)
    assert learned_until(living.watches) == dict.fromkeys(range(PARTITIONS), living.now + 5)
    assert reported_until([{}, {}]) == {}
    for rows in living.segments:
        del rows[segments.CLOCK]  # as version 0.1.0 had it
    assert set(reported_until(living.segments).values()) == {living.now}
    assert learned_until({}) == {}


def test_segments_made_again_report_nothing_twice_to_watches_that_are_intact() -> None:
    living = calm()
    expected = deepcopy(living)
    expected.live(3)
    _, tree = living.rebuilt(watches=False, every=400 * DAY)
    living.segments = tree.segments
    living.live(3)

    assert expected.watches == living.watches
    assert read(expected.segments) == read(living.segments)


def test_segments_keep_the_jumps_that_intact_watches_have_found() -> None:
    living = calm()
    found = watch(living.watches, "fr/pay")
    found.jump = JUMP
    living.watches[b"fr/pay"] = msgspec.msgpack.encode(found)
    tree = Tree(PARTITIONS, spread, CALM, 100, None)
    tree.segments = living.segments
    tree.flag(living.watches)

    jumps = {key: segment(row).jump for of in tree.segments for key, row in of.items()}
    assert {key for key, jump in jumps.items() if jump is not None} == {b"fr/pay"}
    assert jumps[b"fr/pay"] == JUMP


def test_watches_take_over_the_jumps_that_intact_segments_show() -> None:
    living = calm()
    rows = living.segments[spread(b"fr/pay")]
    marked = segment(rows[b"fr/pay"])
    marked.jump = JUMP
    rows[b"fr/pay"] = msgspec.msgpack.encode(marked)
    _, tree = living.rebuilt(watches=True)
    tree.match_flags(living.segments)

    assert watch(tree.watches, "fr/pay").jump == JUMP
    assert watch(tree.watches, "fr/send").jump is None


def test_a_hint_that_the_rebuilt_watches_give_reaches_the_segment() -> None:
    tree = calm().rebuilt(watches=False)[1]
    tree.take([gaming_flag.output("fr/help", JUMP, spread(b"fr/help"))])
    tree.tick({})

    assert segment(tree.segments[spread(b"fr/help")][b"fr/help"]).jump == JUMP
    assert watching.CLOCK_KEY not in tree.watches
    assert as_record(gaming_flag.output("fr/help", JUMP, 2)).partition == 2


def test_a_segment_above_keeps_its_own_incident_and_both_are_resolved_once_also_after_a_rebuild() -> None:
    living = calm()
    steps = living.live(9, "send") + living.live(8, *DESKS)
    assert [(step.segment, step.action) for step in steps] == [("fr/send", "opened"), ("fr", "opened")]
    living.watches = living.rebuilt(watches=True)[1].watches
    assert {path for path in ("fr/send", "fr") if watch(living.watches, path).drop is not None} == {"fr/send", "fr"}
    steps += living.live(45)

    for opened in steps[:2]:
        later = [step.action for step in steps[2:] if step.alert_id == opened.alert_id]
        assert later.count("resolved") == 1
