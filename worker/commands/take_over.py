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
        "Stop that group's workers first. The new group continues at the offsets up to which that group has read. It "
        "does not get its tables: run the command rebuild --all before a worker starts. Nothing is counted, published "
        "or mailed twice. If Kafka does not know any more how far the other group has read, the command says how many "
        "records of which topics would be read again, and does nothing without --yes.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="also take over if some records will be read again; alerts older than "
        "alerts.max_age_days are not among them",
    )
    parser.set_defaults(run=with_kafka(_take_over))


async def _take_over(args: argparse.Namespace, settings: Settings) -> int:
    print(await maintenance.take_over(settings, may_repeat=args.yes))
    return Exit.FINE
