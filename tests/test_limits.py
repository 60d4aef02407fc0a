"""A test that hangs is cancelled, and cleans up; other errors stay as they are."""

import asyncio

import pytest
from limits import cancelled_after


async def test_a_test_that_hangs_cleans_up_and_says_so() -> None:
    cleaned_up = False

    async def hangs() -> None:
        nonlocal cleaned_up
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up = True

    with pytest.raises(TimeoutError, match="the test was cancelled, because it hung for 0 s"):
        await cancelled_after(hangs, 0.01)()
    assert cleaned_up


async def test_a_time_out_of_the_test_itself_stays_what_it_is() -> None:
    async def fails() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match=r"^its own$"):
        await cancelled_after(fails, 60)()


def test_every_coroutine_of_this_session_is_limited(request: pytest.FixtureRequest) -> None:
    tests = [item for item in request.session.items if item.name.startswith("test_a_test_that_hangs")]

    assert [hasattr(item.obj, "__wrapped__") for item in tests if isinstance(item, pytest.Function)] == [True]
