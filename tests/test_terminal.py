"""Lines fit a terminal, and other outputs get whole lines."""

import os
import pty
from pathlib import Path
from typing import Any

import pytest

from worker.terminal import fitting, width


@pytest.mark.parametrize(
    ("line", "columns", "shown"),
    [
        ("abcdef", None, "abcdef"),
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 1, "…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301" * 3, 3, "e\u0301" * 3),
        ("", 5, ""),
    ],
)
def test_a_line_takes_at_most_the_columns_that_there_are(line: str, columns: int | None, shown: str) -> None:
    assert fitting(line, columns) == shown


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    controller, terminal = pty.openpty()
    try:
        with os.fdopen(terminal, "w") as shown:
            monkeypatch.setattr("sys.stdout", shown)
            assert width() == 80
    finally:
        os.close(controller)
    with Path(os.devnull).open("w") as nothing:
        monkeypatch.setattr("sys.stdout", nothing)
        found: Any = width()
    assert found is None
