"""The command line: `python -m worker …`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from worker import __version__
from worker.commands import COMMANDS
from worker.commands.asking import SETTINGS_HELP

#: What shells give for a program that a signal has ended.
_BY_SIGNAL = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 fine, 1 failed, 2 wrong usage or settings, 130 interrupted by Ctrl-C."""
    asked = _parser().parse_args(arguments)
    try:
        code = int(asked.run(asked))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _BY_SIGNAL + signal.SIGINT
    except BrokenPipeError:
        # Whoever read the output, `head` for one, has seen enough. Nothing is flushed to it at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BY_SIGNAL + signal.SIGPIPE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description="Turns NPS responses on Kafka into alerts, e-mails, invitations and rolling scores.",
        epilog=f"{SETTINGS_HELP} Exit codes: 0: success; 1: failure; 2: wrong usage or settings; 130: interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"detractor-worker {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        command.add(commands)
    return parser
