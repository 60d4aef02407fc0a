"""A partition's table as streams/lane.py keeps it, without Kafka: rows, and what the head row says."""

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

from flow.records import HERE, POLICY, SECRET, TOPIC, Record
from nps.making import numbers

from worker.flow import events
from worker.flow.batch import Decided, Output
from worker.flow.batch import Record as AnyRecord
from worker.flow.messages import tally
from worker.flow.policy import Policy
from worker.flow.record import ORIGIN_HEADER
from worker.flow.responses import road
from worker.flow.responses.expiry import Sweep
from worker.flow.responses.moved import Holders
from worker.nps.segment import Move
from worker.routing.routable import Routable
from worker.routing.service_level import Work

#: What distinguishes an output from all others: its topic, its key and its id.
Identity = tuple[str, bytes | None, object]

PARTITIONS = 4


def at_home(key: bytes) -> int:
    """Put every key into partition 0."""
    del key
    return 0


def spread(key: bytes) -> int:
    """Put keys into four partitions."""
    return crc32(key) % PARTITIONS


class Partition:
    """One partition's rows and head row. The caller decides what survives a crash."""

    def __init__(self, number: int = 0, owner: Callable[[bytes], int] = at_home, policy: Policy | None = None) -> None:
        self.number = number
        self.owner = owner
        self.policy = policy or POLICY
        self.rows: dict[bytes, bytes] = {}
        self.holders = Holders(self.rows)
        self.sweep: Sweep | None = Sweep(self.rows)
        self.partitions = 1
        self.mark = -1
        self.rerouted: Mapping[int, int] = {}
        self.latest_time = 0
        self.work: Callable[[Routable], Work] | None = None

    def decide(self, records: Sequence[AnyRecord]) -> Decided:
        """Decide what the mark leaves of a batch; nothing is written."""
        due = [record for record in records if record.offset > self.mark]
        batch = road.Batch(
            due,
            self.number,
            TOPIC,
            HERE,
            self.rerouted,
            SECRET,
            partitions=self.partitions,
            holders=self.holders,
            sweep=self.sweep,
            latest_time=self.latest_time,
            work=self.work,
        )
        return road.decide(batch, self.policy, self.rows.get, self.owner)

    def write(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Write rows, without the head row."""
        for key, row in rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row

    def carry(self, records: Sequence[AnyRecord]) -> list[Output]:
        """Decide a batch and write all of it; return the outputs."""
        decided = self.decide(records)
        self.write(decided.rows)
        if records:
            self.mark = max(self.mark, records[-1].offset)
        self.rerouted = {**self.rerouted, **decided.rerouted}
        self.latest_time = decided.latest_time
        return decided.outputs


def numbered(records: Sequence[Record], partition: int = 0) -> list[Record]:
    """Return the records as one partition's log: offsets counted up."""
    return [record._replace(offset=n, partition=partition) for n, record in enumerate(records)]


def header_of(output: Output, name: str) -> bytes | None:
    """Return an output's header."""
    return dict(output.headers).get(name)


def entries_of(output: Output) -> dict[tuple[str, int], list[tuple[int, ...] | Move]]:
    """Return a tally's entries by segment and source, in their order."""
    message = tally.decode(output.value or b"")
    found = {}
    for path, entries in message.segments.items():
        put = numbers(entries)
        plain: list[tuple[int, ...] | Move] = [tuple(put[first : first + 4]) for first in range(0, len(put), 4)]
        ordered = sorted([*plain, *entries.moves], key=_offset_of)
        found[path, message.source] = ordered
    return found


def _offset_of(entry: tuple[int, ...] | Move) -> int:
    return entry.offset if isinstance(entry, Move) else entry[0]


def identities(outputs: Sequence[Output]) -> set[Identity]:
    """Return what receivers recognise the outputs by. Of a tally, these are the sources and offsets of its entries.

    A segment counts the first entry of an offset only: what a replay says of it again, after a crash that left some of
    the batch's rows, may be less.
    """
    found: set[Identity] = set()
    counted: set[tuple[tuple[str, int], int]] = set()
    for output in outputs:
        if output.topic == events.TALLIES:
            for place, entries in entries_of(output).items():
                new = [entry for entry in entries if (place, _offset_of(entry)) not in counted]
                counted |= {(place, _offset_of(entry)) for entry in new}
                found |= {(output.topic, None, (place, entry)) for entry in new}
        elif output.topic == events.CASES:
            found.add((output.topic, output.key, output.value))
        else:
            name = ORIGIN_HEADER if output.topic == events.RESPONSES else "ce_id"
            found.add((output.topic, output.key, header_of(output, name)))
    return found
