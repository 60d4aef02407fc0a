"""What `make build` makes: a wheel and a source distribution that install and run where nothing of this tree is."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from worker import __version__

ROOT = Path(__file__).parents[1]
#: The environment of a program, without variables that lead to this directory.
_BARE = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command to its end and return what it printed; fail with all of that if it fails."""
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**_BARE, **pip}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory with a wheel and a source distribution, made as `make build` makes them."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--directory", folder, cwd=ROOT)
    return folder


@pytest.mark.thorough
def test_the_wheel_runs_in_an_empty_environment_and_an_empty_directory(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    python, nowhere = tmp_path / "venv/bin/python", tmp_path / "nowhere"
    nowhere.mkdir()
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    run(*pip, "--require-hashes", "--requirement", ROOT / "requirements-runtime.lock", cwd=nowhere)
    run(*pip, wheel, cwd=nowhere)

    assert "No broken requirements found.\n" == run(python, "-m", "pip", "check", cwd=nowhere)
    where = run(python, "-c", "import worker, schemas; print(worker.__file__, schemas.__file__)", cwd=nowhere)
    assert [f"{tmp_path / 'venv'}"] * 2 == [file[: len(f"{tmp_path / 'venv'}")] for file in where.split()]
    assert f"detractor-worker {__version__}\n" == run(python, "-m", "worker", "--version", cwd=nowhere)
    assert "settings are fine" in run(python, "-m", "worker", "check-config", cwd=nowhere)
    assert "bootstrap_servers" in run(python, "-m", "worker", "settings", cwd=nowhere)
    assert "nps.responses" in run(python, "-m", "worker", "topics", cwd=nowhere)
    assert f"detractor-worker {__version__}\n" == run(tmp_path / "venv/bin/detractor-worker", "--version", cwd=nowhere)
    assert [] == [*nowhere.iterdir()]


@pytest.mark.thorough
def test_the_source_distribution_holds_what_is_needed_to_build_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (sources,), (wheel,) = built.glob("*.tar.gz"), built.glob("*.whl")
    with tarfile.open(sources) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    run(
        sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path / "again", cwd=unpacked
    )

    assert wheel.read_bytes() == (tmp_path / "again" / wheel.name).read_bytes()
    assert re.fullmatch(r"detractor_worker-\d+\.\d+\.\d+", unpacked.name)
    # Nothing that only lies about in a working tree.
    assert not {".venv", ".stamp", "dist", ".git"} & {path.name for path in unpacked.iterdir()}
