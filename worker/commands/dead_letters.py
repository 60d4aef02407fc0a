"""`dead-letters`: the records that were refused, and why."""

import argparse
import sys
import time

from schemas.dead_letter import Reason
from worker import dead_letters, terminal
from worker.commands.common import SETTINGS_HELP, Commands, Exit, age, topic_exists, with_kafka
from worker.flow import events
from worker.kafka.topics import topic_name
from worker.settings import Settings

_LIMIT = 20


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "dead-letters",
        help="show the records that were refused, and why",
        description="Shows the newest dead letters; the newest one is the last. For each it says when and where the "
        "record came, why it was refused, and how it begins. This may show personal data.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--reason", type=_reason, metavar="WORD", help="show only dead letters with this reason, such as not_json"
    )
    parser.add_argument(
        "--since",
        type=age,
        metavar="AGE",
        help="show only dead letters that are younger than this, such as 30m, 12h or 7d",
    )
    parser.add_argument(
        "--limit",
        type=_count,
        default=_LIMIT,
        metavar="N",
        help=f"show at most this many of the newest dead letters (default: {_LIMIT})",
    )
    parser.add_argument(
        "--full", action="store_true", help="show everything that was kept of each value, and not only one line"
    )
    parser.add_argument("--json", action="store_true", help="print each dead letter as its event in JSON, one per line")
    parser.set_defaults(run=with_kafka(_show))


def _reason(text: str) -> str:
    if text not in set(Reason):
        raise argparse.ArgumentTypeError(f"{text} is not a reason: write one of {', '.join(Reason)}")
    return text


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 1,000,000")
    return int(text)


async def _show(args: argparse.Namespace, settings: Settings) -> int:
    topic = topic_name(settings.topic_prefix, events.DEAD_LETTERS)
    since = 0 if args.since is None else int((time.time() - args.since) * 1_000)
    found = await dead_letters.newest(settings.kafka, topic, limit=args.limit, reason=args.reason, since=since)
    width = None if args.full else terminal.width()
    for letter in found:
        print(letter.model_dump_json() if args.json else "\n".join(dead_letters.lines(letter, width)))
    if not found:
        if not await topic_exists(settings.kafka, topic):
            return Exit.FAILED
        print(
            f"{topic} has no dead letters" + (" that match --reason and --since" if args.reason or args.since else ""),
            file=sys.stderr,
        )
    return Exit.FINE
