"""What judging the tree costs each hour with many segments, without Kafka: python -m bench.judgement [SEGMENTS]."""

import random
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import NamedTuple

import msgspec

from worker.detect.drops import Detector
from worker.detect.rhythm import LongestGaps, Rhythm, Time
from worker.detect.watch import KEPT, Watch
from worker.flow.incidents import road as watching
from worker.flow.messages import hourly_report
from worker.flow.messages.hourly_report import HourlyReport
from worker.flow.policy import IncidentPolicy
from worker.flow.segments.road import MOST
from worker.flow.timestamps import HOUR

_COUNTRIES, _SHOPS = 20, 50
_BEGAN = 480_000
_NOW = _BEGAN + KEPT
_DAY = 24
#: Hours with answers of each segment.
_ANSWERED = 90


class _Record(NamedTuple):
    value: bytes
    timestamp: int
    key: bytes | None = None
    topic: str = "nps.hours"
    partition: int = 0
    offset: int = 0
    headers: Sequence[tuple[str, bytes | None]] = ()


def main() -> None:
    """Judge a tree of segments, each with answers of 90 days; print how long the loop would be blocked."""
    paths = list(_paths(int(sys.argv[1]) if len(sys.argv) > 1 else MOST))
    rows = dict(_rows(paths))
    print(f"{len(paths):,} segments, {sum(map(len, rows.values())) / len(rows):,.0f} bytes each")
    _judge("an hour without answers", _records({}, _NOW + 1), rows)
    _judge("the first hour of a day", _records({}, _NOW + _DAY), rows)
    answered = array("q", (_NOW, 1, 1, 0)).tobytes()
    _judge("an hour with answers everywhere", _records(dict.fromkeys(paths, answered), _NOW + 1), rows)


def _paths(count: int) -> Iterator[str]:
    countries = [f"country-{n}" for n in range(_COUNTRIES)]
    shops = [f"{country}/shop-{n}" for country in countries for n in range(_SHOPS)]
    upper = ["", *countries, *shops][:count]
    yield from upper
    yield from (f"{shops[n % len(shops)]}/desk-{n}" for n in range(count - len(upper)))


def _rows(paths: Iterable[str]) -> Iterator[tuple[bytes, bytes]]:
    chance = random.Random(1)  # noqa: S311 - nothing secret
    for path in paths:
        recent = array("I")
        for hour in sorted(chance.sample(range(_BEGAN, _NOW), _ANSWERED)):
            recent.extend((hour, chance.randint(0, 2), 1, chance.randint(0, 1)))
        watch = Watch(
            detector=Detector(baseline=(60.0, 40.0, 20.0)),
            reported_until=_NOW - 1,
            first_hour=_BEGAN,
            last_hour=recent[-4],
            recent=recent.tobytes(),
            answers=3 * _ANSWERED,
            answered_hours=_ANSWERED,
            rhythm=Rhythm(recent[-4], Time(200, _ANSWERED), 150.0, Time(450.0, 500.0), (LongestGaps(700, 200, 150),)),
        )
        yield path.encode(), msgspec.msgpack.encode(watch)
    yield watching.CLOCK_KEY, msgspec.msgpack.encode(watching.Clock({0: _NOW * HOUR}, _NOW * HOUR))


def _records(segments: Mapping[str, bytes], hour: int) -> list[_Record]:
    outputs = hourly_report.outputs(HourlyReport(0, segments, hour * HOUR))
    return [_Record(output.value or b"", hour * HOUR) for output in outputs]


def _judge(what: str, records: Sequence[_Record], rows: Mapping[bytes, bytes]) -> None:
    began = perf_counter()
    decided = watching.watch(records, rows, 1, lambda _: 0, IncidentPolicy())
    took = longest = perf_counter() - began
    slices = 1
    while decided.rest is not None:
        began = perf_counter()
        decided = decided.rest()
        spent = perf_counter() - began
        took, longest, slices = took + spent, max(longest, spent), slices + 1
    print(
        f"{what}: {took:6.2f} s in {slices:,} slices, the loop blocked for {longest * 1e3:6.1f} ms at most, "
        f"{len(decided.rows):,} rows changed"
    )


if __name__ == "__main__":
    main()
