"""The hourly report: a message from one partition of segments to the stage that watches over all segments."""

from collections.abc import Mapping

import msgspec

from worker.flow import events
from worker.flow.batch import Output
from worker.flow.dead_letter import not_a_message
from worker.flow.messages.chunks import chunks
from worker.flow.timestamps import HOUR, LATEST
from worker.nps import columns
from worker.nps.unreported import WIDTH
from worker.nps.usage import Usage

#: The only partition of the topic that is used, since the tree is judged as a whole.
PARTITION = 0


class HourlyReport(msgspec.Struct, array_like=True, frozen=True):
    """The hours of some segments of one partition."""

    #: The partition of the segments.
    source: int
    #: The hours of each segment by its path, as a column (worker/nps/unreported.py).
    segments: Mapping[str, bytes]
    #: The time of a tick, in ms, before which this partition has reported everything; None if the message has no tick.
    tick: int | None = None
    #: How many segments the partition had at the tick; None without a tick, and in messages of versions without it.
    usage: Usage | None = None


_encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(HourlyReport).decode
_HOUR_BYTES = WIDTH * 8
#: Numbers from this one on do not fit in the row of a watch.
_TOO_LARGE = 2**32


def read(value: bytes | None) -> HourlyReport:
    """Decode a report. Raise Rejected if the value is not a report, or if its numbers are out of range."""
    try:
        message = decode(value or b"")
    except msgspec.DecodeError:
        raise not_a_message("hours") from None
    is_time = message.tick is None or 0 <= message.tick <= LATEST
    if (
        not is_time
        or not _is_usage(message.usage)
        or not all("\x00" not in path and _is_column(column) for path, column in message.segments.items())
    ):
        raise not_a_message("hours")
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


def outputs(report: HourlyReport) -> list[Output]:
    """Return the messages of a report: several if one would be too large. Only the last message has the tick."""
    if not report.segments and report.tick is None:
        return []
    source, tick, usage = report.source, report.tick, report.usage

    def encode(some: Mapping[str, bytes], last: bool) -> bytes:
        return _encode(HourlyReport(source, some, tick, usage) if last else HourlyReport(source, some))

    values = chunks(report.segments, encode)
    return [Output(events.HOURS, None, value, partition=PARTITION) for value in values]
