"""The units of systemd."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from deploy.files import DEPLOY, ROLES, tool, wrong_variable

from worker.app import _STOP_SECONDS
from worker.settings import Settings

SYSTEMD = DEPLOY / "systemd"
UNITS = sorted(SYSTEMD.glob("*.service"))
COMMON = SYSTEMD / "detractor-worker-.service.d/common.conf"


def service(path: Path) -> dict[str, list[str]]:
    """Return the values of each key of [Service]; a key may stand several times."""
    _, _, section = path.read_text(encoding="utf-8").partition("[Service]\n")
    found: dict[str, list[str]] = {}
    for line in section.partition("\n[")[0].splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: str(path.stem))
def test_a_unit_runs_the_role_that_it_is_named_after(unit: Path) -> None:
    role = re.fullmatch(r"detractor-worker-(\w+)@", unit.stem)
    [command] = service(unit)["ExecStart"]

    assert role is not None
    assert role[1] in ROLES
    assert shlex.split(command)[1:] == ["-m", "worker", "run", "--role", role[1]]


def test_every_variable_is_a_setting() -> None:
    lines = [line for path in [*UNITS, COMMON] for line in service(path).get("Environment", [])]
    names = [shlex.split(line)[0].partition("=")[0] for line in lines]

    assert len(names) > 5
    assert [why for why in map(wrong_variable, names) if why is not None] == []


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: str(path.stem))
def test_each_secret_is_a_credential_of_the_unit(unit: Path) -> None:
    parts = service(unit)
    loaded = {line.partition(":")[0] for line in parts.get("LoadCredential", [])}
    used = {name for line in parts.get("Environment", []) for name in re.findall(r"%d/([a-z-]+)", line)}

    assert loaded == used


def test_the_receiver_accepts_the_sources_of_its_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for line in service(SYSTEMD / "detractor-worker-receive@.service")["Environment"]:
        [given] = shlex.split(line)
        name, _, value = given.partition("=")
        monkeypatch.setenv(name, value.replace("%d", str(tmp_path)))
    for secret in ("after-delivery", "pseudonym-key"):
        (tmp_path / secret).write_text("x" * 32)
    receive = Settings().receive

    assert receive.problem is None
    assert {"after_delivery"} == {source.name for source in receive.sources}


def test_a_stop_may_take_longer_than_the_worker_takes_at_most() -> None:
    [seconds] = service(COMMON)["TimeoutStopSec"]

    assert float(seconds.removesuffix("s")) > _STOP_SECONDS + 2
    assert service(COMMON)["RestartPreventExitStatus"] == ["2"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with a Python that is on this machine, each also as an instance."""
    folder = tmp_path / "units"
    shutil.copytree(SYSTEMD, folder)
    for unit in list(folder.glob("*.service")):
        unit.write_text(unit.read_text(encoding="utf-8").replace("/opt/worker/bin/python", sys.executable))
        shutil.copy(unit, folder / unit.name.replace("@", "@9464"))
    return folder


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("systemd-analyze"), *arguments],
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", [f"{path.stem}9464.service" for path in UNITS])
def test_systemd_finds_nothing_wrong(installed: Path, name: str) -> None:
    done = analyze(installed, "verify", str(installed / name))

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", [f"{path.stem}9464.service" for path in UNITS])
def test_the_units_are_hardened(installed: Path, name: str) -> None:
    """systemd's own measure, from 0 (as good as nothing can be done) to 10; a unit without hardening has 9.6."""
    done = analyze(installed, "security", "--offline=true", "--threshold=20", str(installed / name))

    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr
