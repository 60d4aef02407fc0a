"""The command line: what each command prints and which exit code it gives."""

import argparse
import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import IO, Any, Self

import pytest
import uvloop
from aiokafka.errors import KafkaConnectionError
from argon2 import PasswordHasher
from flow.records import value
from pydantic import SecretStr
from scores.trees import tree, window

from schemas import examples
from schemas.dead_letter import DeadLetter
from schemas.scores import Scores
from worker import __version__, app, cli, commands, dead_letters
from worker.cli import main
from worker.commands import check_config, common, publish, scores
from worker.embedded.inbox import Inbox
from worker.errors import Unreachable
from worker.kafka import reading
from worker.notify.channels.email.smtp import SmtpSettings
from worker.rebuild import command
from worker.settings import Settings, load

SECRET = "kanarienvogel"
#: A file that takes nothing, since its disk is full.
FULL_DISK = Path("/dev/full")


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch, nothing_set: Path) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def test_check_config_says_what_the_settings_come_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config"]) == 0

    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "file     no file: worker.toml is not here, and NPS_CONFIG is not set",
        "kafka    localhost:9092 (PLAINTEXT), group nps-worker",
        "topics   nps.*",
        "mail     localhost:25 (tls: starttls), from nps-worker@localhost",
        "drops    of 5 points and more, 4 false alarms a year, 24 h of rest",
        "route    default: every segment, warning and up, 1 receiver",
        "settings are fine; nobody will be invited, since invitations.platform.url is not set",
    ]
    assert err == ""


def test_check_config_does_not_warn_of_invitations_that_can_be_sent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPS_INVITATIONS__PLATFORM__URL", "https://reviews.example.com/shop")

    assert main(["check-config"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "settings are fine"


def test_check_config_names_the_file_that_it_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("worker.toml").write_text("")

    assert main(["check-config"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"file     {Path('worker.toml').absolute()}"


def test_check_config_connects_only_when_it_is_asked_to_and_says_what_is_in_the_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens on a port that was just free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("NPS_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{port}")
    monkeypatch.setenv("NPS_SMTP__HOST", "127.0.0.1")
    monkeypatch.setenv("NPS_SMTP__PORT", str(port))
    assert main(["check-config"]) == 0
    capsys.readouterr()

    assert main(["check-config", "--connect"]) == 1
    kafka, mail = capsys.readouterr().out.splitlines()[-2:]
    assert kafka == f"kafka    failed: Kafka at 127.0.0.1:{port}: not reachable (kafka.bootstrap_servers)"
    assert mail.startswith(f"mail     failed: refused: 127.0.0.1:{port}: ")
    assert "smtp.port" in mail

    assert main(["check-config", "--send-test-mail", "me@example.org"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"mail     failed: refused: 127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (SECRET, "mail     ok: the server answers and takes the login"),
        (
            "another one",
            "mail     failed: auth_refused: {server}: the login was refused (smtp.username, smtp.password)",
        ),
    ],
)
async def test_check_config_tries_the_login_of_the_mail_server(
    capsys: pytest.CaptureFixture[str], password: str, said: str
) -> None:
    async with Inbox(credentials=("desk", SECRET)) as inbox:
        login = {"username": "desk", "password": SecretStr(password)}
        smtp = SmtpSettings(host=inbox.host, port=inbox.port, tls="none", **login)
        is_fine = await check_config.mail_server_works(Settings.model_construct(smtp=smtp))

    out, err = capsys.readouterr()
    assert out.splitlines() == [said.format(server=f"{inbox.host}:{inbox.port}")]
    assert is_fine == (password == SECRET)
    assert password not in out + err
    assert inbox.accepted == 0


@pytest.mark.parametrize(
    ("arguments", "set_format", "is_text"),
    [
        ([], None, False),
        (["--log-format", "text"], None, True),
        ([], "text", True),
        (["--log-format", "json"], "text", False),
    ],
)
def test_run_logs_in_the_format_that_the_option_or_the_setting_names(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    set_format: str | None,
    *,
    is_text: bool,
) -> None:
    async def run(*_: Any) -> int:
        logging.getLogger("worker.app").warning("one line")
        return 0

    monkeypatch.setattr(app, "run", run)
    if set_format is not None:
        monkeypatch.setenv("NPS_LOG_FORMAT", set_format)
    assert main(["run", *arguments]) == 0

    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("one line") == is_text
    assert line.startswith("{") != is_text


def test_a_worker_runs_on_the_faster_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def run(*_: Any) -> int:
        loops.append(asyncio.get_running_loop())
        return 3

    monkeypatch.setattr(app, "run", run)
    assert main(["run"]) == 3
    assert [type(loop) for loop in loops] == [uvloop.Loop]


def test_check_config_lists_the_routes_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    Path("worker.toml").write_text(
        """
        [[email.routes]]
        name = "shop"
        segment = "fr/shop-3"
        min_severity = "error"
        to = ["a@example.org", "b@example.org"]

        [[email.routes]]
        name = "region"
        kinds = ["segment_drop", "no_responses"]
        to = ["c@example.org"]
        """
    )
    assert main(["check-config"]) == 0

    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("route")] == [
        "route    shop: fr/shop-3, error and up, 2 receivers",
        "route    region: every segment, segment_drop or no_responses, warning and up, 1 receiver",
        "route    default: every segment, warning and up, 1 receiver",
    ]


def test_check_config_shows_no_secret(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_SMTP__USERNAME", SECRET)
    monkeypatch.setenv("NPS_SMTP__PASSWORD", SECRET)
    assert main(["check-config"]) == 0

    assert SECRET not in "".join(capsys.readouterr())


def test_the_settings_that_are_printed_are_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    Path("worker.toml").write_text(capsys.readouterr().out)

    assert main(["check-config"]) == 0
    assert load() == Settings()


def test_the_role_web_needs_a_login_for_others_and_check_config_shows_the_links_and_the_login(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPS_WEB__HOST", "0.0.0.0")
    assert main(["run", "--role", "web"]) == 2
    assert capsys.readouterr().err.startswith("web.host: 0.0.0.0 is not an address of this machine alone")
    monkeypatch.setenv("NPS_WEB__BASE_URL", "https://nps.example.com")
    assert main(["check-config"]) == 2
    assert capsys.readouterr().err.startswith("web: base_url needs keys, which sign the links")
    monkeypatch.setenv("NPS_WEB__KEYS", json.dumps([SECRET.ljust(32, "x")]))
    assert main(["check-config"]) == 0

    out, err = capsys.readouterr()
    assert "links    https://nps.example.com, 1 key, for 30 days" in out.splitlines()
    assert SECRET not in out + err

    users = {"ann": {"password_hash": PasswordHasher(1, 8, 1).hash(SECRET)}}
    monkeypatch.setenv("NPS_WEB__AUTH__USERS", json.dumps(users))
    assert main(["check-config"]) == 0
    out, _ = capsys.readouterr()
    assert "page     https://nps.example.com, login by 1 user" in out.splitlines()
    assert "argon2" not in out
    monkeypatch.setenv("NPS_WEB__AUTH__SESSION_HOURS", "25")
    monkeypatch.setenv("NPS_KAFKA__RETENTION_DAYS", "1")
    assert main(["check-config"]) == 2
    assert "web.auth.session_hours: must not be longer than kafka.retention_days" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["check-config"], ["run"], ["health"], ["run", "--role", "notify"]])
def test_wrong_settings_exit_2_with_a_line_for_each_and_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("NPS_SMTP__PORT", SECRET)
    monkeypatch.setenv("NPS_FOO", SECRET)
    assert main(command) == 2

    out, err = capsys.readouterr()
    assert [line.partition(":")[0] for line in err.splitlines()] == ["NPS_FOO", "smtp.port"]
    assert SECRET not in out + err
    assert out == ""


def test_a_settings_file_that_is_not_there_exits_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPS_CONFIG", "nowhere.toml")

    assert main(["check-config"]) == 2
    assert "NPS_CONFIG" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check-config", "run"])
def test_what_keeps_spans_from_being_exported_is_said_before_anything_starts(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("NPS_TRACING__ENABLED", "true")

    assert main([command]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf, which collectors accept at port 4318"
    ]


def test_check_config_says_nothing_about_spans_that_can_be_exported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPS_TRACING__ENABLED", "true")

    assert main(["check-config"]) == 0
    assert capsys.readouterr().err == ""


def test_a_certificate_authority_that_is_none_is_found_by_check_config(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("ca.pem").write_text("no certificate")
    monkeypatch.setenv("NPS_SMTP__CAFILE", "ca.pem")

    assert main(["check-config"]) == 2
    assert "cafile" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: command"),
        (["fly"], "invalid choice: 'fly'"),
        (["run", "--role", "boss"], "invalid choice: 'boss'"),
        (["publish"], "name a file, or - for the standard input, or --sample SCORE"),
        (["publish", "-", "--sample", "3"], "name a file, or - for the standard input, or --sample SCORE"),
        (["publish", "--sample", "11"], "invalid choice: 11"),
        (["publish", "nowhere.jsonl"], "nowhere.jsonl is not a file"),
        (["publish", "."], ". is not a file"),
        (["demo", "--input", "nowhere.jsonl"], "nowhere.jsonl is not a file"),
        (["demo", "--json"], "--json needs --once"),
        (["demo", "--rate", "fast"], "fast is not a number above 0"),
        (["demo", "--rate", "0"], "0 is not a number above 0"),
        (["demo", "--rate", "nan"], "nan is not a number above 0"),
        (["demo", "--kafka", "localhost"], "localhost is not host:port, such as localhost:9092"),
        (["demo", "--mails", "/dev/null"], "/dev/null is not a folder that can be written to"),
        (["rebuild", "--table", "scores"], "invalid choice: 'scores'"),
        (["rebuild", "--table", "outbox", "--all"], "not allowed with argument --table"),
        (["rebuild", "--mail-newer-than-days", "-1"], "-1 is not a number of days"),
        (["rebuild", "--mail-newer-than-days", "some"], "some is not a number of days"),
        (["check-config", "now"], "unrecognized arguments: now"),
    ],
)
def test_wrong_usage_exits_2_and_says_how_it_goes(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert said in err
    assert err.startswith("usage: python -m worker")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--help"],
            ["run", "publish", "check-config", "settings", "health", "demo", "worker.toml", "NPS_CONFIG", "NPS_"],
        ),
        (["run", "--help"], ["--role", "process", "notify", "web", "receive", "all", "worker.toml"]),
        (["publish", "--help"], ["one response per line"]),
        (["health", "--help"], ["--role"]),
        (
            ["rebuild", "--help"],
            ["--table", "contacts", "segments", "watches", "outbox", "--all", "--mail-newer-than-days", "retention"],
        ),
        (["check-config", "--help"], ["worker.toml"]),
        (["demo", "--help"], ["--once", "--input", "--json", "--kafka", "--rate"]),
    ],
)
def test_help_names_what_there_is(capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("role", ["process", "notify", "web", "receive", "all"])
@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (None, 1, "no worker is running"),
        ({"at": 0.0, "ready": True}, 0, "alive and ready: role {role}, process {pid}"),
        ({"at": 0.0, "ready": False}, 1, "the worker is starting or its group is rebalancing"),
        ({"at": -60.0, "ready": True}, 1, "the worker has not renewed its status file for 60 s"),
    ],
)
def test_health_reads_the_sign_of_life(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    status: dict[str, float] | None,
    code: int,
    said: str,
    role: str,
) -> None:
    """Whichever role is running: an image's health check does not know it."""
    monkeypatch.setenv("NPS_STATUS_FILE", "life")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # a slow machine makes no sign of life older
    if status is not None:
        Path(f"life-{role}-{os.getpid()}").write_text(json.dumps(status | {"at": now + status["at"]}))

    assert code == main(["health"])
    assert said.format(role=role, pid=os.getpid()) == capsys.readouterr().out.strip()


def test_health_can_be_asked_for_one_role(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_STATUS_FILE", "life")
    Path(f"life-notify-{os.getpid()}").write_text(json.dumps({"at": time.time(), "ready": True}))

    assert main(["health", "--role", "notify"]) == 0
    assert main(["health", "--role", "process"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"alive and ready: role notify, process {os.getpid()}",
        "no worker is running",
    ]


def test_the_demo_says_which_package_it_lacks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the package there, its import is made to fail the way a missing one does."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    for name in [name for name in sys.modules if name.startswith("worker.demo")]:
        monkeypatch.delitem(sys.modules, name)

    assert main(["demo", "--once"]) == 1
    assert "pip install '.[embedded]' in the project" in capsys.readouterr().err


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("detractor-worker 0.")


def test_commands_run_where_the_code_is_no_installed_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the image, which holds the code and what it depends on."""

    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(Distribution, "from_name", absent)

    assert main(["settings"]) == 0
    assert "[kafka]" in capsys.readouterr().out


def test_the_version_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

    assert __version__ == project["version"]


@pytest.mark.parametrize(
    "arguments", [[], *([name] for name in ("run", "publish", "scores", "check-config", "health", "demo"))], ids=repr
)
def test_help_reads_well_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_publish_refuses_a_file_that_is_plainly_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.txt").write_text("r-1 9\n")

    assert main(["publish", "x.txt"]) == 2
    err = capsys.readouterr().err
    assert "x.txt: line 1 is not a JSON object, so nothing was published." in err


@pytest.mark.parametrize("options", [[], ["--check"]])
@pytest.mark.parametrize("content", ["id,score\nr-1,9\n", "\ufeffid;score\r\nr-1;9\r\n", "\nid\tscore\nr-1\t9"])
def test_publish_says_what_makes_responses_out_of_a_csv_file(
    capsys: pytest.CaptureFixture[str], content: str, options: list[str]
) -> None:
    Path("x.csv").write_text(content, encoding="utf-8")

    assert main(["publish", "x.csv", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("x.csv: this looks like a CSV file, so nothing was published.")
    assert "python -m worker import" in err


def test_publish_checks_a_csv_file_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.csv").write_text("id,score\nr-1,9\n")

    assert main(["publish", "x.csv", "--check", "--as-is"]) == 1
    assert "0 of 2 lines are responses; 2 not_json" in capsys.readouterr().out


def test_publish_refuses_a_first_line_that_is_no_object_after_blank_ones(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.jsonl").write_text('\n\n["r-1", 9]\n["r-2", 9]\n')

    assert main(["publish", "x.jsonl"]) == 2
    assert "x.jsonl: line 3 is not a JSON object, so nothing was published." in capsys.readouterr().err


@pytest.mark.parametrize("options", [[], ["--check"]])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(json.loads(value()), indent=2), "this is one record over several lines: each line must be one re"),
        (json.dumps([json.loads(value())] * 2), "this is one JSON array: each line must be one response"),
        (json.dumps([json.loads(value())] * 2, indent=2), "this is one JSON array: each line must be one response"),
    ],
)
def test_publish_says_that_a_file_is_one_document(
    capsys: pytest.CaptureFixture[str], content: str, said: str, options: list[str]
) -> None:
    Path("x.json").write_text(content)

    assert main(["publish", "x.json", *options]) == 2
    assert said in capsys.readouterr().err


def test_blank_lines_are_skipped_and_keep_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.jsonl").write_bytes(b"\n".join([b"", value(), b"  \r", value(score=11), b""]))

    assert main(["publish", "--check", "x.jsonl"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("line 4: score_out_of_range")
    assert lines[1] == "1 of 2 lines are responses; 1 score_out_of_range"


def test_publish_check_says_which_answers_are_too_old_for_an_alert(capsys: pytest.CaptureFixture[str]) -> None:
    old, new = value(responded_at="2019-01-01T00:00:00Z"), value(responded_at=datetime.now(UTC).isoformat())
    Path("x.jsonl").write_bytes(b"\n".join([old, new, old]))

    assert main(["publish", "--check", "x.jsonl"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "3 of 3 lines are responses",
        "2 answers count, but raise no alert: older than 14 days (alerts.max_age_days)",
    ]


def test_publish_check_says_which_lines_the_worker_would_refuse_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.jsonl").write_bytes(b"\n".join([value(), value(score=11), b"{", value(), value(score=12), b""]))

    assert main(["publish", "--check", "x.jsonl"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[:2] for line in lines[:-2]] == [
        ["line 2", "score_out_of_range"],
        ["line 3", "not_json"],
        ["line 5", "score_out_of_range"],
    ]
    assert lines[-2:] == [
        "2 of 5 lines are responses; 2 score_out_of_range; 1 not_json",
        "2 answers count, but raise no alert: older than 14 days (alerts.max_age_days)",
    ]


def test_a_sample_is_a_response_with_this_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "--sample", "2", "--check"]) == 0
    assert capsys.readouterr().out == "1 of 1 line is a response\n"


def partitions_found(monkeypatch: pytest.MonkeyPatch, partitions: set[int]) -> None:
    """Let a command find a Kafka on which each topic has these partitions."""

    class Reader:
        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None:
            pass

        async def partitions(self, _topic: str) -> set[int]:
            return partitions

    async def preflight(_: object) -> None:
        pass

    monkeypatch.setattr(common, "preflight", preflight)
    monkeypatch.setattr(reading, "reader", lambda *_: Reader())


def test_a_published_sample_says_who_answered_what(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whoever published it finds its alert and its mail among the others."""
    published: list[dict[str, Any]] = []

    async def publish_all(_kafka: object, _topic: str, values: list[bytes], _progress: object) -> int:
        published.extend(map(json.loads, values))
        return len(values)

    partitions_found(monkeypatch, {0})
    monkeypatch.setattr(publish, "publish", publish_all)

    assert main(["publish", "--sample", "2"]) == 0
    (answer,) = published
    said = f"published: {answer['customer']['name']}, score 2, {'/'.join(answer['segment'])}"
    assert said == capsys.readouterr().out.strip()


def test_publish_check_is_content_with_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.jsonl").write_bytes(value(responded_at=datetime.now(UTC).isoformat()) + b"\n")

    assert main(["publish", "x.jsonl", "--check"]) == 0
    assert capsys.readouterr().out == "1 of 1 line is a response\n"


@pytest.mark.skipif(not FULL_DISK.exists(), reason="only Linux has this file")
@pytest.mark.parametrize("command", [["settings"], ["check-config"], ["topics"]], ids=" ".join)
def test_an_output_that_the_disk_does_not_take_is_one_line_and_a_failure(command: list[str]) -> None:
    with FULL_DISK.open("w") as full:
        ended = run_program(command, stdout=full)

    assert (ended.returncode, ended.stderr) == (1, "the output: No space left on device\n")


@pytest.mark.parametrize(
    ("streams", "code", "said"),
    [
        (">&-", 1, "the output: is closed\n"),
        (">&- 2>&-", 1, ""),
        ("<&- >&- 2>&-", 1, ""),
        ("<&- 2>&-", 0, ""),
    ],
)
@pytest.mark.parametrize("command", ["check-config", "--help"])
def test_an_output_that_is_closed_is_one_line_and_a_failure(streams: str, code: int, said: str, command: str) -> None:
    shell = ["sh", "-c", f'exec "$@" {streams}', "sh"]
    ended = run_program([command], before=shell)

    assert (ended.returncode, ended.stderr) == (code, said)


def test_a_command_that_prints_nothing_needs_no_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_EMAIL__TO", "[]")
    ended = run_program(["check-config"], before=["sh", "-c", 'exec "$@" >&-', "sh"])

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)


def test_what_is_published_may_come_from_a_pipe() -> None:
    """As in `publish <(jq …)`."""
    answers = value(responded_at=datetime.now(UTC).isoformat()).decode()
    shell = ["bash", "-c", f"printf '%s\\n' '{answers}' | exec \"$@\" /dev/stdin", "bash"]
    ended = run_program(["publish", "--check"], before=shell)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1 of 1 line is a response\n", "")


def test_a_standard_input_that_is_closed_is_empty() -> None:
    ended = run_program(["publish", "--check", "-"], before=["sh", "-c", 'exec "$@" <&-', "sh"])

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "0 of 0 lines are responses\n", "")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_a_character_shows_its_escape(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setenv("NPS_CONFIG", "r\u00e9glages-\u2713.toml")
    Path("r\u00e9glages-\u2713.toml").write_text("")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    ended = run_program(["check-config"])

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "glages-\\u2713.toml" in ended.stdout


def run_program(
    command: list[str], *, before: Sequence[str] = (), stdout: int | IO[str] = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the worker as a process of its own, perhaps by another program that stands before it."""
    program = [*before, sys.executable, "-m", "worker", *command]
    return subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, text=True, errors="replace", check=False)


def test_ctrl_c_while_a_command_is_being_loaded_ends_it_without_a_traceback() -> None:
    code = """
import os, signal, sys
from worker.__main__ import main

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "worker.commands":
            os.kill(os.getpid(), signal.SIGINT)

sys.argv = ["worker", "settings"]
sys.meta_path.insert(0, Interrupting())
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "interrupted\n")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), 141)], ids=repr)
def test_an_interrupted_command_ends_without_a_traceback(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    async def latest(*_: object) -> dict[str, Scores]:
        raise error

    monkeypatch.setattr(scores, "latest", latest)
    monkeypatch.setattr(os, "dup2", lambda *_: None)

    assert code == main(["scores"])
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], {"limit": 20, "reason": None, "since": 0}),
        (["--limit", "3", "--reason", "not_json"], {"limit": 3, "reason": "not_json", "since": 0}),
    ],
)
def test_dead_letters_are_shown_as_they_are_asked_for(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    wanted: dict[str, object],
) -> None:
    letter = DeadLetter.model_validate(examples.DEAD_LETTER, strict=False)
    asked: list[dict[str, object]] = []

    async def newest(*_: object, **options: object) -> list[DeadLetter]:
        asked.append(options)
        return [letter]

    monkeypatch.setattr(dead_letters, "newest", newest)

    assert main(["dead-letters", *arguments]) == 0
    assert "score_out_of_range" in capsys.readouterr().out
    assert main(["dead-letters", "--json", *arguments]) == 0
    assert letter == DeadLetter.model_validate_json(capsys.readouterr().out)
    assert [wanted, wanted] == asked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "yesterday is not an age: write for instance 30m, 12h or 7d"),
        (["--limit", "0"], "0 is not a number from 1"),
        (
            ["--reason", "bad_score"],
            "bad_score is not a reason: write one of too_large, no_key, invalid_utf8, not_json",
        ),
    ],
)
def test_dead_letters_say_how_to_ask(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dead-letters", *arguments])

    assert caught.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "topic"), [(["dead-letters"], "nps.dead-letters"), (["publish", "--sample", "2"], "nps.responses")]
)
def test_a_topic_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], topic: str
) -> None:
    async def newest(*_: object, **__: object) -> list[DeadLetter]:
        return []

    monkeypatch.setattr(dead_letters, "newest", newest)
    partitions_found(monkeypatch, set())

    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert (out, err.startswith(f"{topic} does not exist yet: start the worker once")) == ("", True)


def test_that_there_are_no_dead_letters_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def newest(*_: object, **__: object) -> list[DeadLetter]:
        return []

    monkeypatch.setattr(dead_letters, "newest", newest)
    partitions_found(monkeypatch, {0})

    assert main(["dead-letters", "--since", "7d"]) == 0
    assert capsys.readouterr() == ("", "nps.dead-letters has no dead letters that match --reason and --since\n")


def scores_found(monkeypatch: pytest.MonkeyPatch, found: dict[str, Scores] | Exception) -> None:
    """Have the command find these scores, or fail with this error, without Kafka."""

    async def latest(*_: object) -> dict[str, Scores]:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(scores, "latest", latest)


def test_the_scores_of_a_segment_are_shown_with_its_children(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores_found(monkeypatch, tree(fr__shop__delivery=(1, 2, 3), fr__sales=(4, 5, 6)))

    assert main(["scores", "fr/"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["segment", "fr", "shop", "sales"]
    assert main(["scores", "--tree"]) == 0
    assert "delivery" in capsys.readouterr().out


def test_changes_are_shown_with_windows_of_their_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores_found(monkeypatch, tree(fr__shop=(1, 2, 3), fr__sales=(4, 5, 6)))

    assert main(["scores", "--tree", "--changes"]) == 0
    head = capsys.readouterr().out.splitlines()[0].split()
    assert (head[0], head[-2:]) == ("segment", ["within", "mix"])
    for other in (["--people"], ["--surveys"], ["--window", "30d"]):
        assert main(["scores", "--changes", *other]) == 2
        assert capsys.readouterr().err.startswith("--changes has windows of its own")


def test_surveys_belong_to_no_segment(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    scores_found(monkeypatch, tree(fr__shop=(1, 2, 3)))

    assert main(["scores", "fr", "--surveys"]) == 2
    assert capsys.readouterr() == ("", "--surveys shows the surveys of all segments: do not name a segment with it\n")


def test_people_are_shown_where_they_were_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tree(fr__shop=(1, 2, 3), fr__sales=(4, 5, 6))
    known = {
        path: each.model_copy(update={"latest_per_customer": {"30d": window(1, 0, 0), "90d": window(0, 0, 9)}})
        for path, each in found.items()
        if path != "fr/sales"
    }
    scores_found(monkeypatch, {**found, **known})

    assert main(["scores", "fr", "--people"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["segment", "fr", "shop"]
    assert "-100" in lines[1]
    assert main(["scores", "--people", "--window", "365d"]) == 1
    assert capsys.readouterr().err.endswith("has no window 365d by customer yet; shorter windows are there earlier\n")
    assert main(["scores", "--people", "--window", "24h"]) == 2
    assert capsys.readouterr().err == "--people has the windows all, 30d, 90d, 365d, not 24h\n"


@pytest.mark.parametrize(
    ("path", "found", "hint"),
    [
        ("fr/shpo", tree(fr__shop=(1, 2, 3)), "did you mean fr/shop?"),
        ("elsewhere", tree(fr__shop=(1, 2, 3)), "--tree shows all segments"),
        ("", {}, "nps.scores has no scores of any segment; has the worker run?"),
        (
            "",
            Unreachable("Kafka at localhost:9092: not reachable"),
            "not reachable; this is the default address: set kafka.bootstrap_servers or NPS_KAFKA__BOOTSTRAP_SERVERS",
        ),
        (
            "",
            KafkaConnectionError(),
            "localhost:9092 (kafka.bootstrap_servers): KafkaConnectionError; is Kafka running there?",
        ),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    found: dict[str, Scores] | Exception,
    hint: str,
) -> None:
    scores_found(monkeypatch, found)

    assert main(["scores", path]) == 1
    out, err = capsys.readouterr()
    assert (out, err.strip().endswith(hint), err.strip().count("\n")) == ("", True, 0)


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], ([], 2.0)),
        (["--table", "outbox", "--table", "contacts"], (["outbox", "contacts"], 2.0)),
        (
            ["--all", "--mail-newer-than-days", "0.5"],
            (["contacts", "segments", "watches", "outbox", "plans", "commands", "cases", "silences"], 0.5),
        ),
    ],
)
def test_a_rebuild_is_of_the_tables_that_are_named(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    asked: tuple[list[str], float],
) -> None:
    found: list[tuple[list[str], float]] = []

    async def rebuild(_: Settings, wanted: list[str], days: float, say: Callable[[str], None]) -> str:
        found.append((wanted, days))
        say("half way")
        return "done"

    monkeypatch.setattr(command, "rebuild", rebuild)

    assert main(["rebuild", *arguments]) == 0
    assert found == [asked]
    assert capsys.readouterr() == ("done\n", "half way\n")


def test_no_command_but_run_and_demo_imports_faust(tmp_path: Path) -> None:
    """Faust takes a second to import, and a page or a script that reads scores has no use for it."""
    answers = tmp_path / "answers.jsonl"
    answers.write_bytes(value())
    other = tmp_path / "other.toml"
    other.write_text('topic_prefix = "other"\n')
    commands = [
        ["scores"],
        ["dead-letters"],
        ["topics"],
        ["publish", str(answers)],
        ["health"],
        ["check-config", "--connect"],
        ["settings"],
        ["rebuild"],
        ["new-epoch", "responses"],
        ["take-over"],
        ["copy", "--from", str(other), "responses"],
    ]
    code = f"""
import sys
from worker.cli import main
codes = [main(command) for command in {commands}]
print(*codes, *sorted({{"aiokafka", "faust", "mode"}} & sys.modules.keys()))
"""
    environment = {
        **os.environ,
        "NPS_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "NPS_SMTP__HOST": "127.0.0.1",
        "NPS_STATUS_FILE": str(tmp_path / "life"),  # otherwise a worker that runs on this machine is found
    }
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert "1 1 0 1 1 1 0 1 1 1 1 aiokafka" == ended.stdout.splitlines()[-1]


def test_a_command_imports_only_what_it_needs() -> None:
    """Every start of a worker would otherwise take longer, since all commands together import most of the code."""
    program = "import sys; from worker import cli; cli._parser(['run']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    commands = {name for name in ran.stdout.split() if name.startswith("worker.commands.")}
    assert commands == {"worker.commands.common", "worker.commands.run"}


def test_each_command_is_declared_under_its_own_name() -> None:
    for name in commands.NAMES:
        parser = cli._parser([name])
        (declared,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        assert [*declared.choices] == [name]
