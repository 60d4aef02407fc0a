"""The command line: `python -m worker …`."""

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Sequence

from worker import __version__
from worker.commands import commands_for
from worker.commands.common import SETTINGS_HELP, Exit

#: Shells add this to the number of the signal that has ended a program, and return the sum as its exit code.
_BY_SIGNAL = 128
#: The errors by which the system says that a disk is full.
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Return the exit code.

    0: success; 1: failure; 2: wrong usage or settings; 130: interrupted by Ctrl-C; 141: the reader of the output ended.
    """
    is_closed = sys.stdout is None
    _prepare_streams()
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _BY_SIGNAL + signal.SIGINT
    except BrokenPipeError:
        # The reader of the output, for instance `head`, has ended.
        _drop_output()
        return _BY_SIGNAL + signal.SIGPIPE
    except OSError as error:
        if error.errno not in _DISK_FULL and not (is_closed and error.errno == errno.EBADF):
            raise
        why = "is closed" if error.errno == errno.EBADF else os.strerror(error.errno)
        print(f"{error.filename or 'the output'}: {why}", file=sys.stderr)
        _drop_output()
        return int(Exit.FAILED)
    return code


def _run(given: Sequence[str]) -> int:
    """Run a command, and write what it has printed. Return the exit code."""
    try:
        parsed = _parser(given).parse_args(given)
        return int(parsed.run(parsed))
    finally:  # also after --help, by which argparse ends the program
        sys.stdout.flush()


def _prepare_streams() -> None:
    """Prepare for streams that are closed (`>&-`), in whose place Python has None.

    Nobody can be told that stderr is closed, so what is written to it is dropped. What is written to stdout fails, but
    a command that prints nothing does not need it. A terminal whose encoding lacks a character gets its escape (Latin-1
    has no emoji).
    """
    if sys.stdout is None:  # a file that is open for reading only: writing fails with EBADF, as it should
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Prevent Python from flushing to the output at its end, since that would fail too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser of the command that the arguments begin with, or of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description="Turns NPS responses on Kafka into alerts, e-mails, invitations and rolling scores.",
        epilog=f"{SETTINGS_HELP} Exit codes: 0: success; 1: failure; 2: wrong usage or settings; 130: interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"detractor-worker {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in commands_for(arguments):
        command.add(commands)
    return parser
