"""`new-epoch`: go on with a topic that was deleted and created again, or cut back."""

import argparse

from worker import maintenance
from worker.commands.common import SETTINGS_HELP, Commands, Exit, with_kafka
from worker.kafka.topics import CONSUMED
from worker.settings import Settings


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "new-epoch",
        help="go on with a topic that was deleted and created again, or cut back",
        description="Makes the worker go on with the records that a topic holds now, after the topic was deleted and "
        "created again, or cut back, or after retention deleted records that were not read yet. Everything that was "
        "counted before stays counted. The workers must be stopped. The command changes nothing if the topic still "
        "holds the records that the worker read.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument("topic", choices=sorted(CONSUMED), help="the topic, without topic_prefix")
    parser.set_defaults(run=with_kafka(_begin))


async def _begin(args: argparse.Namespace, settings: Settings) -> int:
    print(await maintenance.new_epoch(settings, args.topic))
    return Exit.FINE
