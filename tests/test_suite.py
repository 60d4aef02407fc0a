"""How `make test` runs its jobs, and what its last lines say."""

import asyncio
import sys
from pathlib import Path

import pytest
import suite
from suite import Job, Suite, summary

PASSES = """
def test_fine(): pass
"""
FAILS = """
import pytest

def test_fine(): pass

@pytest.fixture
def broken(): raise OSError("no room")

@pytest.mark.parametrize("fault", ["kills"])
def test_wrong(fault): pytest.fail("kills, trial 2 of 3, seed 1: a mail is lost\\n    what the worker said")

def test_not_ready(broken): pass
"""
_PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(suite, "LOGS", tmp_path)
    monkeypatch.setattr(suite, "ROOT", tmp_path)
    return tmp_path


def python(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


async def run(*jobs: Job) -> list[str]:
    ran = Suite(jobs)
    await ran.run()
    return summary(ran.outcomes, 61.5)


async def test_the_last_lines_name_each_test_that_failed_and_why_and_the_last_one_is_pytests(folder: Path) -> None:
    (folder / "test_good.py").write_text(PASSES)
    (folder / "test_bad.py").write_text(FAILS)
    lines = await run(Job("good", _PYTEST, ("test_good.py",)), Job("bad", _PYTEST, ("test_bad.py",)))

    assert "FAILED test_bad.py::test_wrong[kills] (bad; all of it: .stamp/bad.log)" in lines
    place = lines.index("FAILED test_bad.py::test_wrong[kills] (bad; all of it: .stamp/bad.log)")
    assert lines[place + 1].endswith("kills, trial 2 of 3, seed 1: a mail is lost")
    assert any("test_bad.py::test_not_ready" in line for line in lines)
    assert any("no room" in line for line in lines)
    assert lines[-1].strip("= ") == "1 failed, 2 passed, 1 error in 61.50s (0:01:02)"


async def test_of_a_run_without_failures_only_the_last_line_is_left(folder: Path) -> None:
    (folder / "test_good.py").write_text(PASSES)
    lines = await run(Job("good", _PYTEST, ("test_good.py",)))

    assert [line.strip("= ") for line in lines] == ["", "1 passed in 61.50s (0:01:02)"]


async def test_a_job_that_ends_without_counting_is_an_error_with_its_last_words(folder: Path) -> None:
    lines = await run(Job("gone", (*python("print('out of memory'); exit(9)"),), ("of no consequence",)))

    assert lines[2:-1] == [
        "FAILED everything (gone; all of it: .stamp/gone.log)",
        "    exit code 9; its last lines:",
        "    out of memory",
    ]
    assert lines[-1].strip("= ").startswith("1 error in")


async def test_nothing_goes_on_when_what_comes_first_has_failed(folder: Path) -> None:
    wait = "import pathlib, signal, threading; pathlib.Path('begun').touch(); threading.Event().wait()"
    fail = "import pathlib, time\nwhile not pathlib.Path('begun').exists(): time.sleep(0.01)\nexit(1)"
    last = Job("last", python("raise SystemExit"), after=("check",))
    ran = Suite([Job("check", python(fail), first=True), Job("others", python(wait)), last])
    await ran.run()

    assert [(outcome.job.name, outcome.code) for outcome in ran.outcomes] == [("check", 1)]
    assert not last.log.exists()


async def test_who_is_interrupted_lets_the_jobs_clean_up(folder: Path) -> None:
    text = """
import pathlib, threading
try:
    pathlib.Path("begun").touch()
    threading.Event().wait()
finally:
    pathlib.Path("cleaned up").touch()
"""
    running = asyncio.create_task(Suite([Job("others", python(text))]).run())
    while not (folder / "begun").exists():  # noqa: ASYNC110 - a file that appears raises no event
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert (folder / "cleaned up").exists()


async def test_no_job_runs_before_the_job_that_it_waits_for(folder: Path) -> None:
    note = "import pathlib; pathlib.Path('{0}').touch(); exit(not pathlib.Path('{1}').exists())"
    lines = await run(
        Job("b", python(note.format("b", "a")), after=("a",)),
        Job("a", python(note.format("a", ".")), first=True),
    )

    assert lines[-1].strip("= ").startswith("no tests ran")


async def test_a_job_that_yields_has_the_priority_of_one_that_asked_to_be_nice(folder: Path) -> None:
    asked = Job("asked", python("import os; print(os.nice(10))"))
    yielding = Job("yielding", python("import os; print(os.nice(0))"), yielding=True)
    await run(asked, yielding)

    assert yielding.log.read_text() == asked.log.read_text()


async def test_a_command_is_found_by_its_name_alone(folder: Path) -> None:
    lines = await run(Job("check", ("make", "--version"), first=True))

    assert lines[-1].strip("= ").startswith("no tests ran")
