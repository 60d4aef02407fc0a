"""What a process with a large board does once, so that pages are fast from the first one on, and memory stays small."""

import asyncio
import ctypes
import gc

from worker.board.board import Board
from worker.board.cases import CaseQuery
from worker.clock import Clock
from worker.web.rendering import Rendering

#: How often it is looked whether the board has caught up, in seconds.
_LOOK_SECONDS = 0.1
#: A parameter of mallopt (<malloc.h>), and its usual value, in bytes.
_M_MMAP_THRESHOLD, _USUAL = -3, 128 * 1024


def return_large_blocks() -> None:
    """Let the C library return each large block to the system as soon as it is freed.

    When glibc has freed such a block, it takes later ones of that size (up to 32 MB) from the heap, where what is
    allocated behind them keeps them from being returned (mallopt(3), M_MMAP_THRESHOLD). The answers of Kafka from which
    the board is filled are such blocks. If the value is set, it stays. Other C libraries do not do that.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _USUAL)


async def settle(board: Board, rendering: Rendering, clock: Clock) -> None:
    """Compile the templates. When the board has caught up, sort the cases, and end garbage collection of the board.

    To look for garbage in a large board would stop the process for up to 0.2 s. Its entries are in no cycles, so they
    are freed all the same when they are replaced.
    """
    for name in rendering.templates.list_templates():
        rendering.templates.get_template(name)
        await asyncio.sleep(0)
    while not board.freshness(clock.now()).caught_up:  # noqa: ASYNC110 - the board tells nobody
        await asyncio.sleep(_LOOK_SECONDS)
    board.cases.totals(CaseQuery(), clock.now())
    gc.collect()
    gc.freeze()
