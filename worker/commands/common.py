"""The parts that commands share: their declaration, their settings and their exit codes."""

import argparse
import asyncio
import getpass
import re
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, tzinfo
from enum import IntEnum
from pathlib import Path
from time import gmtime, strftime
from typing import Any, Protocol
from uuid import uuid4

from aiokafka.errors import KafkaError

from schemas.base import LONGEST_ID
from worker import logs
from worker.clock import SystemClock
from worker.errors import Fatal, SettingsError, StillRunning, Unconfirmed, Unreachable
from worker.flow.timestamps import from_ms
from worker.ingest.certificate import server_context
from worker.kafka import reading
from worker.kafka.connection import ssl_context
from worker.kafka.preflight import preflight
from worker.notify.channels.email.smtp import EmailChannel
from worker.notify.content.readers import zone
from worker.settings import CONFIG_VARIABLE, KafkaSettings, Settings, load, load_file
from worker.wrong_settings import variable

SETTINGS_HELP = (
    f"The settings come from worker.toml (or the file that {CONFIG_VARIABLE} names) and from environment variables "
    "that begin with NPS_; a variable wins over the file."
)
#: Stands for the standard input where a file can be named.
STANDARD_INPUT = Path("-")
#: How long a command waits for the worker's answer, in seconds.
_ANSWER_SECONDS = 30.0
_TIMES = "2026-12-24T20:00+01:00, or 2026-12-24T20:00 in the time zone of email.time_zone, or else in UTC"
#: What the help of an option says about times.
TIME_HELP = "without an offset, it is in the time zone of the setting email.time_zone, or else in UTC"
_UNITS = {"m": 60, "h": 3_600, "d": 86_400}
ROLE_HELP = (
    "process decides and counts; notify sends mails, and posts to webhooks and chats; all is both in one process "
    "(default); web serves the page and the links in mails; receive takes the deliveries of survey tools by HTTP"
)


class Exit(IntEnum):
    """The exit codes of commands."""

    FINE = 0
    FAILED = 1
    WRONG = 2  # usage or settings


class Commands(Protocol):
    """The object by which commands are declared, since argparse's own type is private."""

    def add_parser(self, name: str, *, help: str, **options: Any) -> argparse.ArgumentParser:  # noqa: A002 - argparse's
        """Return the parser of a new command."""


def age(text: str) -> int:
    """Return an age in seconds. Raise ArgumentTypeError if the text is none."""
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text} is not an age: write for instance 30m, 12h or 7d")
    return int(match[1]) * _UNITS[match[2]]


def time(text: str) -> datetime:
    """Return a time, perhaps without an offset from UTC (see `with_offset`). Raise ArgumentTypeError if there is none.

    A day alone is no time.
    """
    found = _time(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is not a time, such as {_TIMES}")
    return found


def past_time(text: str) -> datetime:
    """Return a time, or how long ago it was, such as 7d. Raise ArgumentTypeError if the text is neither."""
    found = _time(text)
    if found is not None:
        return found
    try:
        return from_ms(SystemClock().now() - age(text) * 1_000)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text} is neither an age, such as 12h or 7d, nor a time, such as {_TIMES}"
        ) from None


def _time(text: str) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if 1970 <= when.year <= 9000 and "T" in text.upper().replace(" ", "T") else None


def time_zone(settings: Settings) -> tzinfo:
    """Return the time zone of times that have no offset, and in which commands show times that somebody has chosen."""
    return UTC if settings.email.time_zone is None else zone(settings.email.time_zone)


def with_offset(when: datetime, settings: Settings) -> datetime:
    """Return a time of the command line with its offset from UTC."""
    return when if when.tzinfo is not None else when.replace(tzinfo=time_zone(settings))


def file(text: str) -> Path:
    """Return the path of a file or of a pipe, such as `<(…)` in a shell. Raise ArgumentTypeError if there is none."""
    path = Path(text)
    if not path.exists() or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    return path


def file_or_input(text: str) -> Path:
    """Return the path of a file, or - for the standard input. Raise ArgumentTypeError if there is no such file."""
    return STANDARD_INPUT if text == "-" else file(text)


def content_of(path: Path) -> bytes:
    """Return what is in a file, or what comes from the standard input."""
    return sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()


def checked_settings() -> Settings:
    """Return the settings, after checking every file that they name. Raise SettingsError if something is wrong."""
    settings = load()
    ssl_context(settings.kafka)
    server_context(settings.receive)
    EmailChannel(settings.smtp)
    return settings


def other_settings(path: Path) -> Settings | None:
    """Return the settings of another installation or configuration; None after printing each problem if they are wrong.

    `path`: the file with them. Environment variables win over it, too.
    """
    try:
        return load_file(path)
    except SettingsError as error:
        for problem in error.problems:
            print(problem if problem.startswith(f"{path}: ") else f"{path}: {problem}", file=sys.stderr)
    return None


def say(line: str) -> None:
    """Show a line about the progress of a command at once, apart from its result."""
    print(line, file=sys.stderr, flush=True)


def name(text: str) -> str:
    """Return a name that identifies somebody or something. Raise ArgumentTypeError if the text is none."""
    return printable(text, LONGEST_ID)


def printable(text: str, longest: int) -> str:
    """Return a text of one line, without blanks at its ends. Raise ArgumentTypeError if it is none.

    `longest`: the largest number of characters.
    """
    text = text.strip()
    if not 0 < len(text) <= longest or not text.isprintable():
        raise argparse.ArgumentTypeError(f"must have 1 to {longest} characters that can be printed")
    return text


def _login() -> str:
    """Return the name of the user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # the user has no name, as in some containers
        return "somebody"


def given(args: argparse.Namespace) -> dict[str, Any]:
    """Return what every command to the worker says: its id, who gives it, when and how."""
    return {
        "command_id": str(uuid4()),
        "actor": args.by or _login(),
        "at": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime()),
        "via": "command line",
    }


def add_giver(parser: argparse.ArgumentParser) -> None:
    """Declare who gives a command to the worker, how long its answer is awaited, and how it is printed."""
    parser.add_argument("--by", type=name, metavar="WHO", help="who you are (default: the name of your login)")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=_ANSWER_SECONDS,
        metavar="SECONDS",
        help=f"how long to wait for the worker's answer (default: {_ANSWER_SECONDS:g})",
    )
    parser.add_argument("--json", action="store_true", help="print the worker's answer as JSON")


def not_answered(args: argparse.Namespace) -> Exit:
    """Say that the worker has not answered a command in time."""
    print(
        f"the worker has not answered within {args.timeout:g} s: is a worker running (python -m worker run)? The "
        "command is written, and will be carried out, or refused, once a worker runs",
        file=sys.stderr,
    )
    return Exit.FAILED


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3_600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds, at most 3600")
    return seconds


def with_settings(work: Callable[[argparse.Namespace, Settings], int]) -> Callable[[argparse.Namespace], int]:
    """Return a command that gets the settings. If they are wrong, it prints each problem and does nothing else."""

    def run(args: argparse.Namespace) -> int:
        try:
            settings = checked_settings()
        except SettingsError as error:
            for problem in error.problems:
                print(problem, file=sys.stderr)
            return Exit.WRONG
        logs.configure(settings.log_level, getattr(args, "log_format", None) or settings.log_format)
        return work(args, settings)

    return run


def with_kafka(
    work: Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]],
) -> Callable[[argparse.Namespace], int]:
    """Return a command that gets the settings and uses Kafka. It prints one line if Kafka fails."""

    def run(args: argparse.Namespace, settings: Settings) -> int:
        try:
            return asyncio.run(work(args, settings))
        except KafkaError as error:
            server = f"{settings.kafka.bootstrap_servers} (kafka.bootstrap_servers)"
            print(f"\n{server}: {type(error).__name__}; is Kafka running there?", file=sys.stderr)
        except Unreachable as error:
            print(f"{error}{_address_hint(settings)}", file=sys.stderr)
        except (Fatal, StillRunning, Unconfirmed) as error:
            print(error, file=sys.stderr)
        return Exit.FAILED

    return with_settings(run)


def _address_hint(settings: Settings) -> str:
    """Return how the address of Kafka is set, if it was not: in a new terminal the variable is easily forgotten."""
    if "bootstrap_servers" in settings.kafka.model_fields_set:
        return ""
    return f"; this is the default address: set kafka.bootstrap_servers or {variable('kafka.bootstrap_servers')}"


async def topic_exists(kafka: KafkaSettings, topic: str) -> bool:
    """Return whether a topic exists. If it does not, print what to do.

    Raise Unreachable or Refused if Kafka does not let the worker in, KafkaError if it does not answer later.
    """
    await preflight(kafka)
    async with reading.reader(kafka) as reader:
        if await reader.partitions(topic):
            return True
    print(
        f"{topic} does not exist yet: start the worker once (python -m worker run), so that it creates its topics",
        file=sys.stderr,
    )
    return False
