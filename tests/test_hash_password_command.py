"""`hash-password`: the hash fits the password, and the password is not shown."""

import io

import pytest

from worker.access.passwords import is_right
from worker.cli import main

PASSWORD = "correct horse battery staple"


def test_the_first_line_of_the_input_is_hashed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\r\nanother line\n"))

    assert main(["hash-password"]) == 0
    out = capsys.readouterr().out
    assert is_right(out.strip(), PASSWORD)
    assert PASSWORD not in out


@pytest.mark.parametrize("password", ["", "short", "x" * 14, "x" * 1_001])
def test_a_password_that_is_too_short_or_too_long_is_refused(
    password: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))

    assert main(["hash-password"]) == 1
    assert "must have 15 to 1,000 characters" in capsys.readouterr().err


@pytest.mark.parametrize(("second", "code"), [(PASSWORD, 0), ("another one", 1)])
def test_a_terminal_is_asked_twice(
    second: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    typed = iter([PASSWORD, second])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))

    assert code == main(["hash-password"])
    assert is_right(capsys.readouterr().out.strip(), PASSWORD) is (code == 0)
