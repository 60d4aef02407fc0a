"""`publish`: a file's lines as responses."""

import argparse
import sys

from worker.commands.asking import SETTINGS_HELP, Commands, Exit, file, with_kafka
from worker.flow import outbox
from worker.publishing import lines, publish
from worker.settings import Settings
from worker.streams.topics import topic_name


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "publish", help="publish a file's lines as responses, each as one record's value", epilog=SETTINGS_HELP
    )
    parser.add_argument("file", type=file, help="a file with one response per line (JSON Lines)")
    parser.set_defaults(run=with_kafka(_publish))


async def _publish(asked: argparse.Namespace, settings: Settings) -> int:
    def progress(count: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{count} published", end="", file=sys.stderr, flush=True)

    topic = topic_name(settings.topic_prefix, outbox.RESPONSES)
    count = await publish(settings.kafka, topic, lines(asked.file), progress)
    print(f"\r{count} published to {topic}")
    return Exit.FINE
