"""A silence as its row has it, and what each command makes of it. Pure.

A silence is over at its time `until`, or when somebody ends it, whichever is first. One that is over stays so: its id
cannot be used again. Its row stays until nothing can bring an earlier state back (`is_forgotten`). Each change has a
higher version, by which those who follow the silences know the newest state.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from schemas.alert import Severity
from schemas.alert_command_result import CommandOutcome
from schemas.dead_letter import Reason
from schemas.emitted import emitted
from schemas.silence import Silence, SilenceMatch, SilenceState
from schemas.silence_command import SilenceAction, SilenceCommand
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Output
from worker.flow.ids import id_hash, make_id
from worker.flow.messages.silence_command import Answer
from worker.flow.timestamps import DAY, LATEST, from_ms, rfc3339, to_ms

#: The longest time from a command to the end of its silence, in ms. A year's mistake should not last for ever.
LONGEST = 366 * DAY
#: The number of commands that a silence remembers, so that a command which comes again changes nothing.
COMMANDS_KEPT = 16
_DETAILS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.SILENCE_UNKNOWN: "silence_id: there is no such silence",
        Reason.SILENCE_OVER: "silence_id: this silence is over; add one with another id",
        Reason.TIME_PAST: "until: is not later than now",
        Reason.OUT_OF_RANGE: "until: must be at most 366 days from now",
    }
)


class Match(msgspec.Struct, array_like=True, frozen=True):
    """The matchers, as in SilenceMatch. Its stored form depends on the order of the fields."""

    segment: str
    kinds: list[str]
    severities: list[Severity]
    tiers: list[str]
    languages: list[str]
    surveys: list[str]
    receivers: list[str]


class KnownCommand(msgspec.Struct, array_like=True, frozen=True):
    """A command that was decided. Its stored form depends on the order of the fields."""

    hashed: int
    outcome: CommandOutcome
    version: int
    reason: Reason | None = None


class Row(msgspec.Struct, array_like=True):
    """The row of a silence. Times are in ms. Its stored form depends on the order of the fields."""

    version: int
    match: Match
    until: int
    reason: str
    created_by: str
    created_at: int
    changed_by: str
    changed_at: int
    #: When somebody ended it; 0 if nobody has.
    ended_at: int = 0
    #: The newest commands, in their order.
    commands: list[KnownCommand] = []

    def is_over(self, now: int) -> bool:
        """Say whether it is over at a time, in ms. One that was ended is over at any time: clocks may go back."""
        return bool(self.ended_at) or self.until <= now

    def known(self, command: SilenceCommand) -> KnownCommand | None:
        """Return what a command was answered with that has come again; None if it is new."""
        hashed = id_hash(command.command_id)
        return next((known for known in self.commands if known.hashed == hashed), None)

    def remember(self, command: SilenceCommand, answer: Answer) -> None:
        """Keep the answer to a command."""
        reason = None if answer.rejected is None else Reason(answer.rejected.reason)
        known = KnownCommand(id_hash(command.command_id), answer.outcome, self.version, reason)
        self.commands = [*self.commands, known][-COMMANDS_KEPT:]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Row).decode

_Silence, _Match = emitted(Silence), emitted(SilenceMatch)


def refused(reason: Reason, version: int | None = None) -> Answer:
    """Return the answer to a command that is refused because of the silence or the time."""
    return Answer(CommandOutcome.REFUSED, version, Rejected(reason, _DETAILS[reason]))


def carry_out(command: SilenceCommand, row: Row | None, now: int) -> tuple[Row | None, Answer]:
    """Carry out a command on the row of its silence, which is None if there is none. Return the row, and the answer.

    `now`: the Kafka time of the command, in ms.
    """
    if row is not None and (known := row.known(command)) is not None:
        rejected = None if known.reason is None else Rejected(known.reason, _DETAILS[known.reason])
        return row, Answer(known.outcome, known.version, rejected)
    row, answer = (_add if command.action is SilenceAction.ADD else _end)(command, row, now)
    if row is not None:
        row.remember(command, answer)
    return row, answer


def _add(command: SilenceCommand, row: Row | None, now: int) -> tuple[Row | None, Answer]:
    assert command.match is not None
    assert command.until is not None
    version = None if row is None else row.version
    if row is not None and row.is_over(now):
        return row, refused(Reason.SILENCE_OVER, version)
    until = to_ms(command.until)
    if until <= now:
        return row, refused(Reason.TIME_PAST, version)
    if until > min(now + LONGEST, LATEST):
        return row, refused(Reason.OUT_OF_RANGE, version)
    match = Match(**command.match.model_dump())
    reason = command.reason or ""
    if row is None:
        row = Row(1, match, until, reason, command.actor, now, command.actor, now)
        return row, Answer(CommandOutcome.APPLIED, row.version)
    if (match, until, reason) == (row.match, row.until, row.reason):
        return row, Answer(CommandOutcome.UNCHANGED, row.version)
    row.match, row.until, row.reason = match, until, reason
    return row, _changed(row, command, now)


def _end(command: SilenceCommand, row: Row | None, now: int) -> tuple[Row | None, Answer]:
    if row is None:
        return None, refused(Reason.SILENCE_UNKNOWN)
    if row.is_over(now):
        return row, Answer(CommandOutcome.UNCHANGED, row.version)
    row.ended_at = now
    return row, _changed(row, command, now)


def _changed(row: Row, command: SilenceCommand, now: int) -> Answer:
    row.version += 1
    row.changed_by, row.changed_at = command.actor, now
    return Answer(CommandOutcome.APPLIED, row.version)


def is_forgotten(row: Row, now: int, kept: int) -> bool:
    """Say whether a silence that is over need not be known any more.

    `kept`: how long Kafka keeps a command at most, in ms. Until then, the commands before the end may be read again.
    """
    return max(row.until, row.changed_at) + kept < now


def row_of(state: Silence) -> Row:
    """Return the row of a silence whose state is known only from its topic. It remembers no commands."""
    return Row(
        version=state.version,
        match=Match(**state.match.model_dump()),
        until=to_ms(state.until),
        reason=state.reason,
        created_by=state.created_by,
        created_at=to_ms(state.created_at),
        changed_by=state.changed_by,
        changed_at=to_ms(state.changed_at),
        ended_at=0 if state.ended_at is None else to_ms(state.ended_at),
    )


def state_of(silence_id: bytes, packed: bytes | None) -> Output:
    """Return the record on the topic of the silences about a row; its value is null if there is no row."""
    if packed is None:
        return Output(events.SILENCES, silence_id, None)
    row = decode(packed)
    body = _Silence(
        silence_id=silence_id.decode(),
        version=row.version,
        state=SilenceState.ENDED if row.ended_at else SilenceState.ADDED,
        match=_Match(**msgspec.structs.asdict(row.match)),
        until=from_ms(row.until),
        reason=row.reason,
        created_by=row.created_by,
        created_at=from_ms(row.created_at),
        changed_by=row.changed_by,
        changed_at=from_ms(row.changed_at),
        ended_at=from_ms(row.ended_at) if row.ended_at else None,
    )
    event_id = make_id("silence", body.silence_id, row.version)
    return events.output(events.SILENCE, silence_id, body, event_id, rfc3339(row.changed_at))
