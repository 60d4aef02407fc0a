"""Times. The core keeps them as milliseconds since 1970, and the wire has RFC 3339."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

#: The last millisecond that RFC 3339 can write.
LATEST = 253_402_300_799_999

HOUR = 3_600_000
DAY = 24 * HOUR


def to_ms(when: datetime) -> int:
    """Return a time that has a time zone in ms since 1970."""
    since = when - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


@lru_cache(maxsize=1024)  # records of one produce batch share their time
def from_ms(ms: int) -> datetime:
    """Return a time in UTC. A time outside the years 1970 to 9999 becomes the nearest one inside."""
    return _EPOCH + min(max(ms, 0), LATEST) * _MILLISECOND


@lru_cache(maxsize=1024)
def rfc3339(ms: int) -> bytes:
    """Return a time as CloudEvents headers have it."""
    return from_ms(ms).isoformat().encode()
