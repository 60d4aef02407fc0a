"""Records that are on no topic: what one stage sends is given to the next stage in memory."""

from collections.abc import Mapping, MutableMapping

from worker.flow.batch import MemoryRecord, Output


def as_record(output: Output, timestamp: int = 0) -> MemoryRecord:
    """Return an output as a record. Its offset is 0, since only the first stage reads offsets."""
    partition = 0 if output.partition is None else output.partition
    return MemoryRecord(output.topic, partition, 0, timestamp, output.key, output.value, output.headers)


def apply(rows: MutableMapping[bytes, bytes], changed: Mapping[bytes, bytes | None]) -> None:
    """Apply changes to rows; None erases a row."""
    for key, row in changed.items():
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
