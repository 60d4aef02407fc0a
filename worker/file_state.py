"""Whether a file has changed since it was read."""

from pathlib import Path
from typing import NamedTuple


class FileState(NamedTuple):
    """What differs after a file was written, or replaced by another one. Symbolic links are followed."""

    device: int
    inode: int
    changed_ns: int
    size: int


def file_state(path: Path) -> FileState | None:
    """Return the state of a file; None if it cannot be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    # Not the time of the modification: a program that copies a file may keep that one.
    return FileState(found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size)
