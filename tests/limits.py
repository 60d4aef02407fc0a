"""How long a test may take before it counts as hung; it is then cancelled, so that what it started is cleaned up.

pytest-timeout alone raises in whatever the event loop is doing. The test itself would stay where it is, beside the
tests after it, with all its processes.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any

import pytest

#: The share of pytest-timeout's time that a test has; the rest is for its cleaning up.
_SHARE = 0.9


def limit(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Limit every test that is a coroutine."""
    usual = float(config.getini("timeout"))
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            mark = item.get_closest_marker("timeout")
            seconds = float(mark.args[0]) if mark is not None else usual
            item.obj = cancelled_after(item.obj, seconds * _SHARE)


def cancelled_after(test: Callable[..., Awaitable[None]], seconds: float) -> Callable[..., Awaitable[None]]:
    """Return the test with a limit. It fails with a TimeoutError that says so."""

    @wraps(test)
    async def limited(*args: Any, **options: Any) -> None:
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                await test(*args, **options)
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise TimeoutError(f"the test was cancelled, because it hung for {seconds:.0f} s") from error

    return limited
