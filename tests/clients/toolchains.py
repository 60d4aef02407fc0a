"""The clients, and how each one's program is made ready on this machine, in .stamp/clients/."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from worker.embedded.jars import class_path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
_STAMP = ROOT / ".stamp" / "clients"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class NotTried(Exception):
    """This machine lacks what the client needs."""


class NotReady(Exception):
    """The client's program cannot be made, though everything that it needs is here."""


@dataclass(frozen=True)
class Client:
    """A client. `prepare` returns the command that runs its program, to which the plan's file is added.

    `default_keeps_order`: whether its default partitioner gives all records of a key to one partition.
    `null_headers`: whether it can write headers whose values are null; `broken_names`: whose names are no UTF-8.
    """

    name: str
    prepare: Callable[[], Sequence[str]]
    codecs: tuple[str, ...] = CODECS
    transactions: bool = False
    default_keeps_order: bool = True
    null_headers: bool = True
    broken_names: bool = False


def _librdkafka() -> list[str]:
    return [_python("librdkafka"), str(HERE / "librdkafka" / "publish.py")]


def _kafka_python() -> list[str]:
    return [_python("kafka_python"), str(HERE / "kafka_python" / "publish.py")]


def _kafkajs() -> list[str]:
    return node_program(HERE / "kafkajs" / "publish.js")


def node_program(program: Path) -> list[str]:
    """Return the command of a program of Node, with the modules that the lock file beside it names.

    Raise NotTried if this machine has no Node, and NotReady if the modules cannot be installed.
    """
    node, npm, home = _tool("node"), _tool("npm"), _STAMP / program.parent.name
    home.mkdir(parents=True, exist_ok=True)
    # Node looks for modules beside the program.
    files = [program.with_name(name) for name in ("package.json", "package-lock.json", program.name)]
    for file in files:
        shutil.copy(file, home)
    if _is_changed(home, *files[:2]):
        _run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=home)
        _note(home, *files[:2])
    return [node, str(home / program.name)]


def _go(program: str) -> list[str]:
    go, target = _tool("go"), _STAMP / "go" / program
    try:
        _run(go, "build", "-mod=readonly", "-o", str(target), f"./{program}", cwd=HERE / "go")
    except NotReady as error:
        if "go.mod requires go" in str(error):
            raise NotTried(f"the go of this machine is too old: {error}") from None
        raise
    return [str(target)]


def _java() -> list[str]:
    javac, source, home = _tool("javac"), HERE / "java" / "Publish.java", _STAMP / "java"
    jars = class_path(lambda line: print(line, flush=True))
    home.mkdir(parents=True, exist_ok=True)
    _run(javac, "-Xlint:all,-path,-processing", "-Werror", "-cp", jars, "-d", str(home), str(source))
    java = str(Path(javac).resolve().with_name("java"))
    return [java, "-Xmx256m", "-cp", os.pathsep.join([str(home), jars]), "Publish"]


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotTried(f"this machine has no {name}")
    return found


def _python(name: str) -> str:
    """Return the Python of an environment in which what the client's lock file names is installed."""
    lock, home = HERE / name / "requirements.lock", _STAMP / name
    python = str(home / "bin" / "python")
    if _is_changed(home, lock):
        _run(sys.executable, "-m", "venv", "--clear", str(home))
        quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--no-deps")
        _run(python, "-m", "pip", "install", *quiet, "--only-binary", ":all:", "--requirement", str(lock))
        _note(home, lock)
    return python


def _is_changed(home: Path, *sources: Path) -> bool:
    """Say whether what was made of these files is no longer what they say, or was never made to the end."""
    noted = home / "made-of"
    return not noted.exists() or noted.read_text() != _digest(sources)


def _note(home: Path, *sources: Path) -> None:
    (home / "made-of").write_text(_digest(sources))


def _digest(sources: Sequence[Path]) -> str:
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotReady(f"{' '.join(command)}: {' | '.join(said[-5:])}")


CLIENTS = (
    Client("librdkafka", _librdkafka, transactions=True),
    Client("kafka-python", _kafka_python, transactions=True, null_headers=False),
    Client("kafkajs", _kafkajs, transactions=True, null_headers=False),
    Client("franz-go", lambda: _go("franz"), transactions=True, broken_names=True),
    Client("segmentio", lambda: _go("segmentio"), default_keeps_order=False, broken_names=True),
    Client("java", _java, transactions=True),
)
