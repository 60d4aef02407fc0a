"""Passwords: their hashes by argon2id (RFC 9106), with the parameters that argon2-cffi recommends.

A hash takes about 50 ms and 64 MiB, which makes guessing expensive. So whoever verifies passwords must bound how many
are verified at the same time.
"""

from functools import cache

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

#: The shortest and the longest password, in characters (NIST SP 800-63B-4 asks for 15 where nothing else is asked for).
SHORTEST, LONGEST = 15, 1_000

_HASHER = PasswordHasher()


def hash_of(password: str) -> str:
    """Return the hash of a password, with a new salt."""
    return _HASHER.hash(password)


def is_hash(text: str) -> bool:
    """Say whether a text is a hash of argon2id."""
    try:
        return extract_parameters(text).type is Type.ID
    except InvalidHashError:
        return False


def is_right(hashed: str | None, password: str) -> bool:
    """Say whether a password has a hash; never if there is none, which takes as long."""
    try:
        _HASHER.verify(hashed or _nobody(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return hashed is not None


@cache
def _nobody() -> str:
    """Return the hash with which a password is compared if the name is not known, so that the answer takes as long."""
    return _HASHER.hash("nobody has this password")
