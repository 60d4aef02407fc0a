"""`run` runs the worker until SIGTERM or Ctrl-C."""

import argparse
import logging
import os
import sys
from typing import get_args

from worker import logs
from worker.commands.common import ROLE_HELP, SETTINGS_HELP, Commands, Exit, with_settings
from worker.roles import Role
from worker.settings import Settings
from worker.tracing.problems import problems

log = logging.getLogger(__name__)


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "run",
        help="run the worker until SIGTERM or Ctrl-C",
        description="Runs the worker until SIGTERM or Ctrl-C; the exit code is then 0. The worker creates topics "
        "that are missing, and waits for Kafka if it is not reachable. If something stops the worker, one line of "
        "the log says what to do, and the exit code is 1, or 2 for a wrong configuration.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument("--role", choices=get_args(Role), default="all", help=ROLE_HELP)
    parser.add_argument(
        "--log-format",
        choices=sorted(logs.FORMATS),
        help="json for machines, text for people (default: the setting log_format)",
    )
    parser.set_defaults(run=with_settings(_run))


def _run(args: argparse.Namespace, settings: Settings) -> int:
    from worker import app  # noqa: PLC0415 - other commands do without Faust, which takes a second to import

    needed = {"web": settings.web.problem, "receive": settings.receive.problem}
    if problem := needed.get(args.role):
        print(problem, file=sys.stderr)
        return Exit.WRONG
    if wrong := problems(settings.tracing, os.environ):
        print("\n".join(wrong), file=sys.stderr)
        return Exit.WRONG
    for line in settings.vain_receivers():
        log.warning("settings: %s", line)
    return app.on_event_loop(app.run(settings, args.role))
