"""The tree of segments: the one way to write names and paths, and the ancestors of a segment.

Surveys and sources have paths as well, since their answers are counted in the same way.

The names in answers, routes and queries are all normalised by `segment_name`. So names that look the same are the same
segment.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

SEPARATOR = "/"
#: What replaces a slash in a name, since a slash separates names: "Support 24/7" is counted as "Support 24-7".
_SLASH_REPLACEMENT = "-"
#: The largest number of characters of a name; a longer name is cut, and ends with an ellipsis.
_LONGEST_NAME = 100
_ELLIPSIS = "…"
#: The largest number of names in a path; of a deeper path, the names next to the root are kept.
_DEEPEST = 8
#: Invisible characters that Unicode does not list as format characters (Cf): fillers, variation selectors and others
#: that are Default_Ignorable_Code_Point.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
#: An empty Braille cell looks like a blank, but Unicode does not list it as one.
_BLANK_CELL = "\u2800"
#: How the path of a survey begins, which is counted like a segment. No segment's path begins so, as no name is empty.
_SURVEYS = "/survey/"
#: How the path of a source begins (docs/sources.md), by which an answer came.
_SOURCES = "/source/"


def segment_name(text: str) -> str:
    """Return a name in the form under which it is counted; empty if nothing of it can be seen.

    The name is composed (Unicode NFC). Control, format and other invisible characters are removed, and so are blanks
    around it; several blanks inside become one, and a slash becomes a dash. It has at most 100 characters. Upper and
    lower case stay as they are. So do letters of other scripts and widths that look alike: they may be intended.
    """
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST_NAME and SEPARATOR not in text:
        return text if "  " not in text and text == text.strip() else " ".join(text.split())
    # Blanks are joined before control characters are removed: a line end is both, and separates words.
    words = " ".join(text.replace(_BLANK_CELL, " ").split())
    visible = "".join(c for c in _INVISIBLE.sub("", words) if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
    name = " ".join(unicodedata.normalize("NFC", visible).replace(SEPARATOR, _SLASH_REPLACEMENT).split())
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip() + _ELLIPSIS


#: There are few names, and each comes often. Longer texts than a name are not cached, so that the memory is bounded.
_known_name = lru_cache(maxsize=65_536)(segment_name)


def segment_path(names: Iterable[str | None]) -> str:
    """Return the path of some names, which begin next to the root. A name that cannot be seen is left out."""
    found = [
        name
        for text in names
        if text and (name := _known_name(text) if len(text) <= _LONGEST_NAME else segment_name(text))
    ]
    return SEPARATOR.join(found[:_DEEPEST])


def canonical_path(path: str) -> str:
    """Return a path in the form under which it is counted; the path of a survey or a source stays as it is.

    `path`: as somebody has written it, or as a version counted it that did not normalise names.
    """
    return segment_path(path.split(SEPARATOR)) if is_segment(path) else path


@lru_cache(maxsize=65_536)
def lineage(segment: str) -> tuple[str, ...]:
    """Return the paths of a segment and its ancestors. The root, which is "", is the last one."""
    paths = [segment]
    while segment:
        segment = segment.rpartition(SEPARATOR)[0]
        paths.append(segment)
    return tuple(paths)


@lru_cache(maxsize=65_536)
def paths_of(segment: str, survey_id: str) -> tuple[str, ...]:
    """Return every path that an answer counts for: its segment, the ancestors, and its survey if that is known."""
    return (*lineage(segment), _SURVEYS + survey_id) if survey_id else lineage(segment)


def survey_of(path: str) -> str | None:
    """Return the id of the survey that a path stands for; None if it is a segment's path."""
    return path.removeprefix(_SURVEYS) if path.startswith(_SURVEYS) else None


def source_path(name: str) -> str:
    """Return the path of a source."""
    return _SOURCES + name


def source_of(path: str) -> str | None:
    """Return the name of the source that a path stands for; None if it is another path."""
    return path.removeprefix(_SOURCES) if path.startswith(_SOURCES) else None


def is_segment(path: str) -> bool:
    """Say whether a path is that of a segment, and not that of a survey or a source."""
    return not path.startswith((_SURVEYS, _SOURCES))


def parent_of(path: str) -> str | None:
    """Return the path of the parent; None for the root. The parent of a survey or a source is the root."""
    if not path:
        return None
    return path.rpartition(SEPARATOR)[0] if is_segment(path) else ""


def is_below(path: str, root: str) -> bool:
    """Say whether a segment is another one or below it. The path of the root segment is empty."""
    return not root or path == root or path.startswith(root + SEPARATOR)
