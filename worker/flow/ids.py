"""Ids as pure functions of the event. A replay makes the same ids, so receivers can drop what they already have."""

from hashlib import blake2b, sha1
from uuid import NAMESPACE_URL, uuid5

#: The SHA-1 of the namespace, which goes on with a name. A uuid5 is nothing else (RFC 9562, 5.5), and it takes a third
#: of the time to make it in this way.
_NAMESPACE = sha1(uuid5(NAMESPACE_URL, "urn:nps:detractor-worker").bytes, usedforsecurity=False)
#: By each digit: the digit with the variant, whose two highest bits are 10.
_VARIANT = {digit: f"{int(digit, 16) & 0x3 | 0x8:x}" for digit in "0123456789abcdef"}


def make_id(kind: str, *parts: str | int) -> str:
    """Return the uuid5 of a kind and parts.

    The length of each part is hashed as well, so that ('a', 'bc') and ('ab', 'c') have different ids.
    """
    name = kind
    for part in parts:
        text = str(part)
        name += f"|{len(text)}:{text}"
    hashed = _NAMESPACE.copy()
    hashed.update(name.encode())
    digits = hashed.hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"


def id_hash(response_id: str, salt: bytes = b"") -> int:
    """Return the hash of a response id, which has 63 bits. It takes the id's place in rows that hold many of them.

    In the rows of segments it is made with the customer's salt, which is in the customer's row only. After
    that row is erased, one needs the secret of `make_salt` and the place of the customer's first record to find out
    whose answer a hash stands for.
    """
    return int.from_bytes(blake2b(response_id.encode(), digest_size=8, key=salt).digest()) >> 1


def make_salt(secret: bytes, *place: int) -> bytes:
    """Return the salt of a customer whose first record lies at a place. Without the secret nobody can compute it."""
    return blake2b(":".join(map(str, place)).encode(), digest_size=16, key=secret, person=b"nps-salt").digest()
