"""The sign of life: a small file that the running worker renews, and that `python -m worker health` reads.

It is written by the event loop, so it stops being renewed when the loop is stuck.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

_RENEWED_EVERY_SECONDS = 5.0
_STALE_AFTER_SECONDS = 30.0


async def report(path: Path, ready: Callable[[], bool]) -> None:
    """Renew the file until cancelled, then remove it. A file that cannot be written stops nobody's work."""
    well = True
    try:
        while True:
            text = json.dumps({"at": time.time(), "ready": ready()})
            was_well, well = well, await asyncio.to_thread(_has_written, path, text)
            if was_well and not well:
                log.error("the sign of life cannot be written: check the disk and status_file")
            await asyncio.sleep(_RENEWED_EVERY_SECONDS)
    finally:
        _remove(path)


def _has_written(path: Path, text: str) -> bool:
    """Replace the file at once: a reader sees the old text or the new. Say whether it worked."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_text(text)
        fresh.replace(path)
    except OSError:
        return False
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # somebody else's directory, say: nothing of ours is there
        path.unlink(missing_ok=True)


def problem(path: Path) -> str | None:
    """Return what is wrong with the worker that writes this file; None if it is alive and ready."""
    try:
        status = json.loads(path.read_text())
        age = time.time() - status["at"]
        ready = status["ready"]
    except FileNotFoundError:
        return "no worker is running"
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return "the worker's sign of life cannot be read"
    if age > _STALE_AFTER_SECONDS:
        return f"the worker has not shown life for {age:.0f} s"
    return None if ready else "the worker is starting or its group is rebalancing"
