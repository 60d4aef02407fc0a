"""How wide a terminal is, and lines that fit it. An output that is no terminal gets whole lines."""

import shutil
import sys
import unicodedata


def width() -> int | None:
    """Return the number of columns of the terminal that stdout is; None if it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitting(line: str, columns: int | None) -> str:
    """Return a line that takes at most this many columns, and ends with … if it is cut; None: as many as needed."""
    if columns is None or sum(map(_columns, line)) <= columns:
        return line
    kept, left = "", columns - 1
    for character in line:
        left -= _columns(character)
        if left < 0:
            break
        kept += character
    return kept + "…"


def _columns(character: str) -> int:
    """Return how many columns a character takes: letters of East Asia take two, and accents that combine take none."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "FW" else 1
