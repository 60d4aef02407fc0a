"""`replay`: which notices another configuration would have caused in the past."""

import argparse
import sys

from worker import terminal
from worker.clock import SystemClock
from worker.commands.common import (
    SETTINGS_HELP,
    TIME_HELP,
    Commands,
    Exit,
    file,
    other_settings,
    past_time,
    say,
    topic_exists,
    with_kafka,
    with_offset,
)
from worker.flow import events
from worker.flow.text import printable_json
from worker.flow.timestamps import to_ms
from worker.kafka.topics import topic_name
from worker.replay.command import Window, replay
from worker.replay.text import as_json, lines
from worker.settings import Settings

_LIMIT = 20


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "replay",
        help="try another configuration on the past, and show which notices would differ",
        description="Tries another configuration on the past, and shows which notices each receiver would have got and "
        "when, compared with the current configuration: first the figures for each receiver, then the alerts and "
        "incidents about which notices differ. The command sends nothing and writes nothing. It shows no address, and "
        "nothing that customers wrote. docs/replay.md says how it works, and what it cannot know. Exit codes: 0: the "
        "replay has ended, whatever it found; 1: Kafka failed, or a topic does not exist; 2: the usage or one of the "
        "configurations is wrong.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--config",
        type=file,
        required=True,
        metavar="FILE",
        help="the file of the other configuration; environment variables win over it, too",
    )
    parser.add_argument(
        "--from",
        dest="since",
        type=past_time,
        required=True,
        metavar="TIME",
        help="compare from this time on: how long ago it was, such as 12h or 7d, or a time, such as "
        f"2026-12-24T20:00+01:00; {TIME_HELP}",
    )
    parser.add_argument(
        "--to", dest="until", type=past_time, metavar="TIME", help="compare until this time (default: now)"
    )
    parser.add_argument(
        "--limit",
        type=_limit,
        default=_LIMIT,
        metavar="N",
        help=f"show at most this many alerts and incidents, those with the earliest differences (default: {_LIMIT})",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print JSON: one line with the figures, and then one line for each alert or incident",
    )
    parser.set_defaults(run=with_kafka(_replay))


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 1_000_000):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1,000,000")
    return int(text)


async def _replay(args: argparse.Namespace, settings: Settings) -> int:
    since = to_ms(with_offset(args.since, settings))
    until = SystemClock().now() if args.until is None else to_ms(with_offset(args.until, settings))
    if since >= until:
        print("--from: must be earlier than --to, which is now if it is left out", file=sys.stderr)
        return Exit.WRONG
    other = other_settings(args.config)
    if other is None:
        return Exit.WRONG
    for topic in (events.RESPONSES, events.ALERTS):
        if not await topic_exists(settings.kafka, topic_name(settings.topic_prefix, topic)):
            return Exit.FAILED
    result = await replay(settings, other, Window(since, until), args.limit, say)
    if args.json:
        for body in as_json(result):
            print(printable_json(body))
    else:
        print("\n".join(lines(result, terminal.width())))
    if result.differing > len(result.cases):
        print(
            f"and {result.differing - len(result.cases):,} more: --limit {result.differing} shows all", file=sys.stderr
        )
    return Exit.FINE
