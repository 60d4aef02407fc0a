"""The road of a record that another program has put on a topic of its own: what its delivery becomes. Pure.

A connector, or the export of a tool, puts deliveries on Kafka as the tool would send them by HTTP. They are read by the
same adapters, and become the same records (records.py). Everything that a record causes is a function of the record, so
no table keeps more than how far each partition is processed.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from worker.flow.batch import Decided, Output, Place, Record
from worker.flow.dead_letter import dead_letter
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats.canonical import outcomes
from worker.flow.responses.formats.outcome import Ignored, Outcome, Outcomes, Why
from worker.flow.responses.formats.source import Source
from worker.flow.responses.formats.tool import Tool
from worker.flow.timestamps import LATEST
from worker.receive.records import Delivery, Recorded, accepted_records, rejection
from worker.receive.unwrapping import Unwrap, unwrapped

#: The number of outcomes after which a slice ends; each record has one or more. Meanwhile the event loop waits, and
#: with it the deliveries by HTTP; an outcome takes about a tenth of a millisecond.
SLICE = 100


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
    outputs, count, done = list[Output](), 0, 0
    while done < len(batch) and count < SLICE:
        record = batch[done]
        recorded = _recorded(record, reading)
        outputs += _outputs(record, recorded, reading)
        count += len(recorded)
        done += 1
    rest = batch[done:]
    return Decided(outputs, {}, {}, rest=partial(decide, rest, reading) if rest else None)


def _recorded(record: Record, reading: Reading) -> list[Recorded]:
    found = outcomes(partial(_outcomes, record, reading))
    # The record's time is the clock's of another program. Whether the answer is from the future is checked when its
    # record is read from the topic of the responses, against Kafka's clock.
    delivery = Delivery(reading.source.name, record.value or b"", LATEST)
    return accepted_records(found, delivery, reading.policy)


def _outputs(record: Record, recorded: Sequence[Recorded], reading: Reading) -> Iterator[Output]:
    for one in recorded:
        if reading.note is not None:
            reading.note(one.outcome)
        if one.output is not None:
            yield _placed(one.output, record, reading)
    if (rejected := rejection(recorded)) is not None:
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


def _placed(output: Output, record: Record, reading: Reading) -> Output:
    """Return an output with its partition. Without a key it is that of the record's place, so that a replay has it."""
    key = output.key or b"%b-%d-%d" % (record.topic.encode(), record.partition, record.offset)
    return Output(
        output.topic, output.key, output.value, output.headers, output.timestamp, partition=reading.owner(key)
    )
