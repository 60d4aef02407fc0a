"""The road of a silence: it is added, prolonged and ended by commands, and once it is over, nothing brings it back."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from flow.carrying import at_home, spread
from flow.records import DAY, HOUR, NOW, Record
from hypothesis import given
from hypothesis import strategies as st

from schemas.silence import Silence
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.policy import IntakePolicy
from worker.flow.silences import road
from worker.flow.silences.silence import LONGEST, decode, encode, row_of, state_of
from worker.flow.timestamps import from_ms
from worker.notify.silenced import KnownSilences
from worker.rebuild.records import apply
from worker.rebuild.silences import SilencesAgain

KEPT = 30 * DAY
UNTIL = NOW + 2 * HOUR


def command(action: str = "add", **changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {"command_id": f"k-{action}", "silence_id": "s-1", "action": action, "actor": "anna"}
    if action == "add":
        usual |= {"match": {"segment": "/fr/lyon/"}, "until": from_ms(UNTIL).isoformat(), "reason": "a strike"}
    given = {key: value for key, value in (usual | changes).items() if value is not None}
    return (
        {key: from_ms(value).isoformat() if key == "until" else value for key, value in given.items()}
        if (isinstance(given.get("until"), int))
        else given
    )


class Lane:
    """One partition of the commands, and its rows. What is published is kept."""

    def __init__(self, owner: Callable[[bytes], int] = at_home, partition: int = 0) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.sent: list[Output] = []
        self._owner, self._partition = owner, partition
        self._offset = 0

    def take(self, *commands: dict[str, Any] | bytes | None, at: int = NOW, **more: Any) -> list[Output]:
        values = [json.dumps(one).encode() if isinstance(one, dict) else one for one in commands]
        records = []
        for value in values:
            self._offset += 1
            records.append(
                Record(value, b"s-1", self._offset, self._partition, at, topic="nps.silence-commands", **more)
            )
        return self.decide(records)

    def decide(self, records: Sequence[Record]) -> list[Output]:
        decided = road.decide(records, self._partition, self.rows, self._owner, KEPT, IntakePolicy())
        apply(self.rows, decided.rows)
        self.sent += decided.outputs
        return decided.outputs


def bodies(outputs: Iterable[Output], topic: str) -> list[dict[str, Any]]:
    return [json.loads(output.value or b"null") for output in outputs if output.topic == topic]


def answers(outputs: Iterable[Output]) -> list[tuple[str, str | None, int | None]]:
    found = bodies(outputs, events.SILENCE_COMMAND_RESULTS)
    return [(one["outcome"], one["reason"], one["version"]) for one in found]


def states(outputs: Iterable[Output]) -> list[tuple[int, str]]:
    return [(one["version"], one["state"]) for one in bodies(outputs, events.SILENCES)]


def test_a_silence_is_added_prolonged_and_ended() -> None:
    lane = Lane()
    added = lane.take(command())
    assert answers(added) == [("applied", None, 1)]
    (state,) = bodies(added, events.SILENCES)
    assert Silence.model_validate_json(json.dumps(state)).match.segment == "fr/lyon"
    assert (state["created_by"], state["reason"], state["ended_at"]) == ("anna", "a strike", None)

    prolonged = lane.take(command(command_id="k-2", until=UNTIL + HOUR, actor="bob"), at=NOW + 1)
    assert answers(prolonged) == [("applied", None, 2)]
    (state,) = bodies(prolonged, events.SILENCES)
    assert (state["created_by"], state["changed_by"]) == ("anna", "bob")
    assert state["until"] == from_ms(UNTIL + HOUR).isoformat().replace("+00:00", "Z")

    ended = lane.take(command("end", actor="carla"), at=NOW + 2)
    assert answers(ended) == [("applied", None, 3)]
    assert states(ended) == [(3, "ended")]


def test_each_command_is_answered_the_same_however_often_it_comes() -> None:
    lane = Lane()
    first = [lane.take(command()), lane.take(command("end"), at=NOW + 1), lane.take(command(command_id="k-3"))]
    again = [lane.take(command()), lane.take(command("end"), at=NOW + 9), lane.take(command(command_id="k-3"))]
    assert [answers(one) for one in again] == [answers(one) for one in first]
    assert answers(first[2]) == [("refused", "silence_over", 2)]
    assert [states(one) for one in again] == [[(2, "ended")]] * 3


@pytest.mark.parametrize(
    ("given", "at", "reason"),
    [
        (command("end"), NOW, "silence_unknown"),
        (command(), UNTIL, "time_past"),
        (command(until=NOW + LONGEST + 1), NOW, "out_of_range"),
        (command(match=None), NOW, "missing_field"),
        (command(match={}), NOW, "missing_field"),
        (command(match={"receivers": []}), NOW, "missing_field"),
        (command(match={"tier": ["vip"]}), NOW, "wrong_type"),
        (command(match={"tiers": [" "]}), NOW, "wrong_type"),
        (command(match={"kinds": ["detractors"]}), NOW, "wrong_type"),
        (command(until=None), NOW, "missing_field"),
        (command(until="tomorrow"), NOW, "wrong_type"),
        (command(reason=None), NOW, "missing_field"),
        (command(reason="r" * 501), NOW, "too_large"),
        (command(reason=" \u202e "), NOW, "missing_field"),
        (command(silence_id="  a b "), NOW, "id_control_character"),
        (command(silence_id="s-\u202e1"), NOW, "id_control_character"),
        (command(actor=""), NOW, "id_empty"),
    ],
)
def test_a_wrong_command_is_a_dead_letter_and_is_answered_with_the_reason(
    given: dict[str, Any], at: int, reason: str
) -> None:
    lane = Lane()
    outputs = lane.take(given, at=at)
    assert [(outcome, why) for outcome, why, _ in answers(outputs)] == [("refused", reason)]
    assert [letter["reason"] for letter in bodies(outputs, events.DEAD_LETTERS)] == [reason]
    assert not lane.rows


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b"{}", b'{"silence_id": "s-1"}', b"\xff", b"x" * 70_000])
def test_what_is_no_command_is_a_dead_letter_only(value: bytes | None) -> None:
    assert [output.topic for output in Lane().take(value)] == [events.DEAD_LETTERS]


def test_a_reason_is_one_line_that_reads_as_it_was_written() -> None:
    outputs = Lane().take(command(reason=" a strike\nof \x1b[31mthe \u202edepot "))
    assert [one["reason"] for one in bodies(outputs, events.SILENCES)] == ["a strike of [31mthe depot"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"silence_id": "s-\x1b[31m"}, "id_control_character"),
        ({"silence_id": ""}, "id_empty"),
        ({"silence_id": None}, "wrong_type"),
    ],
)
def test_a_command_whose_silence_is_named_wrongly_is_answered_by_the_id_of_the_command(
    given: dict[str, Any], reason: str
) -> None:
    outputs = Lane().take(command() | given)
    (result,) = bodies(outputs, events.SILENCE_COMMAND_RESULTS)
    assert (result["command_id"], result["silence_id"], result["reason"]) == ("k-add", "", reason)
    assert [output.key for output in outputs if output.topic == events.SILENCE_COMMAND_RESULTS] == [b"k-add"]


def test_a_command_that_is_too_large_is_answered() -> None:
    (result,) = bodies(Lane().take(command(reason="r" * 900_000)), events.SILENCE_COMMAND_RESULTS)
    assert (result["silence_id"], result["outcome"], result["reason"]) == ("s-1", "refused", "too_large")


def test_another_version_of_the_envelope_is_refused() -> None:
    outputs = Lane().take(command(), headers=[("ce_specversion", b"2.0")])
    assert answers(outputs) == [("refused", "envelope_invalid", None)]


def test_a_command_in_another_partition_is_moved_to_that_of_its_silence_and_nothing_else_happens() -> None:
    home = spread(b"s-1")
    stranger = Lane(spread, (home + 1) % 4)
    (moved,) = stranger.take(command())
    assert (moved.topic, moved.key, moved.partition) == (events.SILENCE_COMMANDS, b"s-1", home)
    assert not stranger.rows

    lane = Lane(spread, home)
    # A crash has it moved twice, and the end comes in between.
    assert answers(lane.take(moved.value, command("end"), moved.value)) == [
        ("applied", None, 1),
        ("applied", None, 2),
        ("applied", None, 1),
    ]
    assert states(lane.sent) == [(2, "ended")]


def test_a_silence_that_is_over_by_its_time_cannot_be_used_again_and_need_not_be_ended() -> None:
    lane = Lane()
    lane.take(command())
    assert answers(lane.take(command("end"), at=UNTIL)) == [("unchanged", None, 1)]
    late = command(command_id="k-3", until=UNTIL + DAY)
    assert answers(lane.take(late, at=UNTIL)) == [("refused", "silence_over", 1)]


def test_the_same_wish_again_changes_nothing() -> None:
    lane = Lane()
    lane.take(command())
    assert answers(lane.take(command(command_id="k-2"))) == [("unchanged", None, 1)]


def test_a_silence_is_forgotten_once_kafka_has_none_of_its_commands_any_more() -> None:
    lane = Lane()
    lane.take(command())
    assert states(lane.take(command("end", silence_id="s-2"), at=UNTIL + KEPT)) == []
    outputs = lane.take(command("end", silence_id="s-2"), at=UNTIL + KEPT + 1)
    assert [(output.key, output.value) for output in outputs if output.topic == events.SILENCES] == [(b"s-1", None)]
    assert not lane.rows


def test_an_end_long_before_its_time_is_remembered_until_then() -> None:
    lane = Lane()
    lane.take(command(until=NOW + 300 * DAY))
    lane.take(command("end"), at=NOW + 1)
    lane.take(command("end", silence_id="s-2"), at=NOW + 200 * DAY)
    assert decode(lane.rows[b"s-1"]).ended_at == NOW + 1


def test_there_are_not_more_silences_than_every_notice_can_be_compared_with() -> None:
    lane = Lane()
    outputs = lane.take(*(command(silence_id=f"s-{number}") for number in range(road.MOST + 1)))
    assert [outcome for outcome, *_ in answers(outputs)].count("applied") == road.MOST
    assert answers(outputs)[-1][:2] == ("refused", "too_many_silences")


def test_a_row_and_its_state_say_the_same() -> None:
    lane = Lane()
    lane.take(command(), command("end"))
    row = decode(lane.rows[b"s-1"])
    state = Silence.model_validate_json(state_of(b"s-1", lane.rows[b"s-1"]).value or b"")
    row.commands = []
    assert row_of(state) == row
    assert state_of(b"s-1", None).value is None


def test_lost_rows_are_made_again_from_the_newest_states() -> None:
    lane = Lane()
    lane.take(command())
    lane.take(command("end"), at=NOW + 1)
    topic = [Record(output.value, output.key) for output in lane.sent if output.topic == events.SILENCES]
    again = SilencesAgain()
    again.take([*topic, topic[0], Record(b"noise", b"s-9")])
    row = decode(lane.rows[b"s-1"])
    row.commands = []
    assert again.rows == {b"s-1": encode(row)}
    again.take([Record(None, b"s-1")])
    assert not again.rows
    # The silence was forgotten. Another one may have its id, and begins with version 1.
    again.take([topic[0]])
    assert again.rows.keys() == {b"s-1"}


COMMANDS = st.lists(
    st.tuples(st.sampled_from(["add", "end"]), st.integers(0, 3), st.integers(-1, 5), st.integers(0, 3)), max_size=12
)


@given(wishes=COMMANDS, data=st.data())
def test_no_replay_no_order_of_repeats_and_no_compaction_revives_a_silence_that_was_ended(
    wishes: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    """Each wish: what, the number of the command's id, the hour of `until`, and how many hours have passed."""
    lane, now = Lane(), NOW
    records: list[Record] = []
    for offset, (action, number, hours, passed) in enumerate(wishes):
        now += passed * HOUR
        until = {"until": now + hours * HOUR} if action == "add" else {}
        value = json.dumps(command(action, command_id=f"{action}-{number}", **until)).encode()
        records.append(Record(value, b"s-1", offset, 0, now, topic="nps.silence-commands"))
        lane.decide(records[-1:])
        if data.draw(st.booleans()):  # a crash: the last batches are decided again, on the rows as they are
            lane.decide(records[data.draw(st.integers(0, offset)) :])
    if not lane.rows:
        return
    row = decode(lane.rows[b"s-1"])
    log = [output for output in lane.sent if output.topic == events.SILENCES]
    # Whoever reads only the newest record of the key, as after a compaction, knows what those know who have read all,
    # and those to whom old records come again in any order.
    whole = [output.value for output in log]
    for order in ([whole[-1]], whole, [*whole, *data.draw(st.permutations(whole))]):
        known = KnownSilences()
        for state in order:
            known.take(b"s-1", state)
        found = known.find("s-1")
        assert found is not None
        assert found.state.version == row.version
        assert found.hold.until == (row.ended_at or row.until)
    versions = [version for version, _ in states(lane.sent)]
    assert versions == sorted(versions)
    ends = [version for version, state in states(lane.sent) if state == "ended"]
    assert not ends or set(ends) == {row.version}
