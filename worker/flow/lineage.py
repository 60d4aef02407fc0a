"""The tree of segments: paths and their ancestors, and the surveys beside it."""

from functools import lru_cache

SEPARATOR = "/"
#: A survey is counted like a segment. No segment's path begins like this, since no name is empty.
_SURVEYS = "/survey/"


@lru_cache(maxsize=65_536)
def lineage(segment: str) -> tuple[str, ...]:
    """Return a segment's path and its ancestors', the root ("") last."""
    paths = [segment]
    while segment:
        segment = segment.rpartition(SEPARATOR)[0]
        paths.append(segment)
    return tuple(paths)


@lru_cache(maxsize=65_536)
def paths_of(segment: str, survey_id: str) -> tuple[str, ...]:
    """Return everything that an answer counts for: its segment's line, and its survey if that is known."""
    return (*lineage(segment), _SURVEYS + survey_id) if survey_id else lineage(segment)


def survey_of(path: str) -> str | None:
    """Return the survey that is called so; None if it is a segment."""
    return path.removeprefix(_SURVEYS) if path.startswith(_SURVEYS) else None


def parent_of(path: str) -> str | None:
    """Return the segment above; a survey's is the root, and the root has none."""
    if not path:
        return None
    return "" if survey_of(path) is not None else path.rpartition(SEPARATOR)[0]
