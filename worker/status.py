"""The sign of life: a small file that the running worker renews, and that `python -m worker health` reads.

It is written by the event loop, so it stops being renewed when the loop is stuck.
"""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

_RENEWED_EVERY_SECONDS = 5.0
_STALE_AFTER_SECONDS = 30.0


async def report(path: Path, ready: Callable[[], bool]) -> None:
    """Renew the file until cancelled, then remove it."""
    try:
        while True:
            await asyncio.to_thread(_write, path, json.dumps({"at": time.time(), "ready": ready()}))
            await asyncio.sleep(_RENEWED_EVERY_SECONDS)
    finally:
        _remove(path)


def _write(path: Path, text: str) -> None:
    """Replace the file at once: a reader sees the old text or the new."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def problem(path: Path) -> str | None:
    """Return what is wrong with the worker that writes this file; None if it is alive and ready."""
    try:
        status = json.loads(path.read_text())
        age = time.time() - status["at"]
        ready = status["ready"]
    except FileNotFoundError:
        return "no worker is running"
    except (ValueError, TypeError, KeyError):
        return "the worker's sign of life cannot be read"
    if age > _STALE_AFTER_SECONDS:
        return f"the worker has not shown life for {age:.0f} s"
    return None if ready else "the worker is starting or its group is rebalancing"
