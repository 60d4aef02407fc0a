"""Ids as pure functions of the event: a replay makes the same ones, so every receiver can drop what it has."""

from hashlib import blake2b
from uuid import NAMESPACE_URL, uuid5

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:nps:detractor-worker")


def make_id(kind: str, *parts: str | int) -> str:
    """Return uuid5 over the kind and the parts. The length before each part keeps ('a', 'bc') and ('ab', 'c') apart."""
    return str(uuid5(_NAMESPACE, kind + "".join(f"|{len(str(part))}:{part}" for part in parts)))


def number(response_id: str) -> int:
    """Return a response id as a 63-bit number, for rows that hold many."""
    return int.from_bytes(blake2b(response_id.encode(), digest_size=8).digest()) >> 1
