"""`python -m worker`.

The signal handlers are installed before anything else is imported, since the imports take a second or more. A worker
that is stopped during that time has done nothing yet; without a handler it would end as if it had crashed.
"""

import os
import signal
import sys
from types import FrameType


def main() -> int:
    """Run the command line; return the exit code."""
    if sys.argv[1:2] == ["run"]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _end)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it asks a worker that runs to read secrets anew
    elif signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and not ignored, as it is in the background
        signal.signal(signal.SIGINT, _interrupt)
    from worker import cli  # noqa: PLC0415 - only after the handlers are installed

    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return cli.main()


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)  # a module that is being imported could swallow an exception


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as a command that Ctrl-C interrupts later ends, without the traceback of an import."""
    os.write(sys.stderr.fileno(), b"interrupted\n")
    os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
