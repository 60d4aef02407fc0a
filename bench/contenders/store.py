"""The rows of customers in a dictionary, or in RocksDB: how large they are, and how long it takes to change one.

Needs nothing but Python, and rocksdict, which comes with Quix Streams.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

from bench.contenders.task import Task, given, report

#: Which store, in the environment: "memory" or "rocksdb".
WHICH = "BENCH_STORE"
#: A folder below the working directory; the process that starts this program removes it.
_FOLDER = "store"
_ROW_BYTES = 70
_CHANGES = 200_000
_PAGE = os.sysconf("SC_PAGE_SIZE")


def main(task: Task) -> None:
    """Fill a store with rows like the worker's, change some at random, and open it again."""
    chance = random.Random(1)  # noqa: S311 - the same at each run
    empty_mb = _resident_mb()
    store = _opened()
    for number in range(task.events):
        store[_key(number)] = chance.randbytes(_ROW_BYTES)
    cpu = time.process_time()
    for _ in range(_CHANGES):
        key = _key(chance.randrange(task.events))
        store[key] = store[key][:-1] + b"."
    change_us = (time.process_time() - cpu) / _CHANGES * 1e6
    weighs, reopened = _resident_mb() - empty_mb, 0.0
    if os.environ[WHICH] == "rocksdb":
        store.close()
        began = time.perf_counter()
        store = _opened()
        assert store[_key(0)]
        reopened = time.perf_counter() - began
        store.close()
    report(change_us=change_us, mb=weighs, reopen_seconds=reopened, disk_mb=_disk_mb())


def _key(number: int) -> bytes:
    return f"c-{number}".encode()


def _opened() -> Any:
    if os.environ[WHICH] == "memory":
        return {}
    from rocksdict import Options, Rdict  # noqa: PLC0415 - the dictionary must not weigh what this weighs

    return Rdict(_FOLDER, Options(raw_mode=True))


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 2**20


def _disk_mb() -> float:
    return sum(file.stat().st_size for file in Path(_FOLDER).glob("*")) / 2**20


if __name__ == "__main__":
    main(given())
