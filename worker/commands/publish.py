"""`publish` publishes a file's lines as responses, or only says which of them the worker would accept."""

import argparse
import random
import sys
import time
from collections import Counter
from datetime import datetime
from functools import partial

from worker.commands.common import (
    SETTINGS_HELP,
    Commands,
    Exit,
    content_of,
    file_or_input,
    topic_exists,
    with_kafka,
    with_settings,
)
from worker.demo import samples
from worker.errors import Rejected
from worker.flow import events
from worker.flow.responses.admission import check
from worker.flow.timestamps import DAY
from worker.kafka.publishing import document_problem, is_object, is_table, publish, split
from worker.kafka.topics import topic_name
from worker.logs import counted
from worker.settings import Settings

#: The largest number of problems that --check prints. The summary counts all of them.
_SHOWN = 100


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "publish",
        help="publish a file's lines as responses, each as one record's value",
        description="Publishes each line of a file as one response (JSON Lines). The key of a record is the customer's "
        "id in it. A line that is not a valid response becomes a dead letter, as it would if another program had "
        "published it. Blank lines are skipped.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "file", nargs="?", type=file_or_input, help="a file with one response per line; - reads the standard input"
    )
    parser.add_argument(
        "--sample", type=int, choices=range(11), metavar="SCORE", help="publish one made-up answer with this score"
    )
    parser.add_argument(
        "--check", action="store_true", help="publish nothing, and say which lines the worker would refuse, and why"
    )
    parser.add_argument("--as-is", action="store_true", help="publish even if the first line is not a JSON object")
    parser.set_defaults(run=partial(_run, parser))


def _run(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if (args.file is None) == (args.sample is None):
        parser.error("name a file, or - for the standard input, or --sample SCORE")
    content = _content(args)
    numbered = [(number, line) for number, line in enumerate(split(content), 1) if line.strip()]
    if not args.as_is and (whole := document_problem(content)):
        print(f"{args.file}: {whole}. Nothing was published.", file=sys.stderr)
        return Exit.WRONG
    if not args.as_is and is_table(content):
        print(
            f"{args.file}: this looks like a CSV file, so nothing was published. python -m worker import publishes the "
            "rows of a CSV file: see docs/import.md.",
            file=sys.stderr,
        )
        return Exit.WRONG
    if args.check:
        return with_settings(lambda _, settings: _check(numbered, settings))(args)
    if numbered and not is_object(numbered[0][1]) and not args.as_is:
        print(
            f"{args.file}: line {numbered[0][0]} is not a JSON object, so nothing was published. Each line must be "
            "one response as a JSON object, see schemas/json/response.schema.json. --check says what is wrong with "
            "each line, and --as-is publishes them all the same.",
            file=sys.stderr,
        )
        return Exit.WRONG
    done = "" if args.sample is None else f"published: {samples.described(content)}"
    return with_kafka(lambda _, settings: _publish([line for _number, line in numbered], settings, done))(args)


def _content(args: argparse.Namespace) -> bytes:
    if args.sample is not None:
        return samples.one(random.Random(), args.sample, datetime.now().astimezone())  # noqa: S311 - no secret
    return content_of(args.file)


def _check(numbered: list[tuple[int, bytes]], settings: Settings) -> int:
    now, too_old, refused = int(time.time() * 1_000), 0, Counter[str]()
    for number, value in numbered:
        try:
            _, given = check(value, now, settings.intake)
        except Rejected as rejected:
            refused[rejected.reason] += 1
            if refused.total() <= _SHOWN:
                print(f"line {number}: {rejected.reason}: {rejected.detail}")
        else:
            too_old += now - given > settings.alerts.max_age_days * DAY
    if refused.total() > _SHOWN:
        print(f"… and {refused.total() - _SHOWN:,} more")
    by_reason = "".join(f"; {count:,} {reason}" for reason, count in refused.most_common())
    lines = counted(len(numbered), "line is a response", "lines are responses")
    print(f"{len(numbered) - refused.total():,} of {lines}{by_reason}")
    if too_old:
        what = counted(too_old, "answer counts, but raises", "answers count, but raise")
        print(f"{what} no alert: older than {settings.alerts.max_age_days:g} days (alerts.max_age_days)")
    return Exit.FAILED if refused else Exit.FINE


async def _publish(values: list[bytes], settings: Settings, done: str) -> int:
    """Publish the values. `done` is the line that is printed at the end; without it, the number of records is."""

    def progress(count: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{count:,} of {len(values):,} published", end="", file=sys.stderr, flush=True)

    topic = topic_name(settings.topic_prefix, events.RESPONSES)
    if not await topic_exists(settings.kafka, topic):
        return Exit.FAILED
    count = await publish(settings.kafka, topic, values, progress)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(done or f"{count:,} published to {topic}")
    return Exit.FINE
