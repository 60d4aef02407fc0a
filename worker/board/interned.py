"""Texts that many entries have, which are kept once."""

import sys
from functools import lru_cache

#: How many different lists are kept once. Most companies have far fewer.
_MOST = 10_000


@lru_cache(maxsize=_MOST)
def interned(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the same tuple for the same texts, and the same objects for them."""
    return tuple(map(sys.intern, texts))
