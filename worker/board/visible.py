"""Which segments a person may see."""

from collections.abc import Iterable

from worker.lineage import is_below

#: The root segment, with all that is below it.
EVERYTHING = ("",)


def sees(visible: Iterable[str], segment: str) -> bool:
    """Say whether a segment is one of some segments, or below one of them."""
    return any(is_below(segment, own) for own in visible)
