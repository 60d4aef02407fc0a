"""`replay` on the command line: what is wrong with its arguments, and what it prints."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.cli import main
from worker.commands import replay as command
from worker.flow.timestamps import from_ms
from worker.replay.changes import Changes, Receivers
from worker.replay.command import Window
from worker.replay.comparing import Case
from worker.replay.text import Result
from worker.settings import Settings

Said = Callable[[], tuple[str, str]]


@pytest.fixture(autouse=True)
def settings(nothing_set: Path) -> None:
    Path("new.toml").write_text("[alerts]\nmax_age_days = 3.0\n")


def found(monkeypatch: pytest.MonkeyPatch, *, topics: bool = True) -> list[tuple[Any, ...]]:
    """Let a replay find three cases, of which one is kept. Return what it is asked for."""
    asked: list[tuple[Any, ...]] = []

    async def replay(
        current: Settings, new: Settings, window: Window, limit: int, say: Callable[[str], None]
    ) -> Result:
        asked.append((current.alerts.max_age_days, new.alerts.max_age_days, window, limit))
        say("responses: 50 % of 2 records, 1 a second")
        return Result(*window, Changes([], []), Receivers({}, []), differing=3, cases=[Case(1, "a-1", "k", "fr", [])])

    async def exists(*_: object) -> bool:
        return topics

    monkeypatch.setattr(command, "replay", replay)
    monkeypatch.setattr(command, "topic_exists", exists)
    return asked


def test_the_result_is_printed_and_the_progress_is_not_a_part_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = found(monkeypatch)
    times = "--from", "2026-11-01T00:00:00+01:00", "--to", "2026-11-02T00:00:00Z"

    assert main(["replay", "--config", "new.toml", *times, "--limit", "1"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("2026-10-31 23:00:00 UTC to 2026-11-02 00:00:00 UTC")
    assert out.splitlines()[-1] == "a-1  k, fr"
    assert err.splitlines() == ["responses: 50 % of 2 records, 1 a second", "and 2 more: --limit 3 shows all"]
    [(was, would, window, limit)] = asked
    assert (was, would, limit) == (14.0, 3.0, 1)
    assert from_ms(window.until).isoformat() == "2026-11-02T00:00:00+00:00"


def test_with_json_each_line_is_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch)

    assert main(["replay", "--config", "new.toml", "--from", "7d", "--json"]) == 0
    head, case = map(json.loads, capsys.readouterr().out.splitlines())
    assert (head["differing"], case["alert_id"]) == (3, "a-1")


def test_topics_that_do_not_exist_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch, topics=False)

    assert main(["replay", "--config", "new.toml", "--from", "7d"]) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("smtp = 3", "new.toml: smtp: "),
        ("[alerts]\nmax_age = 3", "new.toml: alerts.max_age: is not a setting; did you mean alerts.max_age_days?"),
        ("[route]\nreceivers = ['x']", "new.toml: route.receivers.0: 'x' is not a receiver; there are none"),
        ("= 3", "new.toml: is not TOML: "),
    ],
)
def test_what_is_wrong_with_the_other_file_is_said_and_the_exit_code_is_2(
    capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    Path("new.toml").write_text(text)

    assert main(["replay", "--config", "new.toml", "--from", "7d"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith(said), err.count("\n")) == ("", True, 1)


def test_a_variable_wins_over_both_files(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = found(monkeypatch)
    monkeypatch.setenv("NPS_ALERTS__MAX_AGE_DAYS", "5")

    assert main(["replay", "--config", "new.toml", "--from", "7d"]) == 0
    assert asked[0][:2] == (5.0, 5.0)


def test_a_pipe_is_refused_since_no_settings_would_be_read_from_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")

    assert main(["replay", "--config", "pipe", "--from", "7d"]) == 2
    assert capsys.readouterr().err == "pipe: cannot be read: it is not an ordinary file\n"


def test_the_time_must_not_end_before_it_begins(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--config", "new.toml", "--from", "1h", "--to", "2h"]) == 2
    assert capsys.readouterr().err.startswith("--from: must be earlier than --to")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "7d"], "the following arguments are required: --config"),
        (["--config", "new.toml"], "the following arguments are required: --from"),
        (["--config", "none.toml", "--from", "7d"], "none.toml is not a file"),
        (["--config", "new.toml", "--from", "2026-11-01"], "is neither an age, such as 12h or 7d, nor a time"),
        (["--config", "new.toml", "--from", "soon"], "is neither an age"),
        (["--config", "new.toml", "--from", "7d", "--limit", "-1"], "-1 is not a number from 0 to 1,000,000"),
    ],
)
def test_wrong_usage_exits_2(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *arguments])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err
