"""`topics`: what the worker needs on Kafka, as text or as commands of Kafka's own tools."""

import argparse
from typing import get_args

from worker import topic_plan
from worker.commands.common import SETTINGS_HELP, Commands, Exit, with_settings
from worker.settings import Settings


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "topics",
        help="print the topics that the worker needs, as text or as commands of Kafka's own tools",
        description="Prints every topic that the worker needs, with its configuration. The worker creates the "
        "topics that are missing. If it has no permission to do so, somebody else can create them with the commands.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--format",
        choices=get_args(topic_plan.Form),
        default="text",
        help="text (default), or commands that create the topics, configure them, or grant the permissions to use them",
    )
    parser.add_argument(
        "--role",
        choices=get_args(topic_plan.Role),
        default="all",
        help="with kafka-acls: the role that gets the permissions (default: all)",
    )
    parser.add_argument(
        "--principal",
        default="User:nps-worker",
        help="with kafka-acls: the user that gets the permissions (default: User:nps-worker)",
    )
    parser.set_defaults(run=with_settings(_show))


def _show(args: argparse.Namespace, settings: Settings) -> int:
    print("\n".join(topic_plan.shown(settings, args.format, args.role, args.principal)))
    return Exit.FINE
