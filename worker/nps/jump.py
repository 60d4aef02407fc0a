"""What a segment's row notes of a jump of its promoters; worker/detect/jumps.py finds jumps."""

import msgspec


class Jump(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How the share of promoters rose in a segment, and not beside it."""

    #: The hour, counted since 1970, since which it has been so.
    since: int
    #: The share of promoters in the segment before that hour and after, from 0 to 1.
    before: float
    after: float
    #: How many answers the segment has had since that hour.
    n: int
    #: The shares before and after in the rest of the parent.
    beside_before: float
    beside_after: float
