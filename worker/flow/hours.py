"""What the segments tell of their hours: a message of one partition of segments to whoever watches over them all."""

from collections.abc import Mapping

import msgspec

from worker.flow import outbox
from worker.flow.dead_letter import no_message
from worker.flow.moment import LATEST
from worker.flow.outbox import Output
from worker.flow.parts import parts
from worker.nps import columns
from worker.nps.untold import WIDTH

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
_HOUR_BYTES = WIDTH * 8
#: Numbers from here on do not fit a watch's row.
_TOO_LARGE = 2**32


def read(value: bytes | None) -> Hours:
    """Return the hours that a value is. Raise Rejected if it is none that can be watched over."""
    try:
        message = decode(value or b"")
    except msgspec.DecodeError:
        raise no_message("hours") from None
    is_time = message.tick is None or 0 <= message.tick <= LATEST
    if not is_time or not all("\x00" not in path and _is_column(column) for path, column in message.segments.items()):
        raise no_message("hours")
    return message


def _is_column(column: bytes) -> bool:
    if len(column) % _HOUR_BYTES:
        return False
    numbers = columns.read(column)
    return not column or (min(numbers) >= 0 and max(numbers) < _TOO_LARGE)


def outputs(hours: Hours) -> list[Output]:
    """Return the messages: several if it is that much, and the tick with the last."""
    if not hours.segments and hours.tick is None:
        return []
    source, tick = hours.source, hours.tick
    values = parts(hours.segments, lambda some, last: _encode(Hours(source, some, tick if last else None)))
    return [Output(outbox.HOURS, None, value, partition=PARTITION) for value in values]
