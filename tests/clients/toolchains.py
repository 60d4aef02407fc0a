"""The clients, and how each one's program is made ready on this machine, in .stamp/clients/."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

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
    `broken_names`: whether it can write headers whose names are no UTF-8.
    """

    name: str
    prepare: Callable[[], Sequence[str]]
    codecs: tuple[str, ...] = CODECS
    transactions: bool = False
    default_keeps_order: bool = True
    broken_names: bool = False


def _librdkafka() -> list[str]:
    return [_python("librdkafka"), str(HERE / "librdkafka" / "publish.py")]


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


CLIENTS = (Client("librdkafka", _librdkafka, transactions=True),)
