"""Logs: one JSON object per line, with ids only.

An exception is logged by its type and the places in the code it came through, never by its message: a validation error
or a failed command may repeat what a customer wrote.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

#: Libraries that speak of every connection and rebalance; what matters of it the worker says itself.
_QUIET = {
    "aiokafka": logging.CRITICAL,
    "faust": logging.ERROR,
    "mode": logging.ERROR,
    "asyncio": logging.ERROR,
    # Faust names its services' loggers after the modules that define them.
    "worker.streams.faust_app": logging.WARNING,
    "worker.streams.membership": logging.WARNING,
    "worker.streams.ordered": logging.WARNING,
    "worker.streams.table": logging.WARNING,
    "worker.streams.recovery": logging.WARNING,
}


class JsonLines(logging.Formatter):
    """Formats a record as a JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            line["error"] = type(error).__name__
            line["where"] = " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames[-8:]))
        return json.dumps(line, ensure_ascii=False)


def configure(level: str) -> None:
    """Send all logs to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, root.level))
