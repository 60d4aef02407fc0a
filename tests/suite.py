"""Runs everything that `make test` stands for, five jobs at a time, and says at the end what failed and why.

Each job's output is kept in .stamp/, as NAME.log; what pytest has counted as NAME.xml (JUnit). Here appear a line for
each job that begins or ends, each test that fails, what a failed job had to say; then the failures once more in short,
and as the last line the sum of pytest's own closing lines.
"""

import asyncio
import os
import re
import resource
import signal
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from worker.embedded.die_with_parent import dying_with_parent

ROOT = Path(__file__).parents[1]
LOGS = ROOT / ".stamp"
#: `make test` is meant for two cores. What has a Kafka often waits. Beside the three jobs that have one, there is room
#: for two that only compute, so that both cores have something to do.
_LANES = 5
#: What a job that only computes is run with, so that it takes the CPU time that the jobs with a Kafka leave. Where
#: Linux shares out CPU time by session (autogroup), this has no effect.
_YIELDING = ("nice", "-n", "10")
#: How long an interrupted job may take to clean up.
_PATIENCE_SECONDS = 20.0
#: What pytest -v says of a test.
_SAID = re.compile(
    r"^(?P<test>\S+::.*) (?P<outcome>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b.*\[ *(?P<percent>\d+)%\]$"
)
_FULL = re.compile(r"^=+ (FAILURES|ERRORS) =+$")
_COVERED = re.compile(r"^TOTAL .*%$")
_WHY_LINES, _TAIL_LINES = 12, 25
_INTERRUPTED = 130

_PYTEST = (sys.executable, "-m", "pytest")
_MEASURED = (sys.executable, "-m", "coverage", "run", "-m", "pytest")


#: The rooms of what is measured (pyproject.toml): what covers a pure room is its own tests.
_PURE = (
    "access", "board", "flow", "detect", "importing", "links", "metrics", "nps", "notify", "receive", "replay",
    "routing", "schemas",
)  # fmt: skip
_PURE_TESTS = tuple(f"tests/{room}" for room in _PURE)
#: What is beside the integration tests, and needs a Kafka.
_WITH_KAFKA = ("tests/embedded", "tests/kafka/test_preflight.py")
_ROOMS_OF_THEIR_OWN = ("tests/browser", "tests/chaos", "tests/integration")
#: About how many seconds of `make test` each of these takes, on two cores: the sum of the durations that pytest has
#: written for its tests (--durations=0), in seconds. For the other files, _USUAL_SECONDS is assumed. The figures only
#: decide how the files are divided into two halves, so it is enough if they are renewed when the halves differ much.
_SECONDS = {
    "tests/embedded": 43,
    "tests/integration/test_alarms.py": 60,
    "tests/integration/test_backfill.py": 12,
    "tests/integration/test_bad_input.py": 92,
    "tests/integration/test_board_following.py": 20,
    "tests/integration/test_canaries.py": 30,
    "tests/integration/test_cases.py": 56,
    "tests/integration/test_channels.py": 52,
    "tests/integration/test_check_config.py": 10,
    "tests/integration/test_codecs.py": 24,
    "tests/integration/test_demo.py": 65,
    "tests/integration/test_digests.py": 20,
    "tests/integration/test_ending.py": 40,
    "tests/integration/test_examples.py": 11,
    "tests/integration/test_fetching.py": 60,
    "tests/integration/test_following.py": 15,
    "tests/integration/test_foreign.py": 60,
    "tests/integration/test_forking.py": 5,
    "tests/integration/test_idle.py": 23,
    "tests/integration/test_import.py": 15,
    "tests/integration/test_incidents.py": 24,
    "tests/integration/test_links.py": 11,
    "tests/integration/test_mail.py": 41,
    "tests/integration/test_main_job.py": 20,
    "tests/integration/test_membership.py": 11,
    "tests/integration/test_merging.py": 30,
    "tests/integration/test_metrics.py": 60,
    "tests/integration/test_missing_topics.py": 15,
    "tests/integration/test_new_epoch.py": 26,
    "tests/integration/test_ordered.py": 26,
    "tests/integration/test_other_roles.py": 6,
    "tests/integration/test_ownership.py": 30,
    "tests/integration/test_posted_digests.py": 40,
    "tests/integration/test_process.py": 27,
    "tests/integration/test_rebuild.py": 37,
    "tests/integration/test_receive.py": 60,
    "tests/integration/test_receiver_endures.py": 33,
    "tests/integration/test_replay.py": 5,
    "tests/integration/test_secured.py": 20,
    "tests/integration/test_silences.py": 30,
    "tests/integration/test_traces.py": 30,
    "tests/integration/test_upgrade.py": 13,
    "tests/integration/test_watermark.py": 8,
    "tests/kafka/test_preflight.py": 11,
}
_USUAL_SECONDS = 3


def _halves() -> tuple[list[str], list[str]]:
    """Return what needs a Kafka, but for the faults, in two parts that take about as long. Each has its own Kafka."""
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "tests/integration").glob("test_*.py")]
    taken: dict[str, float] = {one: _SECONDS.get(one, _USUAL_SECONDS) for one in [*files, *_WITH_KAFKA]}
    halves: tuple[list[str], list[str]] = ([], [])
    for one in sorted(taken, key=lambda one: (-taken[one], one)):
        min(halves, key=lambda half: sum(taken[other] for other in half)).append(one)
    first, second = map(sorted, halves)
    return first, second


_HALF, _OTHER_HALF = _halves()


class Job(NamedTuple):
    """Something to run. It waits for the jobs in `after`; if a `first` one fails, nothing else goes on.

    With `tests`, pytest runs them, by `command`. A job that is `yielding` has a lower priority than the others.
    """

    name: str
    command: tuple[str, ...]
    tests: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    first: bool = False
    yielding: bool = False

    @property
    def log(self) -> Path:
        """Where its output is kept."""
        return LOGS / f"{self.name}.log"

    @property
    def counts(self) -> Path:
        """Where pytest writes what it has counted."""
        return LOGS / f"{self.name}.xml"

    def line(self) -> list[str]:
        """Return what is run."""
        command = (*_YIELDING, *self.command) if self.yielding else self.command
        if not self.tests:
            return [*command]
        return [*command, *self.tests, "-v", "--durations=25", f"--junitxml={self.counts}"]


#: In the order in which they begin, as soon as there is room. What has a Kafka takes longest, and begins first. The
#: jobs that only compute run two at a time. Hypothesis' tests run without coverage, since measuring doubles the time
#: that a computing test takes: other tests have to reach the lines of a room.
JOBS = (
    Job("check", ("make", "--no-print-directory", "check"), first=True),
    Job("prepare", ("make", "--no-print-directory", "prepare"), first=True),
    Job("faults", (*_PYTEST, "-s"), ("tests/chaos",), after=("prepare",)),
    Job("integration", _PYTEST, (*_HALF,), after=("prepare",)),
    Job("integration-2", _PYTEST, (*_OTHER_HALF,), after=("prepare",)),
    Job("browser", _PYTEST, ("tests/browser",), after=("prepare",), yielding=True),
    Job(
        "unmeasured",
        (*_PYTEST, "-m", "(unmeasured or hypothesis) and not thorough"),
        _PURE_TESTS,
        after=("check", "prepare"),
        yielding=True,
    ),
    Job(
        "pure",
        (*_MEASURED, "-m", "not thorough and not unmeasured and not hypothesis"),
        _PURE_TESTS,
        after=("check",),
        yielding=True,
    ),
    Job(
        "others",
        _PYTEST,
        (
            "tests",
            *(f"--ignore={path}" for path in (*_PURE_TESTS, *_WITH_KAFKA, *_ROOMS_OF_THEIR_OWN)),
        ),
        after=("check", "prepare"),
        yielding=True,
    ),
)


class Failure(NamedTuple):
    """A test that failed, or something else if `test` is empty; `why`: the first lines of what was wrong."""

    job: str
    test: str
    why: list[str]


@dataclass
class Outcome:
    """What came of a job. `counted`: tests by how they ended, as pytest words it.

    `cpu_seconds`: of the job and of the processes that it has waited for.
    """

    job: Job
    code: int
    seconds: float
    cpu_seconds: float = 0.0
    counted: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)


def outcome_of(job: Job, code: int, seconds: float, cpu_seconds: float = 0.0) -> Outcome:
    """Return what came of a job that has ended."""
    outcome = Outcome(job, code, seconds, cpu_seconds)
    if job.tests and job.counts.exists():
        for case in ET.parse(job.counts).iter("testcase"):
            _count(outcome, case)
    if code and not outcome.failures:
        tail = job.log.read_text().splitlines()[-_TAIL_LINES:]
        outcome.failures.append(Failure(job.name, "", [f"exit code {code}; its last lines:", *tail]))
        outcome.counted["error"] += 1
    return outcome


def _count(outcome: Outcome, case: ET.Element) -> None:
    failed, error, skipped = (case.find(kind) for kind in ("failure", "error", "skipped"))
    bad = failed if failed is not None else error
    if bad is not None:
        outcome.counted["failed" if failed is not None else "error"] += 1
        test = f"{(case.get('classname') or '').replace('.', '/')}.py::{case.get('name')}"
        outcome.failures.append(Failure(outcome.job.name, test, (bad.get("message") or "").splitlines()[:_WHY_LINES]))
    else:
        outcome.counted["passed" if skipped is None else "skipped"] += 1


def summary(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """Return what is to be said at the end: each failure with its reason, and pytest's line, over all, as the last."""
    lines = [""]
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    if failures:
        lines.append(_ruled("what failed, and why"))
        for failure in failures:
            lines.append(f"FAILED {failure.test or 'everything'} ({failure.job}; all of it: .stamp/{failure.job}.log)")
            lines += [f"    {line}" for line in failure.why]
    counted: Counter[str] = sum((outcome.counted for outcome in outcomes), Counter())
    words = {"error": "errors" if counted["error"] > 1 else "error"}
    kinds = ("failed", "passed", "skipped", "error")
    said = ", ".join(f"{counted[kind]} {words.get(kind, kind)}" for kind in kinds if counted[kind]) or "no tests ran"
    minutes, rest = divmod(round(seconds), 60)
    lines.append(_ruled(f"{said} in {seconds:.2f}s ({minutes // 60}:{minutes % 60:02}:{rest:02})"))
    return lines


def _ruled(text: str) -> str:
    return f" {text} ".center(80, "=")


class Suite:
    """The jobs of one run."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._waiting = list(jobs)
        self._running: dict[asyncio.Task[Outcome], Job] = {}
        self._processes: set[Process] = set()
        self._cpu_seconds = _cpu_of_ended()
        self.outcomes: list[Outcome] = []

    async def run(self) -> None:
        """Run all, or as many as there are before one fails that the others rest on."""
        try:
            while self._begin() or self._running:
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    job = self._running.pop(task)
                    self.outcomes.append(task.result())
                    if job.first and self.outcomes[-1].code:
                        return
        finally:
            await self._end()

    def _begin(self) -> bool:
        """Begin what there is room for; say whether there was anything."""
        done = {outcome.job.name for outcome in self.outcomes}
        fit = [job for job in self._waiting if done.issuperset(job.after)][: _LANES - len(self._running)]
        for job in fit:
            self._waiting.remove(job)
            self._running[asyncio.create_task(self._one(job))] = job
        return bool(fit)

    async def _end(self) -> None:
        """Interrupt what still runs, so that it cleans up; end what does not obey."""
        for process in self._processes:
            process.send_signal(signal.SIGINT)
        if self._running:
            await asyncio.wait(self._running, timeout=_PATIENCE_SECONDS)
        for process in self._processes:
            os.killpg(process.pid, signal.SIGKILL)
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _one(self, job: Job) -> Outcome:
        began = time.monotonic()
        _say(f"{job.name} begins")
        job.counts.unlink(missing_ok=True)
        # SIGINT of a terminal comes from here, once; what is started ends with this process, however that ends.
        process = await asyncio.create_subprocess_exec(
            *dying_with_parent(*job.line()), cwd=ROOT, stdout=PIPE, stderr=STDOUT, limit=2**24, start_new_session=True
        )
        self._processes.add(process)
        try:
            await self._keep(job, process)
            code = await process.wait()
        finally:
            self._processes.discard(process)
        # What the system has counted more since the last job ended is of this one.
        before, self._cpu_seconds = self._cpu_seconds, _cpu_of_ended()
        outcome = outcome_of(job, code, time.monotonic() - began, self._cpu_seconds - before)
        took = f"{outcome.seconds:.0f} s and {outcome.cpu_seconds:.0f} s of CPU"
        _say(f"{job.name} {'FAILED' if code else 'is fine'} after {took}{_covered(job)}")
        if code:
            print(_full(job), flush=True)
        return outcome

    async def _keep(self, job: Job, process: Process) -> None:
        """Keep what it says, and pass on what must be seen at once."""
        assert process.stdout is not None
        shown = 0
        with job.log.open("w") as log:
            async for raw in process.stdout:
                line = raw.decode(errors="replace")
                log.write(line)
                log.flush()
                if (said := _SAID.match(line.rstrip())) is None:
                    continue
                if said["outcome"] in {"FAILED", "ERROR"}:
                    _say(f"{job.name}: {said['outcome']} {said['test']}")
                if int(said["percent"]) >= shown + 25:
                    shown = int(said["percent"])
                    _say(f"{job.name}: {shown} %")


def _cpu_of_ended() -> float:
    """Return the CPU time in seconds of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _covered(job: Job) -> str:
    found = [line for line in job.log.read_text().splitlines() if _COVERED.match(line)]
    return f"; coverage of the pure rooms: {found[-1].split()[-1]}" if found else ""


def _full(job: Job) -> str:
    """Return all that pytest says of its failures; of another job, all it said."""
    lines = job.log.read_text().splitlines()
    first = next((place for place, line in enumerate(lines) if _FULL.match(line)), 0)
    return "\n".join(lines[first:])


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


async def _main() -> int:
    began, suite = time.monotonic(), Suite(JOBS)
    running = asyncio.ensure_future(suite.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        _say("interrupted")
        return _INTERRUPTED
    print("\n".join(summary(suite.outcomes, time.monotonic() - began)), flush=True)
    return max(outcome.code != 0 for outcome in suite.outcomes)


if __name__ == "__main__":
    LOGS.mkdir(exist_ok=True)
    sys.exit(asyncio.run(_main()))
