"""Work in threads that do not keep the process alive: Python waits for an executor's threads before it ends."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


def in_background(work: Callable[[], Result]) -> "Future[Result]":
    """Start the work in a thread of its own, which ends with the process, and return what will become of it."""
    future = Future[Result]()
    future.set_running_or_notify_cancel()  # who no longer waits for it cannot cancel what runs

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, daemon=True).start()
    return future
