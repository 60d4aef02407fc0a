"""What a segment's row says about a jump of its promoters; worker/detect/jumps.py finds jumps."""

import msgspec


class Jump(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How the share of promoters rose in a segment, but not among its parent's other answers."""

    #: The hour, counted since 1970, since which the share has been higher.
    since: int
    #: The share of promoters in the segment before that hour and since then, from 0 to 1.
    share_before: float
    share_since: float
    #: The number of answers that the segment has had since that hour.
    n: int
    #: The share of promoters among the parent's other answers before that hour and since then, from 0 to 1.
    others_before: float
    others_since: float
