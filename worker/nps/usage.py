"""How many segments and surveys a partition counts, compared with its share of `segments.most`."""

import msgspec


class LeftOut(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An answer that was not counted under its own path, since there were too many segments."""

    #: The hour in which it arrived, counted since 1970.
    hour: int
    #: The path of its segment or survey.
    path: str


class Usage(msgspec.Struct, array_like=True, frozen=True):
    """How much of its share a partition uses."""

    #: How many segments and surveys it counts.
    segments: int
    #: How many it may count.
    most: int
    #: The last answer that was left out; None if none is known.
    left_out: LeftOut | None = None
