"""`python die_with_parent.py PARENT COMMAND…`: become COMMAND, and be killed when the process PARENT has ended.

COMMAND begins with the default handlers of SIGINT and SIGTERM. A parent that was started in the background or by
`nohup` may ignore SIGINT; its child would inherit that, and could not be interrupted.

kafka.py runs this file as a program. On Linux the kernel kills COMMAND (PR_SET_PDEATHSIG survives exec). On other
systems COMMAND is only started, and outlives a parent that was killed with SIGKILL. A `preexec_fn` would do the same,
but it would run Python between fork and exec in a process with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def dying_with_parent(*command: str) -> list[str]:
    """Return the command that starts `command` as a child of this process and kills it when this process has ended."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def die_with(parent: int) -> None:
    """Let the kernel kill this process when `parent` has ended. End it at once if `parent` is not its parent any more.

    It only works on Linux, and does nothing elsewhere. Raise OSError if it fails.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)  # a forked process must not run what its parent has left to do at the end


def main(parent: int, command: list[str]) -> None:
    """Let this process be killed when `parent` ends, and replace it by `command`. Raise OSError if either fails."""
    die_with(parent)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 (no shell is meant)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
