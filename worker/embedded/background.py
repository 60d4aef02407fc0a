"""Work in threads that do not keep the process alive, unlike those of an executor, for which Python waits."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_background(work: Callable[[], Result]) -> "Future[Result]":
    """Start the work in a thread of its own, which ends with the process, and return the future of its result."""
    future = Future[Result]()
    future.set_running_or_notify_cancel()  # from now on nobody can cancel the future, since the work cannot be stopped

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - the future raises it where its result is awaited
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True).start()
    return future
