"""The status file: a small file that a running worker renews, and that `python -m worker health` reads.

A task of the event loop renews it, so that it becomes old if the event loop is blocked. Each process has a file of its
own, whose name ends with the process id, so that one of two workers of a role does not hide the failure of the other.
If the worker serves probes, the file says where, and they are asked: they know the state of this moment.
The directory may be writable for other users: so no symbolic link is followed, and only a file of this user counts.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from worker import probing
from worker.metrics.settings import Bind

log = logging.getLogger(__name__)

_RENEWED_EVERY_SECONDS = 5.0
_STALE_AFTER_SECONDS = 30.0
#: How much of a status file is read, in bytes. It has about fifty.
_LONGEST = 1_000


async def report(base: Path, ready: Callable[[], bool], probed_at: Bind | None = None) -> None:
    """Renew this process's file until cancelled, then remove it. If it cannot be written, log that and go on.

    `probed_at`: where the worker's probes are served; None if they are not.
    """
    path = base.with_name(f"{base.name}-{os.getpid()}")
    well, writing = True, None
    await asyncio.to_thread(_tidy, base)
    try:
        while True:
            text = json.dumps({"at": time.time(), "ready": ready(), "probes": probed_at})
            writing = asyncio.create_task(asyncio.to_thread(_has_written, path, text))
            was_well, well = well, await asyncio.shield(writing)
            if was_well and not well:
                log.error("the status file cannot be written: check the disk and the setting status_file")
            await asyncio.sleep(_RENEWED_EVERY_SECONDS)
    finally:
        if writing is not None:
            await asyncio.wait([writing])  # a thread goes on after a cancellation, and would write the file again
        _remove(path)


def problem(bases: Mapping[str, Path]) -> str | None:
    """Return what is wrong with the workers of these roles; None if all of them are alive and ready.

    `bases`: for each role, the path of its status files without the process id.
    """
    signs = _running(bases)
    if not signs:
        return "no worker is running"
    several = len(signs) > 1
    found = ((f"role {role}, process {pid}: " if several else "", _problem(path)) for role, pid, path in signs)
    return "; ".join(f"{whose}{what}" for whose, what in found if what is not None) or None


def running(bases: Mapping[str, Path]) -> list[str]:
    """Return the role and the process id of each worker that is running, in words."""
    return [f"role {role}, process {pid}" for role, pid, _path in _running(bases)]


def _running(bases: Mapping[str, Path]) -> list[tuple[str, int, Path]]:
    """Return role, process id and file of each worker that is running."""
    return [(role, pid, path) for role, base in bases.items() for pid, path in _signs(base) if _is_running(pid)]


def _signs(base: Path) -> Iterator[tuple[int, Path]]:
    """Yield the process ids and status files of a role's workers, also of those that were killed."""
    try:
        names = sorted(path.name for path in base.parent.iterdir())
    except OSError:
        return
    for name in names:
        if (match := re.fullmatch(rf"{re.escape(base.name)}-([1-9][0-9]{{0,8}})", name)) is not None:
            yield int(match[1]), base.with_name(name)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # the process belongs to another user
    return True


def _problem(path: Path) -> str | None:
    try:
        status = json.loads(_read(path))
        age = time.time() - status["at"]
        ready = status["ready"]
        probed_at = None if status.get("probes") is None else Bind(*status["probes"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return "the worker's status file cannot be read"
    if probed_at is not None:
        return probing.problem(probed_at)
    if age > _STALE_AFTER_SECONDS:
        return f"the worker has not renewed its status file for {age:.0f} s"
    return None if ready else "the worker is starting or its group is rebalancing"


def _read(path: Path) -> bytes:
    """Return the content of a status file. Raise OSError if it is not an ordinary file, or not this user's."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or os.geteuid() not in {0, found.st_uid}:
            raise PermissionError(f"{path.name} is not this worker's")
        return file.read(_LONGEST)


def _has_written(path: Path, text: str) -> bool:
    """Replace the file's text atomically, so that a reader sees either the old text or the new one.

    Return whether the file could be written.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fresh.unlink(missing_ok=True)
        # O_EXCL makes sure that this call creates the file, so it is not a link. If the file that it replaces is a
        # link, the link itself is replaced.
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)
    except OSError:
        return False
    return True


def _tidy(base: Path) -> None:
    """Remove the status files of workers that were killed."""
    for pid, path in _signs(base):
        if not _is_running(pid):
            _remove(path)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # for instance in another user's directory, which has no file of this worker
        path.unlink(missing_ok=True)
