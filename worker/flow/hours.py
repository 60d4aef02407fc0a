"""What the segments tell of their hours: a message of one partition of segments to whoever watches over them all."""

from collections.abc import Mapping

import msgspec

from worker.flow import outbox
from worker.flow.outbox import Output
from worker.flow.parts import parts

#: Of the topic's partitions only this one is used: a tree is judged as a whole.
PARTITION = 0


class Hours(msgspec.Struct, array_like=True, frozen=True):
    """`source`: the segments' partition; `segments`: hours by path, as worker/nps/untold.py has them.

    `tick`: the time in ms before which this partition has told everything; None if it has not been asked.
    """

    source: int
    segments: Mapping[str, bytes]
    tick: int | None = None


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Hours).decode


def outputs(hours: Hours) -> list[Output]:
    """Return the messages: several if it is that much, and the tick with the last."""
    if not hours.segments and hours.tick is None:
        return []
    source, tick = hours.source, hours.tick
    values = parts(hours.segments, lambda some, last: _encode(Hours(source, some, tick if last else None)))
    return [Output(outbox.HOURS, None, value, partition=PARTITION) for value in values]
