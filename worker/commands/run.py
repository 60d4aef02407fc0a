"""`run` runs the worker until SIGTERM or Ctrl-C."""

import argparse
import asyncio
from typing import get_args

from worker import app, logs
from worker.commands.asking import ROLE_HELP, SETTINGS_HELP, Commands, with_settings
from worker.settings import Settings


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="run the worker until SIGTERM or Ctrl-C", epilog=SETTINGS_HELP)
    parser.add_argument("--role", choices=get_args(app.Role), default="all", help=ROLE_HELP)
    parser.add_argument(
        "--log-format", choices=sorted(logs.FORMATS), help="json: for machines; text: for people (default: log_format)"
    )
    parser.set_defaults(run=with_settings(_run))


def _run(asked: argparse.Namespace, settings: Settings) -> int:
    return asyncio.run(app.run(settings, asked.role))
