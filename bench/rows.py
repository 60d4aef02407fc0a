"""What a segment's row weighs after a year, by how many answers it gets."""

import random
from array import array

from worker.flow.segments.road import encode
from worker.nps import columns
from worker.nps.segment import Entries, Segment
from worker.nps.windows import DAY

#: Answers a day, of a desk and of a country.
RHYTHMS = (1, 10, 100, 1_000)
_DAYS = 400
_BEGAN = 20_000 * DAY


def row_bytes() -> dict[int, int]:
    """Return the bytes of a row by answers a day, when its windows have long been full."""
    return {rhythm: len(encode(_segment(rhythm))) for rhythm in RHYTHMS}


def _segment(rhythm: int) -> Segment:
    chance, segment = random.Random(1), Segment()  # noqa: S311 - the same at each run
    for day in range(_DAYS):
        numbers = array(columns.SIGNED)
        for number in range(day * rhythm, (day + 1) * rhythm):
            at = _BEGAN + day * DAY + chance.randrange(DAY)
            numbers.extend((number, at, chance.getrandbits(63), chance.randrange(11)))
        segment.count({0: [Entries(columns.write(numbers))]})
        segment.report_hours(None)
    return segment
