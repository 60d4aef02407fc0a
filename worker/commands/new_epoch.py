"""`new-epoch`: go on with a topic that was deleted and made anew, or cut back."""

import argparse

from worker import maintenance
from worker.commands.asking import SETTINGS_HELP, Commands, Exit, with_kafka
from worker.kafka.topics import CONSUMED
from worker.settings import Settings


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "new-epoch",
        help="go on with a topic that was deleted and made anew, or cut back",
        description="Has the worker go on with what a topic holds now, after the topic was deleted and made anew, or "
        "cut back, or after retention deleted what was not read yet. Everything that was counted before stays. The "
        "workers must be stopped. A topic that is as it was read stays as it is.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument("topic", choices=sorted(CONSUMED), help="the topic, without topic_prefix")
    parser.set_defaults(run=with_kafka(_begin))


async def _begin(asked: argparse.Namespace, settings: Settings) -> int:
    print(await maintenance.new_epoch(settings, asked.topic))
    return Exit.FINE
