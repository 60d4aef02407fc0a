"""`rebuild`: state that was lost is rebuilt from the topics that it came from."""

import argparse
import math

from worker.commands.common import SETTINGS_HELP, Commands, Exit, say, with_kafka
from worker.kafka import topics
from worker.rebuild import command
from worker.rebuild.lost import ROLES, SOURCES
from worker.settings import Settings

#: A call about an alert that is older does more harm than good.
_MAIL_DAYS = 2.0


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "rebuild",
        help="rebuild tables whose changelogs were deleted or cut back",
        description="Rebuilds the worker's tables while every worker is stopped: contacts, segments and watches "
        "from the responses, the outboxes from the alerts and the delivery log, plans from the notices and that log, "
        "cases, commands, silences, and answers that come in parts from their topics. "
        "The command publishes nothing a second time, and no mail that was sent is sent again. It may be interrupted "
        "and run again. Without --table or --all it rebuilds only the tables that were lost. Responses that retention "
        "has deleted cannot come back, so do not rebuild a table that is intact.",
        epilog=SETTINGS_HELP,
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--table",
        action="append",
        choices=SOURCES,
        default=[],
        help="rebuild this table; the option may be repeated",
    )
    which.add_argument("--all", action="store_true", help="rebuild all tables that these settings have")
    parser.add_argument(
        "--mail-newer-than-days",
        type=_days,
        default=_MAIL_DAYS,
        metavar="DAYS",
        help="mails that were never sent are sent if their alerts are younger than this many days; otherwise they are "
        f"cancelled, with a line in the delivery log (default: {_MAIL_DAYS:g})",
    )
    parser.set_defaults(run=with_kafka(_rebuild))


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of days")
    return days


async def _rebuild(args: argparse.Namespace, settings: Settings) -> int:
    in_use = topics.tables(settings)
    wanted = [table for table in SOURCES if ROLES[table] in in_use] if args.all else args.table
    print(await command.rebuild(settings, wanted, args.mail_newer_than_days, say))
    return Exit.FINE
