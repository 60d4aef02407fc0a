"""The road of a silence command: it changes its silence, whose newest state is published, and it is answered.

A command names its silence. If its record is in another partition than that of the silence's id, since its key is
another one, it is moved there, with the right key. A command that is moved twice because of a crash is recognised by
its id. The state of a silence is published again by a replay; followers ignore a version that they know.
"""

from collections.abc import Callable, Iterable, Mapping

from schemas.alert_command_result import CommandOutcome
from schemas.cloudevents import SPEC_VERSION
from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Decided, Output, Overlay, Record
from worker.flow.dead_letter import dead_letter_in_place
from worker.flow.messages import silence_command
from worker.flow.messages.silence_command import Answer, Ids
from worker.flow.policy import IntakePolicy
from worker.flow.record import header
from worker.flow.silences.silence import Row, carry_out, decode, encode, is_forgotten, state_of

#: The largest number of silences in a partition that are not forgotten. Each notice is compared with all silences.
MOST = 500


def decide(
    records: Iterable[Record],
    partition: int,
    rows: Mapping[bytes, bytes],
    owner: Callable[[bytes], int],
    kept: int,
    intake: IntakePolicy,
) -> Decided:
    """Carry out the commands of a batch.

    `rows`: those of the partition, by silence id; `owner` returns the partition of a silence's id; `kept`: how long
    Kafka keeps commands, in ms.
    """
    state = _State(rows, owner, intake)
    now = 0
    for record in records:
        now = max(now, record.timestamp)
        try:
            state.take(record, partition)
        except Rejected as rejected:
            state.outputs.append(dead_letter_in_place(record, rejected, intake))
            if (ids := silence_command.ids_in(record.value)) is not None:
                answer = Answer(CommandOutcome.REFUSED, rejected=rejected)
                state.outputs.append(silence_command.answer(ids, answer, record))
    for key, packed in rows.items():
        if is_forgotten(decode(packed), now, kept) and key not in state.changed:
            state.silences.erase(key)
            state.changed.add(key)
    changed = {key: row for key, row in state.silences.rows().items() if key in state.changed}
    return Decided([*state.outputs, *(state_of(key, row) for key, row in sorted(changed.items()))], changed, {})


class _State:
    """The silences while a batch is decided."""

    def __init__(self, rows: Mapping[bytes, bytes], owner: Callable[[bytes], int], intake: IntakePolicy) -> None:
        self.silences: Overlay[Row] = Overlay(rows.get, decode, encode)
        self.outputs: list[Output] = []
        #: The ids of the silences whose rows are written.
        self.changed: set[bytes] = set()
        self._owner = owner
        self._intake = intake
        self._known = len(rows)

    def take(self, record: Record, partition: int) -> None:
        """Carry out the command of a record, or move it. Raise Rejected if it has no valid command."""
        version = header(record, "ce_specversion")
        if version is not None and version.decode(errors="replace") != SPEC_VERSION:
            raise Rejected(Reason.ENVELOPE_INVALID, f"ce_specversion: must be {SPEC_VERSION}")
        command = silence_command.read(record.value)
        key = command.silence_id.encode()
        if (home := self._owner(key)) != partition:
            self.outputs.append(Output(events.SILENCE_COMMANDS, key, record.value, partition=home))
            return
        before = self.silences.get(key)
        if before is None and self._known >= MOST:
            raise Rejected(Reason.TOO_MANY_SILENCES, f"silence_id: {MOST} silences are known already")
        after, answer = carry_out(command, before, record.timestamp)
        if after is not None:
            self._known += before is None
            self.silences.put(key, after)
            self.changed.add(key)
        if answer.rejected is not None:
            self.outputs.append(dead_letter_in_place(record, answer.rejected, self._intake))
        self.outputs.append(silence_command.answer(Ids(command.command_id, command.silence_id), answer, record))
