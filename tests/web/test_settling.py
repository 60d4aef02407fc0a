"""What a process does once, so that its first pages are fast and its memory stays small."""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest
from board.test_cases import case, row
from flow.records import NOW

from worker.board.board import Board
from worker.clock import SystemClock
from worker.web.assets import Assets
from worker.web.rendering import Rendering
from worker.web.settling import settle

#: Frees a large block, and says how many bytes the next one adds to the memory that the C library maps for one block.
_ALLOCATE = """
import ctypes, sys
from worker.web.settling import return_large_blocks

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
    _fields_ = [(name, ctypes.c_size_t) for name in names]

library = ctypes.CDLL(None)
library.mallinfo2.restype, library.malloc.restype = Info, ctypes.c_void_p
library.malloc.argtypes, library.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
mapped = lambda: library.mallinfo2().hblkhd
if sys.argv[1] == "returned":
    return_large_blocks()
library.free(library.malloc(4_000_000))
before = mapped()
library.malloc(3_000_000)
print(mapped() - before)
"""


class Clock(SystemClock):
    def now(self) -> int:
        return NOW


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.unfreeze()


async def test_the_board_is_sorted_and_frozen_when_it_has_caught_up(monkeypatch: pytest.MonkeyPatch) -> None:
    board, rendering = Board(), Rendering(Assets())
    board.cases.take(b"c-1", row(case("a-1")))
    board.known_at["cases"] = None
    looked = asyncio.Event()
    monkeypatch.setattr("worker.web.settling._LOOK_SECONDS", 0.0)
    monkeypatch.setattr(Board, "freshness", noticed(Board.freshness, looked))
    gc.unfreeze()
    settling = asyncio.create_task(settle(board, rendering, Clock()))
    await looked.wait()

    assert gc.get_freeze_count() == 0
    assert board.cases._order == []
    assert {name for _, name in rendering.templates.cache or ()} == {*rendering.templates.list_templates()}

    board.known_at["cases"] = 1
    await settling

    assert gc.get_freeze_count() > 0
    assert [entry.key[3] for entry in board.cases._order] == ["a-1"]


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps large blocks")
@pytest.mark.parametrize(("how", "least", "most"), [("usual", 0, 0), ("returned", 3_000_000, 4_000_000)])
def test_a_large_block_is_mapped_on_its_own_also_after_another_was_freed(how: str, least: int, most: int) -> None:
    done = subprocess.run([sys.executable, "-c", _ALLOCATE, how], capture_output=True, text=True, check=True)

    assert least <= int(done.stdout) <= most


def noticed(freshness: object, looked: asyncio.Event) -> object:
    """Return a method that says when it was called."""

    def look(board: Board, now: int) -> object:
        looked.set()
        return freshness(board, now)  # type: ignore[operator]

    return look
