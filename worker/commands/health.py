"""`health`: whether the workers on this machine are alive and ready."""

import argparse
from typing import get_args

from worker import probing, status
from worker.commands.common import SETTINGS_HELP, Commands, Exit, with_settings
from worker.roles import Role
from worker.settings import Settings


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "health",
        help="exit with 0 if the workers on this machine are alive and ready",
        description="Finds the workers on this machine by the files that show that they are alive (status_file), and "
        "asks /livez and /readyz of those that serve them (metrics.bind). The exit code is 0 if all are alive and "
        "ready. It is 1 if not, or if no worker runs; a line says which.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--role",
        choices=get_args(Role),
        help="look only at workers of this role (default: at all workers on this machine)",
    )
    parser.set_defaults(run=with_settings(_health))


def _health(args: argparse.Namespace, settings: Settings) -> int:
    roles = get_args(Role) if args.role is None else [args.role]
    bases = {name: settings.status_path(name) for name in roles}
    running, address = status.running(bases), settings.metrics.address
    if running or address is None or not address.port or args.role is not None:
        problem = status.problem(bases)
    else:
        # The worker still waits for Kafka, or cannot write its file.
        running = [f"the worker at {settings.metrics.bind}"]
        problem = probing.problem(address)
    print(problem or f"alive and ready: {'; '.join(running)}")
    return Exit.FAILED if problem else Exit.FINE
