"""The road of a part of a response: what is known of its answer becomes more, and the response is published anew.

The row of an answer has all of its parts, since the next one may come in any order, and the tool does not repeat
them. Each part that is new makes a higher revision (formats/merging.py). A part that comes again changes nothing; so
does one that a replay brings, whose offset is not above the mark of the row.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from schemas.dead_letter import Reason
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Decided, Output, Record
from worker.flow.dead_letter import dead_letter_in_place
from worker.flow.messages import response_part
from worker.flow.messages.response_part import ResponsePart
from worker.flow.policy import IntakePolicy
from worker.flow.record import source_headers
from worker.flow.responses.formats.merging import merge
from worker.flow.responses.formats.outcome import Accepted, Part, Refused
from worker.flow.responses.merged.answer import Answer, decode, encode
from worker.flow.responses.merged.forgetting import Sweep, is_forgotten

#: The largest size of a row, in bytes. A record of Kafka has room for it, and for the response that is made of it.
LARGEST = 500_000


class Batch(NamedTuple):
    """Records of one partition of the topic of the parts."""

    #: The records, in the order of their offsets.
    records: Iterable[Record]
    #: The latest Kafka time of all earlier records of the partition, in ms.
    latest_time: int
    #: Finds answers that are forgotten.
    sweep: Sweep


def decide(
    batch: Batch, rows: Mapping[bytes, bytes], owner: Callable[[bytes], int], kept: int, intake: IntakePolicy
) -> Decided:
    """Put the parts of a batch together with those that came before.

    `rows`: those of the partition, by response id; `owner` returns the partition of a customer; `kept`: how long an
    answer is known after its last part, in ms.
    """
    changed: dict[bytes, bytes | None] = {}
    outputs: list[Output] = []
    time = batch.latest_time
    for record in batch.records:
        time = max(time, record.timestamp)
        key = record.key or b""
        row = changed.get(key, rows.get(key))
        before = Answer() if row is None or is_forgotten(row, time, kept) else decode(row)
        if record.offset <= before.mark:
            continue  # this is a replay: its outputs were acknowledged before the row was written
        try:
            message = response_part.read(record)
            after, response = _with_part(message, record, before)
        except Rejected as rejected:
            outputs.append(dead_letter_in_place(record, rejected, intake))
            continue
        if after is not None:
            changed[key] = after
        if response is not None:
            home = None if response.key is None else owner(response.key)
            headers = source_headers(message.source)
            outputs.append(Output(events.RESPONSES, response.key, response.value, headers, partition=home))
    return Decided(outputs, batch.sweep.changes(time, kept) | changed, {}, latest_time=time)


def _with_part(message: ResponsePart, record: Record, before: Answer) -> tuple[bytes | None, Accepted | None]:
    """Return the row after a part, and the response to publish. None stands for a row that stays, and no response.

    Raise Rejected if the part cannot be accepted. It then does not change the row.
    """
    part = Part(message.response_id, message.part, message.at, message.fields)
    try:
        known, outcome = merge(before.known, part)
        row = encode(Answer(known, record.offset, record.timestamp))
    except RecursionError:
        raise Rejected(Reason.TOO_DEEP, "the values are nested too deeply") from None
    if isinstance(outcome, Refused):
        raise Rejected(outcome.reason, outcome.detail)
    if known == before.known:
        return None, None
    if len(row) > LARGEST:
        raise Rejected(Reason.TOO_LARGE, f"the parts of this answer have {len(row)} bytes, at most {LARGEST} are kept")
    return row, outcome if isinstance(outcome, Accepted) else None
