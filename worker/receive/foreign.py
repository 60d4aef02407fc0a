"""The road of a record that another program has put on a topic of its own: what its delivery becomes. Pure.

A connector, or the export of a tool, puts deliveries on Kafka as the tool would send them by HTTP. They are read by the
same adapters, and become the same records (records.py). Everything that a record causes is a function of the record, so
no table keeps more than how far each partition is processed.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from worker.errors import Rejected
from worker.flow.batch import Decided, Output, Place, Record
from worker.flow.dead_letter import dead_letter
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats.canonical import outcomes
from worker.flow.responses.formats.outcome import Ignored, Outcome, Outcomes, Refused, Why
from worker.flow.responses.formats.source import Source
from worker.flow.responses.formats.tool import Tool
from worker.flow.timestamps import LATEST
from worker.receive.records import Delivery, Recorded, records
from worker.receive.unwrapping import Unwrap, unwrapped

#: The number of records that are decided at once. Meanwhile the event loop waits, and with it the deliveries by HTTP; a
#: record takes about a tenth of a millisecond.
SLICE = 100
#: The largest number of reasons that the dead letter of one record has.
_MOST_REASONS = 10


class Reading(NamedTuple):
    """How the records of a topic are read, and where what they become is put."""

    tool: Tool
    source: Source
    unwrap: Unwrap
    #: Returns the partition of a key on the worker's own topics.
    owner: Callable[[bytes], int]
    policy: IntakePolicy
    #: Is called with each outcome, which it counts; None if nothing is counted.
    note: Callable[[Outcome], None] | None = None


def decide(batch: Sequence[Record], reading: Reading) -> Decided:
    """Decide a batch of one partition; return what its first slice causes. No row is ever written."""
    first, rest = batch[:SLICE], batch[SLICE:]
    outputs = list(chain.from_iterable(_decide_record(record, reading) for record in first))
    return Decided(outputs, {}, {}, rest=partial(decide, rest, reading) if rest else None)


def _decide_record(record: Record, reading: Reading) -> Iterator[Output]:
    value = record.value or b""
    found = outcomes(partial(_outcomes, record, reading))
    # The record's time is the clock's of another program. Whether the answer is from the future is checked when its
    # record is read from the topic of the responses, against Kafka's clock.
    recorded = records(found, Delivery(reading.source.name, value, LATEST), reading.policy)
    for one in recorded:
        if reading.note is not None:
            reading.note(one.outcome)
        if one.output is not None and not isinstance(one.outcome, Refused):
            yield _placed(one.output, record, reading)
    if reasons := list(_reasons(recorded)):
        rejected = Rejected(reasons[0].reason, "; ".join(one.detail for one in reasons[:_MOST_REASONS]))
        letter = dead_letter(record, Place(record.partition, record.offset), rejected, record.topic, reading.policy)
        yield _placed(letter, record, reading)


def _outcomes(record: Record, reading: Reading) -> Outcomes:
    """Return what a record becomes. Raise NoResponse if there is no delivery in it."""
    if record.value is None:
        return (Ignored(Why.EMPTY, "the value is null"),)
    body = unwrapped(record.value, reading.unwrap)
    return reading.tool.read(body, _headers(record), reading.source.arriving(record.timestamp))


def _headers(record: Record) -> dict[str, str]:
    """Return a record's headers as those of a request, whose names are in lower case."""
    return {name.lower(): (text or b"").decode(errors="replace") for name, text in record.headers}


def _reasons(recorded: Sequence[Recorded]) -> Iterator[Refused]:
    """Yield why answers of a record are refused. Each reason says of which answer, if the record has several."""
    for outcome, _ in recorded:
        if isinstance(outcome, Refused):
            yield outcome


def _placed(output: Output, record: Record, reading: Reading) -> Output:
    """Return an output with its partition. Without a key it is that of the record's place, so that a replay has it."""
    key = output.key or b"%b-%d-%d" % (record.topic.encode(), record.partition, record.offset)
    return Output(
        output.topic, output.key, output.value, output.headers, output.timestamp, partition=reading.owner(key)
    )
