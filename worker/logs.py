"""Logs: one line for each log record, as a JSON object or as text for people. Lines name ids, and no personal data.

An exception is logged by its type and by the places in the code that it passed, and never by its message, since the
message of a validation error may repeat what a customer wrote. The same holds if a library logs an exception.
"""

import contextlib
import json
import logging
import os
import re
import select
import sys
import sysconfig
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

log = logging.getLogger(__name__)

#: The directory of the worker's code. Its own lines may quote an exception, since it only quotes those whose messages
#: have no personal data.
_OURS = str(Path(__file__).parent)
#: The beginning of an event loop's message, which shows no values.
_UP_TO_VALUES = re.compile(r"[^(<\n]*")
#: How long a line waits until the reader of the log has made room for it, in seconds. It is less than Kafka's sessions
#: and the deadlines of a stop, because the event loop waits with it.
_PATIENCE_SECONDS = 1.0
#: The coroutine in the text of a task.
_COROUTINE = re.compile(r"\bcoro=<([\w.]+)")
#: The least levels of libraries, which would log every connection and rebalance. The worker logs what matters of that.
_QUIET = {
    "aiokafka": logging.CRITICAL,
    "faust": logging.ERROR,
    "mode": logging.ERROR,
    "asyncio": logging.ERROR,
    "opentelemetry.exporter": logging.CRITICAL,
    # It would quote a header that it does not understand, and with it a secret.
    "opentelemetry.util": logging.CRITICAL,
    "urllib3": logging.ERROR,
}
#: The directory of the installed libraries.
_INSTALLED = sysconfig.get_path("purelib")


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
    """Formats a record as a line for people: the local time, the level, the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        # Line feeds and the escape sequences of terminals are replaced by spaces.
        message = "".join(c if c.isprintable() else " " for c in _message(record))
        error = "".join(f" ({what}: {text})" for what, text in _error(record).items())
        return f"{at} {record.levelname.lower():<8} {message}{error}"


FORMATS = {"json": JsonLines, "text": TextLines}


def _is_ours(record: logging.LogRecord) -> bool:
    """Say whether a record is not one of a library that only reports its own work.

    Faust names the loggers of its services after the modules that define their classes, and some of these are the
    worker's. So such a record is recognised by the code that has made it.
    """
    return record.levelno >= logging.WARNING or not (
        record.name.startswith("worker.")
        and record.pathname.startswith(_INSTALLED)
        and not record.pathname.startswith(_OURS)
    )


class Lines(logging.StreamHandler[TextIO]):
    """Writes lines to a stream, and does not wait long for its reader: a log that nobody reads stops no work.

    A pipe or a terminal is full when its reader has stopped, as after Ctrl-S or in a log collector that hangs. A line
    then waits _PATIENCE_SECONDS. This line and the following ones are left out until there is room again; their number
    is the next line that is written. The same happens to lines that the system does not take (a full disk, a reader
    that has ended). A stream without a file descriptor is written to as StreamHandler does it.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._left_out = 0
        self._torn = False  # the last line was written in part

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record, or leave it out."""
        file = _descriptor(self.stream)
        if file is None:
            super().emit(record)
            return
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as StreamHandler does: a wrong call of the log is said, and stops no work
            self.handleError(record)
            return
        if self._left_out and self._has_written(file, self._report(), 0.0):
            self._left_out = 0
        if self._left_out or not self._has_written(file, line, _PATIENCE_SECONDS):
            self._left_out += 1

    def _report(self) -> str:
        text = f"{counted(self._left_out, 'line')} could not be written to this log, and are missing here"
        return self.format(logging.LogRecord(log.name, logging.ERROR, __file__, 0, text, (), None))

    def _has_written(self, file: int, line: str, patience: float) -> bool:
        """Write a line to a file descriptor; say whether it was written within this time, in seconds."""
        start = "\n" if self._torn else ""
        whole = left = f"{start}{line}\n".encode(errors="backslashreplace")
        until = time.monotonic() + patience
        try:
            while left and select.select([], [file], [], max(0.0, until - time.monotonic()))[1]:
                with contextlib.suppress(BlockingIOError):  # another process was faster, and has filled it
                    left = left[os.write(file, left[: select.PIPE_BUF]) :]
        except OSError:
            pass  # the number of lines says it, once a line can be written again
        if len(left) < len(whole):
            self._torn = bool(left)
        return not left


def _descriptor(stream: TextIO) -> int | None:
    """Return a stream's file descriptor; None if it has none, or is absent since stderr was closed at the start."""
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _error(record: logging.LogRecord) -> dict[str, str]:
    """Return the type of a record's exception and the functions that it passed; an empty dictionary without one."""
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    error = record.exc_info[1]
    frames = traceback.extract_tb(error.__traceback__)
    passed = " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames[-8:]))
    return {"error": type(error).__name__, "where": passed}


def _message(record: logging.LogRecord) -> str:
    if record.name == "asyncio":
        return _of_event_loop(record.getMessage())
    if record.pathname.startswith(_OURS) or not isinstance(record.args, tuple):
        return record.getMessage()
    plain = logging.makeLogRecord(record.__dict__)
    plain.args = tuple(type(part).__name__ if isinstance(part, BaseException) else part for part in record.args)
    return plain.getMessage()


def _of_event_loop(message: str) -> str:
    """Return the beginning of an event loop's message about an error that nobody awaited, and the coroutine's name.

    The rest of the message shows tasks, callbacks and their arguments, and so the messages of exceptions. It is removed
    here, and not by a handler of the event loop, because Kafka's clients run event loops of their own in their threads.
    """
    beginning = _UP_TO_VALUES.match(message)
    coroutine = _COROUTINE.search(message)
    return (beginning[0].strip() if beginning else "") + (f" (coroutine {coroutine[1]})" if coroutine else "")


def configure(level: str, form: str = "json") -> None:
    """Send all logs to stderr, in the format `form`, which is a key of FORMATS."""
    handler = Lines(sys.stderr)
    handler.setFormatter(FORMATS[form]())
    handler.addFilter(_is_ours)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, root.level))
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    """Log the exception that ended a thread. Python would print it with its message."""
    if ended.exc_value is not None:
        log.error("a thread of the worker ended with an error", exc_info=ended.exc_value)


def _log_unraisable(ignored: "sys.UnraisableHookArgs") -> None:
    """Log an exception that Python ignores, for instance in `__del__`. Python would print it with its message."""
    log.error("Python ignored an error", exc_info=ignored.exc_value)


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: 1 alert, 2 alerts. `many` is the plural if it is not the singular with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
