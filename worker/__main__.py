"""`python -m worker`.

The signals come first: the other imports take a second or more, and a worker that is asked to stop meanwhile has done
nothing yet. Without a handler it would end as if it had crashed.
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
    from worker import cli  # noqa: PLC0415 - after the signals

    return cli.main()


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(0)  # an exception could be swallowed by whatever is being imported


if __name__ == "__main__":
    sys.exit(main())
