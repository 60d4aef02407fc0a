"""Starts processes of the worker that have imported it already: `python -m integration.fork_server FD`.

A worker spends its first second of CPU on imports, and the tests start more than a hundred. This program imports all of
the worker once, and then waits at the socket FD for requests. Each is a JSON object with two file descriptors. The
program forks a process for it, which becomes `python -m MODULE ARGUMENT…` of the request. It has the environment and
the directory of the request, the first descriptor as its standard output and error, and the default handlers of
signals. So it reads its settings, and ends or is killed, like a process that was started in the usual way.

Between the two stands a keeper, the parent of the new process. It writes a line with the process id to the second
descriptor, and a line with the exit code (negative: the signal) when the process has ended.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import time
from typing import Any

import worker
from worker.embedded.die_with_parent import die_with

#: The most that a request may be, in bytes; most of it is the environment.
LARGEST_REQUEST = 200_000
#: What is not imported: the program itself, which would run, and what no worker needs.
_LEFT_OUT = ("worker.__main__", "worker.demo", "worker.embedded")


def _import_all() -> None:
    for found in pkgutil.walk_packages(worker.__path__, "worker."):
        if not found.name.startswith(_LEFT_OUT):
            importlib.import_module(found.name)


def _next(control: socket.socket) -> tuple[dict[str, Any], int] | None:
    """Wait for the next request. In the process that is to carry it out, return it with its output's descriptor.

    Return None when nobody is left who could ask.
    """
    while True:
        text, descriptors, _, _ = socket.recv_fds(control, LARGEST_REQUEST, 2)
        _reap()
        if not text:
            return None
        server = os.getpid()
        if os.fork() == 0:
            control.close()
            die_with(server)
            output, report = descriptors
            if _kept(output, report):
                return json.loads(text), output
        for descriptor in descriptors:
            os.close(descriptor)


def _reap() -> None:
    """Take leave of the keepers that have ended, so that their CPU time is counted as that of this process."""
    with contextlib.suppress(ChildProcessError):  # there are none
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


def _kept(output: int, report: int) -> bool:
    """Fork the process that is asked for, and return True in it. The keeper reports on it, and never returns."""
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(report)
        die_with(keeper)
        return True
    os.close(output)
    os.write(report, b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(request: dict[str, Any], output: int) -> None:
    """Give this process what a new one would have."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    # As Python makes them for a pipe.
    out, err = (io.BufferedWriter(io.FileIO(standard, "w", closefd=False)) for standard in (1, 2))
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8")
    sys.stderr = io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", line_buffering=True)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    os.chdir(request["cwd"])
    sys.argv = [request["module"], *request["arguments"]]


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too, and is for those who ask
    _import_all()
    gc.collect()
    gc.freeze()  # so that the memory stays shared
    found = _next(socket.socket(fileno=int(sys.argv[1])))
    if found is None:
        return
    request, output = found
    _become(request, output)
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
