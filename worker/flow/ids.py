"""Ids as pure functions of the event: a replay makes the same ones, so every receiver can drop what it has."""

from hashlib import blake2b, sha1
from uuid import NAMESPACE_URL, uuid5

#: SHA-1 of the namespace, to be continued with a name: that is all a uuid5 is (RFC 9562, 5.5), at a third of the price.
_NAMESPACE = sha1(uuid5(NAMESPACE_URL, "urn:nps:detractor-worker").bytes, usedforsecurity=False)
#: The digit that holds the variant: its two highest bits are 10.
_VARIANT = {digit: f"{int(digit, 16) & 0x3 | 0x8:x}" for digit in "0123456789abcdef"}


def make_id(kind: str, *parts: str | int) -> str:
    """Return uuid5 over the kind and the parts. The length before each part keeps ('a', 'bc') and ('ab', 'c') apart."""
    name = kind
    for part in parts:
        text = str(part)
        name += f"|{len(text)}:{text}"
    hashed = _NAMESPACE.copy()
    hashed.update(name.encode())
    digits = hashed.hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"


def number(response_id: str, salt: bytes = b"") -> int:
    """Return a response id as a 63-bit number, for rows of segments, which hold many.

    The salt lies in the customer's row only. Once that is erased, nobody can find out whose answer a number stands for.
    """
    return int.from_bytes(blake2b(response_id.encode(), digest_size=8, key=salt).digest()) >> 1


def make_salt(secret: bytes, *place: int) -> bytes:
    """Return the salt of a customer whose first record lies at a place. It cannot be made again without the secret."""
    return blake2b(":".join(map(str, place)).encode(), digest_size=16, key=secret, person=b"nps-salt").digest()
