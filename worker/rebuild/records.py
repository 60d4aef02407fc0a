"""Records that lie on no topic: what a stage sends is given to the next stage in memory."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import NamedTuple

from worker.flow.batch import Output


class Passed(NamedTuple):
    """An output as the record that the next stage reads. `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def passed(output: Output, timestamp: int = 0) -> Passed:
    """Return an output as a record. Its offset means nothing: the stages after the first do not look at it."""
    partition = 0 if output.partition is None else output.partition
    return Passed(output.topic, partition, 0, timestamp, output.key, output.value, output.headers)


def apply(rows: MutableMapping[bytes, bytes], changed: Mapping[bytes, bytes | None]) -> None:
    """Take changed rows over; None erases a row."""
    for key, row in changed.items():
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
