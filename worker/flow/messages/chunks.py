"""Messages about many segments, in as few parts as Kafka takes."""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")

#: In bytes. Kafka takes 1 MiB; what one batch tells of one segment is at most half of that.
LARGEST = 500_000

#: Writes the message about some segments; True if it is the last one.
Encode = Callable[[Mapping[str, T], bool], bytes]


def parts(segments: Mapping[str, T], encode: Encode[T], *, last: bool = True) -> list[bytes]:
    """Return the messages, in the order of the segments."""
    value = encode(segments, last)
    if len(value) <= LARGEST or len(segments) <= 1:
        return [value]
    told = list(segments.items())
    half = len(told) // 2
    return [*parts(dict(told[:half]), encode, last=False), *parts(dict(told[half:]), encode, last=last)]
