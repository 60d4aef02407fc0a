"""What the segments tell of their hours: a message of one partition of segments to whoever watches over them all."""

import msgspec

from worker.flow import outbox
from worker.flow.outbox import Output

#: Of the topic's partitions only this one is used: a tree is judged as a whole.
PARTITION = 0
#: In bytes, about half of what Kafka takes.
_LARGEST_MESSAGE = 500_000


class Hours(msgspec.Struct, array_like=True, frozen=True):
    """`source`: the segments' partition; `segments`: hours by path, as worker/nps/untold.py has them.

    `tick`: the time in ms before which this partition has told everything; None if it has not been asked.
    """

    source: int
    segments: dict[str, bytes]
    tick: int | None = None


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Hours).decode


def outputs(hours: Hours) -> list[Output]:
    """Return the messages: several if it is that much, and the tick with the last."""
    if not hours.segments and hours.tick is None:
        return []
    value = _encode(hours)
    if len(value) <= _LARGEST_MESSAGE or len(hours.segments) <= 1:
        return [Output(outbox.HOURS, None, value, partition=PARTITION)]
    paths = list(hours.segments)
    first, second = paths[: len(paths) // 2], paths[len(paths) // 2 :]
    return [
        *outputs(Hours(hours.source, {path: hours.segments[path] for path in first})),
        *outputs(Hours(hours.source, {path: hours.segments[path] for path in second}, hours.tick)),
    ]
