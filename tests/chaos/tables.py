"""The worker's tables, read from their changelogs by the documented form and none of the worker's code.

A value begins with a fence of eight bytes, big-endian; a null value has it in the header "fence". A record counts
unless one with a higher fence came before it in its partition. The rows are msgpack, lists in place of records.
"""

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from aiokafka import ConsumerRecord
from msgspec import msgpack

_HEAD = b"\x00head"
#: The row that says when the last tick was.
CLOCK = b"\x00clock"
Log = Iterable["ConsumerRecord[bytes, bytes]"]


class Table(NamedTuple):
    """Rows by key, over all partitions; and per partition the offset up to which all rows are there."""

    rows: dict[bytes, bytes]
    marks: dict[int, int]


def read(log: Log) -> Table:
    """Return what a changelog says; its records in order within each partition."""
    rows: dict[bytes, bytes] = {}
    fences: dict[int, int] = {}
    marks: dict[int, int] = {}
    for record in log:
        fence = _fence(record)
        if fence is not None:
            if fence < fences.get(record.partition, 0):
                continue
            fences[record.partition] = fence
        key = record.key or b""
        if key == _HEAD:
            marks[record.partition] = msgpack.decode(record.value[8:])[0]
        elif record.value is None:
            rows.pop(key, None)
        else:
            rows[key] = record.value[8:]
    return Table(rows, marks)


def compacted(log: Log) -> list["ConsumerRecord[bytes, bytes]"]:
    """Return what is left once compaction has done all that it may: the last record of each key."""
    last = {(record.partition, record.key): record for record in log}
    return sorted(last.values(), key=lambda record: (record.partition, record.offset))


def _fence(record: "ConsumerRecord[bytes, bytes]") -> int | None:
    fenced = record.value if record.value is not None else dict(record.headers).get("fence")
    return None if fenced is None else int(struct.unpack_from(">Q", fenced)[0])


def responses(contacts: Table) -> list[str]:
    """Return the ids of all responses in the customers' histories."""
    return [answer[0] for row in contacts.rows.values() for answer in msgpack.decode(row)[1]]


def windows(segments: Table) -> dict[str, dict[str, list[int]]]:
    """Return each segment's histogram of each window."""
    return {key.decode(): _windows(msgpack.decode(row)) for key, row in segments.rows.items() if key != CLOCK}


def ends(segments: Table) -> dict[str, float]:
    """Return where each segment's windows end, in seconds."""
    return {key.decode(): msgpack.decode(row)[3][0] / 1_000 for key, row in segments.rows.items() if key != CLOCK}


def _windows(row: list[Any]) -> dict[str, list[int]]:
    _, total, (_, _, scores, *_), (_, _, totals, shape, *_), *_ = row
    last = [scores[-100:].count(score) for score in range(11)]
    return {"all": total, "last_100": last, **dict(zip(shape.split(","), totals, strict=True))}


def customers(outbox: Table) -> set[bytes]:
    """Return whose mails are in the outbox."""
    return {key.partition(b"\0")[0] for key in outbox.rows}
