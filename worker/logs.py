"""Logs: a line for each record, as a JSON object or as text for people, with ids only.

An exception is logged by its type and the places in the code it came through, never by its message: a validation error
or a failed command may repeat what a customer wrote. The same holds where a library puts an exception into its line.
"""

import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger(__name__)

#: Where the code lies whose own lines may quote an exception: it raises those that are fit for it.
_OURS = str(Path(__file__).parent)
#: The part of an event loop's message in which no value is shown.
_UP_TO_VALUES = re.compile(r"[^(<\n]*")
#: How a task names its coroutine.
_COROUTINE = re.compile(r"\bcoro=<([\w.]+)")
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
            "message": _message(record),
            **_error(record),
        }
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """Formats a record as a line for people: the local time, the level, what happened."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        # A line stays a line, and a terminal obeys no escapes in it.
        message = "".join(c if c.isprintable() else " " for c in _message(record))
        error = "".join(f" ({what}: {text})" for what, text in _error(record).items())
        return f"{at} {record.levelname.lower():<8} {message}{error}"


FORMATS = {"json": JsonLines, "text": TextLines}


def _error(record: logging.LogRecord) -> dict[str, str]:
    """Return the type of a record's exception and the functions that it passed; nothing if there is none."""
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    error = record.exc_info[1]
    frames = traceback.extract_tb(error.__traceback__)
    way = " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames[-8:]))
    return {"error": type(error).__name__, "where": way}


def _message(record: logging.LogRecord) -> str:
    if record.name == "asyncio":
        return _of_event_loop(record.getMessage())
    if record.pathname.startswith(_OURS) or not isinstance(record.args, tuple):
        return record.getMessage()
    plain = logging.makeLogRecord(record.__dict__)
    plain.args = tuple(type(part).__name__ if isinstance(part, BaseException) else part for part in record.args)
    return plain.getMessage()


def _of_event_loop(message: str) -> str:
    """Return what an event loop says of an error that nobody awaited, and of which coroutine.

    The rest shows tasks, callbacks and what they were called with, and so the texts of exceptions. It is cut here and
    not by a handler of the loop, because Kafka's clients run loops of their own in their threads.
    """
    said = _UP_TO_VALUES.match(message)
    coroutine = _COROUTINE.search(message)
    return (said[0].strip() if said else "") + (f" (coroutine {coroutine[1]})" if coroutine else "")


def configure(level: str, form: str = "json") -> None:
    """Send all logs to stderr, as lines of this form (a key of FORMATS)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[form]())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, root.level))
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    """Log what ended a thread; Python would print it with its text, among the lines of the log."""
    if ended.exc_value is not None:
        log.error("a thread of the worker ended with an error", exc_info=ended.exc_value)


def _log_unraisable(ignored: "sys.UnraisableHookArgs") -> None:
    """Log an error that Python ignores, as in the end of an object; it would print it with its text likewise."""
    log.error("Python ignored an error", exc_info=ignored.exc_value)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with what it counts: 1 alert, 2 alerts; `many` is the plural where an s does not make it."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
