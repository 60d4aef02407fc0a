"""What the segments tell of their hours: a message of one partition of segments to whoever watches over them all."""

from collections.abc import Mapping

import msgspec

from worker.flow import outbox
from worker.flow.batch import Output
from worker.flow.dead_letter import no_message
from worker.flow.messages.chunks import chunks
from worker.flow.timestamps import HOUR, LATEST
from worker.nps import columns
from worker.nps.unreported import WIDTH
from worker.nps.usage import Usage

#: Of the topic's partitions only this one is used: a tree is judged as a whole.
PARTITION = 0


class Hours(msgspec.Struct, array_like=True, frozen=True):
    """Hours of segments of one partition."""

    #: The partition of the segments.
    source: int
    #: The hours of each segment by its path, as a column (worker/nps/unreported.py).
    segments: Mapping[str, bytes]
    #: The time of a tick, in ms, before which this partition has reported everything; None if the message has no tick.
    tick: int | None = None
    #: How many segments the partition had at the tick; None without one, and in messages of versions that did not say.
    usage: Usage | None = None


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
    if (
        not is_time
        or not _is_usage(message.usage)
        or not all("\x00" not in path and _is_column(column) for path, column in message.segments.items())
    ):
        raise no_message("hours")
    return message


def _is_usage(usage: Usage | None) -> bool:
    if usage is None:
        return True
    left_out = usage.left_out
    is_number = 0 <= usage.segments < _TOO_LARGE and 0 <= usage.most < _TOO_LARGE
    return is_number and (left_out is None or 0 < left_out.hour <= LATEST // HOUR)


def _is_column(column: bytes) -> bool:
    if len(column) % _HOUR_BYTES:
        return False
    numbers = columns.read(column)
    return not column or (min(numbers) >= 0 and max(numbers) < _TOO_LARGE)


def outputs(hours: Hours) -> list[Output]:
    """Return the messages: several if it is that much, and the tick with the last."""
    if not hours.segments and hours.tick is None:
        return []
    source, tick, usage = hours.source, hours.tick, hours.usage

    def encode(some: Mapping[str, bytes], last: bool) -> bytes:
        return _encode(Hours(source, some, tick, usage) if last else Hours(source, some))

    values = chunks(hours.segments, encode)
    return [Output(outbox.HOURS, None, value, partition=PARTITION) for value in values]
