"""`copy`: copy a topic of an old installation into a new one."""

import argparse
import sys

from worker import copying
from worker.commands.common import SETTINGS_HELP, Commands, Exit, file, other_settings, say, with_kafka
from worker.settings import Settings


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "copy",
        help="copy a topic of another installation, with the times of its records",
        description="Copies a topic of another installation to the one of the settings, which may be on another Kafka, "
        "and may have another topic_prefix and another number of partitions. The records keep their keys, headers and "
        "Kafka times. docs/moving.md says in which order the topics are copied. The command sends no mail. No worker "
        "of the new installation may run. The topic must be missing or empty there; all topics that are missing are "
        "created.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=file,
        required=True,
        metavar="FILE",
        help="the file of the other installation's configuration; environment variables win over it, too",
    )
    parser.add_argument("topic", choices=sorted(copying.COPIED), help="the topic, without topic_prefix")
    parser.set_defaults(run=with_kafka(_copy))


async def _copy(args: argparse.Namespace, settings: Settings) -> int:
    source = other_settings(args.source)
    if source is None:
        return Exit.WRONG
    if source.topic_prefix == settings.topic_prefix and await copying.are_on_one_cluster(source, settings):
        print(
            f"--from: names the same Kafka and the same topic_prefix as the settings. If {args.source} names others, "
            "an environment variable wins over it",
            file=sys.stderr,
        )
        return Exit.WRONG
    print(await copying.copy(source, settings, args.topic, say))
    return Exit.FINE
