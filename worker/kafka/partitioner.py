"""Kafka's default partitioner, which assigns a partition to each key."""

from collections.abc import Callable
from functools import lru_cache

from aiokafka.partitioner import murmur2


def partition_of(partitions: int) -> Callable[[bytes], int]:
    """Return the function from a key to its partition. Hashing in Python is slow, so recent results are kept."""

    @lru_cache(maxsize=65_536)
    def owner(key: bytes) -> int:
        return int((murmur2(key) & 0x7FFFFFFF) % partitions)

    return owner
