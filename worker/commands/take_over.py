"""`take-over` makes another consumer group the owner of the topics."""

import argparse

from worker import maintenance
from worker.commands.common import SETTINGS_HELP, Commands, Exit, with_kafka
from worker.settings import Settings


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "take-over",
        help="make kafka.group the owner of the topics, in place of another group that is no longer used",
        description="Makes kafka.group the owner of the topics of topic_prefix, in place of the group that owns them. "
        "Stop that group's workers first. The new group does not take over its state and its offsets: it reads the "
        "topics from their beginning, so it counts retained answers, and mails retained alerts, once more.",
        epilog=SETTINGS_HELP,
    )
    parser.set_defaults(run=with_kafka(_take_over))


async def _take_over(args: argparse.Namespace, settings: Settings) -> int:
    del args
    print(await maintenance.take_over(settings))
    return Exit.FINE
