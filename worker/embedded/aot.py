"""Java's ahead-of-time cache of Kafka's classes: with it, Kafka starts in half the time.

Java 25 and later can write such a cache at the end of a run, for later runs (JEP 514). `worker.embedded.prepare` lets
Java do so. The cache lies beside the jars, and fits one Java version, one set of jars and one set of options. Java
checks at each start that the cache fits, and starts without it otherwise.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

#: The first Java whose `-XX:AOTCacheOutput` writes the cache in one run.
OLDEST_JAVA_WITH_CACHE = 25


def cache_file(java: Path, jars: str, options: Sequence[str]) -> Path | None:
    """Return where the cache for this Java, class path and options lies; None if this Java cannot have one.

    The file need not exist.
    """
    try:
        # `bin/java` may be a link. The file `release`, one folder above `bin`, says which Java this is.
        release = (java.resolve().parents[1] / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
    if found is None or int(found[1]) < OLDEST_JAVA_WITH_CACHE:
        return None
    home = Path(jars.split(os.pathsep, maxsplit=1)[0]).parent
    fingerprint = hashlib.sha256("\n".join((release, jars, *options)).encode()).hexdigest()[:8]
    return home.with_name(f"{home.name}-{fingerprint}.aot")


def cache_options(java: Path, jars: str, options: Sequence[str]) -> tuple[str, ...]:
    """Return the options that make Java use the cache; none if there is no cache yet."""
    file = cache_file(java, jars, options)
    return (f"-XX:AOTCache={file}",) if file is not None and file.is_file() else ()
