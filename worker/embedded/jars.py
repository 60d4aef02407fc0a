"""The jars of one Apache Kafka, fetched once through jgo from Maven Central and kept in the user's cache directory.

`jars.lock`, beside this file, names every jar with its SHA-256 and its size, so that the first start downloads in
parallel, without walking poms, exactly what was tested; later starts touch no network.
`python -m worker.embedded.jars --lock` resolves the artifacts below again and writes that file.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from worker.embedded import EmbeddedError
from worker.embedded.background import in_background

KAFKA_VERSION = "4.1.2"
ARTIFACTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",  # the version of the slf4j-api that this Kafka is built with
)
# kafka-tools asks for Kafka Connect, and that for Jetty and Jersey: 40 jars that a broker never loads.
EXCLUDED = ("connect-api", "connect-json", "connect-runtime", "connect-transforms")

LOCK_FILE = Path(__file__).with_name("jars.lock")
PARALLEL_DOWNLOADS = 8
DOWNLOAD_ATTEMPTS = 3
DOWNLOAD_TIMEOUT_S = 60
PROGRESS_STEP_MB = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    coordinate: str  # group:artifact:version
    sha256: str
    size: int  # bytes

    @property
    def name(self) -> str:
        """The file's name, as in a Maven repository."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def class_path(say: Say, lock_file: Path = LOCK_FILE) -> str:
    """Return Java's class path of all jars that a lock file names; `say` gets the progress of what is downloaded first.

    Safe when several processes call it at the same time. Raises EmbeddedError if a jar cannot be had as locked.
    """
    locked = lock_file.read_text(encoding="ascii")
    jars = [_parse(line) for line in locked.splitlines()]
    fingerprint = hashlib.sha256(locked.encode()).hexdigest()[:8]
    home = _cache_dir() / f"kafka-{KAFKA_VERSION}-{fingerprint}"
    if not _complete(home, jars):
        home.parent.mkdir(parents=True, exist_ok=True)
        with _alone(home.with_name(f"{home.name}.lock")):
            if not _complete(home, jars):
                _fetch_all(jars, home, say)
    return os.pathsep.join(str(home / jar.name) for jar in jars)


def write_lock() -> None:
    """Resolve the artifacts and write the lock file anew."""
    with tempfile.TemporaryDirectory() as room:
        maven = _maven(Path(room))
        excluded = [maven.project("org.apache.kafka", name) for name in EXCLUDED]
        wanted, further = maven.resolver.resolve([maven.create_dependency(name, excluded) for name in ARTIFACTS])
        needed = [*wanted, *(dep for dep in further if dep.scope in {"compile", "runtime"})]
        jars = set()
        for dep in needed:
            content = dep.artifact.resolve().read_bytes()
            coordinate = f"{dep.groupId}:{dep.artifactId}:{dep.version}"
            jars.add(f"{coordinate} {hashlib.sha256(content).hexdigest()} {len(content)}\n")
        LOCK_FILE.write_text("".join(sorted(jars)), encoding="ascii")


def _parse(line: str) -> Jar:
    coordinate, sha256, size = line.split()
    return Jar(coordinate, sha256, int(size))


def _cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "detractor-worker"


def _complete(home: Path, jars: list[Jar]) -> bool:
    return all((home / jar.name).is_file() for jar in jars)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _maven(repository: Path) -> Any:
    # jgo brings requests along: half a second that only the first start has to pay.
    from jgo.maven import MavenContext  # noqa: PLC0415

    return MavenContext(repo_cache=repository, local_repos=[], timeout=DOWNLOAD_TIMEOUT_S)


def _fetch_all(jars: list[Jar], home: Path, say: Say) -> None:
    megabytes = sum(jar.size for jar in jars) / 1e6
    say(f"downloading Apache Kafka {KAFKA_VERSION}: {len(jars)} jars, {megabytes:.0f} MB, this once")
    # A folder of its own, renamed when complete: an interrupted download is never taken for a finished one.
    room = home.with_name(f"{home.name}.partial")
    shutil.rmtree(room, ignore_errors=True)
    maven = _maven(room / "repository")
    staged = room / "jars"
    staged.mkdir(parents=True)
    turns, given_up = threading.Semaphore(PARALLEL_DOWNLOADS), threading.Event()

    def fetch(jar: Jar) -> None:
        with turns:
            if not given_up.is_set():
                _fetch(maven, jar, staged)

    # Ctrl-C, or one failure, ends all at once: nobody waits for a download that is under way.
    downloads = {in_background(partial(fetch, jar)): jar for jar in jars}
    try:
        fetched = said = 0.0
        for number, done in enumerate(as_completed(downloads), 1):
            done.result()
            fetched += downloads[done].size / 1e6
            if fetched - said >= PROGRESS_STEP_MB or number == len(jars):
                said = fetched
                say(f"downloading Apache Kafka: {number} of {len(jars)} jars, {fetched:.0f} MB")
    finally:
        given_up.set()
    shutil.rmtree(home, ignore_errors=True)
    staged.rename(home)
    shutil.rmtree(room)


def _fetch(maven: Any, jar: Jar, folder: Path) -> None:
    group, artifact, version = jar.coordinate.split(":")
    remote = maven.project(group, artifact).at_version(version).artifact()
    problem = ""
    for _ in range(DOWNLOAD_ATTEMPTS):
        try:
            path = remote.resolve()
        except (OSError, RuntimeError) as error:  # what requests and jgo raise
            # The text of what requests raises is a chain of objects and addresses; its kind says as much to people.
            problem = f"{type(error).__name__}; check the network or HTTPS_PROXY"
        else:
            if hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
                path.rename(folder / jar.name)
                return
            problem = "its SHA-256 is not the locked one"
        remote.cached_path.unlink(missing_ok=True)
    raise EmbeddedError(f"cannot download {jar.coordinate} from Maven Central: {problem}")


if __name__ == "__main__":
    if sys.argv[1:] != ["--lock"]:
        sys.exit("usage: python -m worker.embedded.jars --lock (worker.embedded.prepare downloads the jars)")
    write_lock()
