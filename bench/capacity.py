"""What a plan of the capacity rests on, without Kafka: python -m bench.capacity. See docs/capacity.md.

It prints the memory of customers' rows, the bytes of the records that a response causes, how evenly customers are
spread over partitions, and what the partition of the root segment takes at large rates.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from bench.feed import Feed
from worker.app import calm_collector
from worker.flow import events
from worker.flow.batch import MemoryRecord, Output, Record
from worker.flow.policy import Policy
from worker.flow.segments import road as segments
from worker.kafka.partitioner import partition_of
from worker.rebuild.answers import Answers
from worker.rebuild.records import apply, as_record

#: Customers whose rows are weighed, and how many answers each of them gives on average.
_CUSTOMERS, _ANSWERS = 300, (1, 4, 16, 64)
#: Responses to a batch.
_TOGETHER = 500
#: The topic on which the changed rows of customers are written.
_CHANGELOG = "changelog of contacts"
#: Responses whose records are weighed.
_RESPONSES = 20_000
#: Customers that are spread, and over how many partitions.
_SPREAD, _PARTITIONS = 1_000_000, (4, 16, 64, 256)
#: Responses a second, and with how many partitions, for the root segment.
_RATES = ((100, 4), (1_000, 16), (10_000, 64))
#: How often a second the tallies of a partition are sent: at each checkpoint.
_TALLIES_A_SECOND = 2
#: The key of the root segment, to which every answer counts.
_ROOT = b""
_SECRET = bytes(range(32))


class _Given(NamedTuple):
    """Responses as records, by partition; each of them has its place there as its offset."""

    partitions: list[list[Record]]
    answers: Answers


def main() -> None:
    """Print all figures."""
    calm_collector()
    print("customers' rows:")
    for count in _ANSWERS:
        print(f"  {count:2} answers each on average: {_customer_bytes(count):,.0f} bytes of memory for a customer")
    print("records that a response causes, before compression:")
    for topic, (number, size) in sorted(_record_bytes().items()):
        print(f"  {topic:22} {number:5.2f} records, {size:6,.0f} bytes")
    print(f"the partition with the most of {_SPREAD:,} customers, compared with the average:")
    for partitions, times in _busiest().items():
        print(f"  {partitions:3} partitions: {times:.2f} times as many")
    print("CPU of the partition that counts the root segment:")
    for rate, partitions in _RATES:
        print(f"  {rate:6,} responses/s, {partitions:3} partitions: {_root_share(rate, partitions):6.1%} of a core")


def _given(feed: Feed) -> _Given:
    """Return responses, and what decides them."""
    owner, now = partition_of(feed.partitions), int(time.time() * 1_000)
    partitions: list[list[Record]] = [[] for _ in range(feed.partitions)]
    for key, value in feed.responses():
        records = partitions[owner(key)]
        records.append(MemoryRecord(events.RESPONSES, owner(key), len(records), now, key, value, []))
    home = f"bench/{events.RESPONSES}"
    return _Given(partitions, Answers(feed.partitions, Policy(), events.RESPONSES, home, _SECRET, owner))


def _customer_bytes(answers: int) -> float:
    """Return the memory of a customer's row, with its key and its place in the dictionary."""
    given = _given(Feed(_CUSTOMERS * answers, customers=_CUSTOMERS, known=_CUSTOMERS, partitions=1))
    [records] = given.partitions
    for first in range(0, len(records), _TOGETHER):
        given.answers.decide(0, records[first : first + _TOGETHER])
    [rows] = given.answers.rows
    return (sys.getsizeof(rows) + sum(sys.getsizeof(key) + sys.getsizeof(row) for key, row in rows.items())) / len(rows)


def _record_bytes() -> dict[str, tuple[float, float]]:
    """Return how many records a response causes on each topic, and the bytes of their keys, values and headers.

    Each response is decided by itself, as at ordinary rates.
    """
    given = _given(Feed(_RESPONSES, partitions=1))
    numbers: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for record in given.partitions[0]:
        caused = [Output(events.RESPONSES, record.key, record.value), *given.answers.decide(0, [record])]
        for output in caused:
            numbers[output.topic] += 1
            sizes[output.topic] += _size(output)
        row = given.answers.rows[0].get(record.key or b"", b"")
        numbers[_CHANGELOG] += 1
        sizes[_CHANGELOG] += len(record.key or b"") + len(row)
    return {topic: (number / _RESPONSES, sizes[topic] / _RESPONSES) for topic, number in numbers.items()}


def _size(output: Output) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in output.headers)
    return len(output.key or b"") + len(output.value or b"") + headers


def _busiest() -> dict[int, float]:
    """Return how many times as many customers as the average the fullest partition has, by number of partitions.

    The numbers of partitions divide the largest one, so a key's place among fewer partitions follows from its place
    among the most.
    """
    owner = partition_of(max(_PARTITIONS))
    counts = Counter(owner(b"c-%d" % number) for number in range(_SPREAD))
    found = {}
    for partitions in _PARTITIONS:
        few: Counter[int] = Counter()
        for place, count in counts.items():
            few[place % partitions] += count
        found[partitions] = max(few.values()) * partitions / _SPREAD
    return found


def _root_share(rate: int, partitions: int) -> float:
    """Return the share of a core that it takes to count the root's partition of segments once a second.

    All segments of this partition are counted, which are the more the fewer partitions there are. The first second
    creates the rows, and the second one is measured.
    """
    given = _given(Feed(2 * rate, partitions=partitions))
    owner = partition_of(partitions)
    place = owner(_ROOT)
    rows: dict[bytes, bytes] = {}
    took = 0.0
    for second in range(2):
        tallies = [one for records in given.partitions for one in _tallies(given.answers, records, second, place)]
        began = time.process_time()
        decided = segments.count(tallies, rows, place)
        while decided.rest is not None:
            apply(rows, decided.rows)
            decided = decided.rest()
        apply(rows, decided.rows)
        took = time.process_time() - began
    return took


def _tallies(answers: Answers, records: Sequence[Record], second: int, place: int) -> list[Record]:
    """Return the tallies to a partition of segments that a second's share of a partition's responses causes."""
    if not records:
        return []
    share = ceil(len(records) / (2 * _TALLIES_A_SECOND))
    first = second * _TALLIES_A_SECOND * share
    found: list[Record] = []
    for start in range(first, first + _TALLIES_A_SECOND * share, share):
        outputs = answers.take(records[0].partition, records[start : start + share])
        found += [as_record(output, records[0].timestamp) for output in outputs if output.partition == place]
    return found


if __name__ == "__main__":
    main()
