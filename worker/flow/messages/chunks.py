"""Messages about many segments: they are divided into as few records as Kafka's limit allows."""

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")

#: The size in bytes above which a message is divided. Kafka accepts 1 MiB, and what one batch says about one segment
#: takes at most half of that.
LARGEST = 500_000

#: Encodes the message about some segments, given them and whether it is the last message.
Encode = Callable[[Mapping[str, T], bool], bytes]


def chunks(segments: Mapping[str, T], encode: Encode[T], *, last: bool = True) -> list[bytes]:
    """Return the messages about some segments, in the order of the segments.

    `last`: whether the last of them is the last message of all.
    """
    value = encode(segments, last)
    if len(value) <= LARGEST or len(segments) <= 1:
        return [value]
    entries = list(segments.items())
    half = len(entries) // 2
    return [*chunks(dict(entries[:half]), encode, last=False), *chunks(dict(entries[half:]), encode, last=last)]
