"""Messages about many segments: as few records of a topic as Kafka takes."""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")

#: The size of a message, in bytes, beyond which it is divided. Kafka takes 1 MiB, and what one batch says about one
#: segment is at most half of that.
LARGEST = 500_000

#: Writes the message about some segments; True if it is the last one.
Encode = Callable[[Mapping[str, T], bool], bytes]


def chunks(segments: Mapping[str, T], encode: Encode[T], *, last: bool = True) -> list[bytes]:
    """Return the messages, in the order of the segments."""
    value = encode(segments, last)
    if len(value) <= LARGEST or len(segments) <= 1:
        return [value]
    entries = list(segments.items())
    half = len(entries) // 2
    return [*chunks(dict(entries[:half]), encode, last=False), *chunks(dict(entries[half:]), encode, last=last)]
