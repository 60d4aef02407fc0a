import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from worker.embedded import EmbeddedError, jars
from worker.embedded.jars import DOWNLOAD_ATTEMPTS, KAFKA_VERSION, Jar

GOOD = b"as it was locked"


class FakeMaven:
    """Stands where jgo's MavenContext does, and serves `served` one after the other."""

    def __init__(self, repository: Path, *served: bytes | OSError) -> None:
        self.served = list(served)
        self.cached_path = repository / "a.jar"

    def project(self, _group: str, _artifact: str) -> Any:
        return SimpleNamespace(at_version=lambda _version: SimpleNamespace(artifact=lambda: self))

    def resolve(self) -> Path:
        assert not self.cached_path.exists()
        served = self.served.pop(0)
        if isinstance(served, OSError):
            raise served
        self.cached_path.write_bytes(served)
        return self.cached_path


@pytest.fixture
def jar() -> Jar:
    return Jar("org.example:a:1.0", hashlib.sha256(GOOD).hexdigest(), len(GOOD))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_download_that_fails_is_tried_again(jar: Jar, home: Path, tmp_path: Path) -> None:
    jars._fetch(FakeMaven(tmp_path, OSError("reset"), b"cut sh", GOOD), jar, home)
    assert (home / "a-1.0.jar").read_bytes() == GOOD


def test_a_jar_that_is_not_the_locked_one_is_refused(jar: Jar, home: Path, tmp_path: Path) -> None:
    maven = FakeMaven(tmp_path, *[b"something else"] * DOWNLOAD_ATTEMPTS)
    with pytest.raises(EmbeddedError, match=r"org\.example:a:1\.0 .* SHA-256 is not the locked one"):
        jars._fetch(maven, jar, home)
    assert list(home.iterdir()) == []


def test_a_download_that_fails_for_good_says_in_a_short_line_what_to_check(
    jar: Jar, home: Path, tmp_path: Path
) -> None:
    raw = ConnectionError("HTTPSConnectionPool(host='repo', port=443): Max retries (Caused by <object at 0x7f>)")
    with pytest.raises(EmbeddedError) as caught:
        jars._fetch(FakeMaven(tmp_path, *[raw] * DOWNLOAD_ATTEMPTS), jar, home)

    assert str(caught.value) == (
        "cannot download org.example:a:1.0 from Maven Central: ConnectionError; check the network or HTTPS_PROXY"
    )


def test_an_interrupted_download_does_not_keep_the_process(tmp_path: Path) -> None:
    """A server that accepts and then says nothing would be waited for until its time-out."""
    script = """
import asyncio, threading
from worker.embedded import jars
from worker.embedded.kafka import EmbeddedKafka

under_way = threading.Event()

def hang(*_):
    under_way.set()
    threading.Event().wait(20)

async def interrupted():
    starting = asyncio.create_task(EmbeddedKafka().start())
    await asyncio.to_thread(under_way.wait)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    print("stopped", starting.cancelled())

jars._fetch = hang
asyncio.run(interrupted())
"""
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=15, check=True,
    )  # fmt: skip
    assert ended.stdout == "stopped True\n"
    assert ended.stderr == ""


def test_the_lock_names_this_kafka() -> None:
    locked = jars.LOCK_FILE.read_text(encoding="ascii")
    assert set(jars.ARTIFACTS) <= {line.split()[0] for line in locked.splitlines()}
    assert f"org.apache.kafka:kafka-clients:{KAFKA_VERSION} " in locked
