"""How many segments and surveys a partition of them counts, of its share of `segments.most`."""

import msgspec


class LeftOut(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An answer that was not counted under a path of its own, as there were too many: its hour since 1970, its path."""

    hour: int
    path: str


class Usage(msgspec.Struct, array_like=True, frozen=True):
    """`segments`: how many there are, surveys included; `most`: how many there may be; `left_out`: the last answer.

    None if no answer has ever been left out, as far as is known.
    """

    segments: int
    most: int
    left_out: LeftOut | None = None
