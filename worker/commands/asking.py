"""What commands have in common: how they are declared, where their settings come from, how they end."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

from aiokafka.errors import KafkaError

from worker import logs
from worker.errors import Fatal, SettingsError, StillRunning, Unreachable
from worker.kafka.connection import ssl_context
from worker.notify.channels.email.smtp import EmailChannel
from worker.settings import CONFIG_VARIABLE, Settings, load

SETTINGS_HELP = (
    f"The settings come from worker.toml (or the file that {CONFIG_VARIABLE} names) and from environment variables "
    "that begin with NPS_; a variable wins over the file."
)
ROLE_HELP = "process decides and counts; notify sends mails; all is both in one process (default)"


class Exit(IntEnum):
    """What a command ends with."""

    FINE = 0
    FAILED = 1
    WRONG = 2  # usage or settings


class Commands(Protocol):
    """Where a command declares itself; argparse's own type is private."""

    def add_parser(self, name: str, *, help: str, **options: Any) -> argparse.ArgumentParser:  # noqa: A002 - argparse's
        """Return the parser of a new command."""


def file(text: str) -> Path:
    """Return the path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is not a file")
    return path


def checked_settings() -> Settings:
    """Return the settings, with every file that they name looked at. Raise SettingsError if something is wrong."""
    settings = load()
    ssl_context(settings.kafka)
    EmailChannel(settings.smtp)
    return settings


def with_settings(work: Callable[[argparse.Namespace, Settings], int]) -> Callable[[argparse.Namespace], int]:
    """Return a command that is given the settings. Where they do not hold, it prints each problem and does nothing."""

    def run(asked: argparse.Namespace) -> int:
        try:
            settings = checked_settings()
        except SettingsError as error:
            for problem in error.problems:
                print(problem, file=sys.stderr)
            return Exit.WRONG
        logs.configure(settings.log_level, getattr(asked, "log_format", None) or settings.log_format)
        return work(asked, settings)

    return run


def with_kafka(
    work: Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, int]],
) -> Callable[[argparse.Namespace], int]:
    """Return a command that is given the settings and talks to Kafka; what goes wrong there is said in a line."""

    def run(asked: argparse.Namespace, settings: Settings) -> int:
        try:
            return asyncio.run(work(asked, settings))
        except KafkaError as error:
            server = f"{settings.kafka.bootstrap_servers} (kafka.bootstrap_servers)"
            print(f"\n{server}: {type(error).__name__}; is Kafka running there?", file=sys.stderr)
        except (Unreachable, Fatal, StillRunning) as error:
            print(error, file=sys.stderr)
        return Exit.FAILED

    return with_settings(run)
