"""Kafka's default partitioner: which partition a key belongs to."""

from collections.abc import Callable
from functools import lru_cache

from aiokafka.partitioner import murmur2


def partition_of(partitions: int) -> Callable[[bytes], int]:
    """Return Kafka's default partitioner for keys. Hashing in Python is slow, so recent keys are remembered."""

    @lru_cache(maxsize=65_536)
    def owner(key: bytes) -> int:
        return int((murmur2(key) & 0x7FFFFFFF) % partitions)

    return owner
