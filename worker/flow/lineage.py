"""The tree of segments: names and paths in the one spelling that is counted under, ancestors, and the surveys beside.

Answers, routes and queries are all spelled by `segment_name`, so that a name which looks the same is the same segment.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

SEPARATOR = "/"
#: What stands in a name for a slash, which would make two of it: "Support 24/7" is counted as "Support 24-7".
_FOR_SLASH = "-"
#: Of a longer name, the beginning is counted under; of a deeper path, the levels next to the root.
_LONGEST_NAME = 100
_DEEPEST = 8
_CUT = "…"
#: Characters without any look that Unicode does not put among the format characters (Cf): fillers, variation selectors
#: and what else it lists as Default_Ignorable_Code_Point.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
#: An empty Braille cell is a blank that does not count as one.
_BLANK_CELL = "\u2800"
#: A survey is counted like a segment. No segment's path begins like this, since no name is empty.
_SURVEYS = "/survey/"


def segment_name(text: str) -> str:
    """Return a name as it is counted under; empty if nothing of it can be seen.

    Composed (Unicode NFC), without control, format and other invisible characters, without blanks around it and with
    single ones inside, with a dash for each slash, and at most 100 characters long. Upper and lower case stay as they
    are, and so do letters of other scripts and widths that only look alike: they may be meant.
    """
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST_NAME and SEPARATOR not in text:
        return text if "  " not in text and text == text.strip() else " ".join(text.split())
    # A blank is one before it is a control character: a line end keeps words apart.
    words = " ".join(text.replace(_BLANK_CELL, " ").split())
    seen = "".join(c for c in _INVISIBLE.sub("", words) if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    name = " ".join(unicodedata.normalize("NFC", seen).replace(SEPARATOR, _FOR_SLASH).split())
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip() + _CUT


#: There are few names, and each is seen often. Only texts that are no longer than a name are kept, to bound the memory.
_known_name = lru_cache(maxsize=65_536)(segment_name)


def segment_path(names: Iterable[str | None]) -> str:
    """Return the path of the names from the root on. A level without a name that can be seen is left out."""
    found = [
        name
        for text in names
        if text and (name := _known_name(text) if len(text) <= _LONGEST_NAME else segment_name(text))
    ]
    return SEPARATOR.join(found[:_DEEPEST])


def spelled(path: str) -> str:
    """Return a path that somebody wrote, or that was counted before names were spelled alike; a survey's stays."""
    return path if survey_of(path) is not None else segment_path(path.split(SEPARATOR))


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
