"""`demo`: Kafka, inbox and worker run on this machine, and the terminal shows what happens."""

import argparse
import sys
from functools import partial
from pathlib import Path

from worker.commands.common import Commands, Exit, file
from worker.settings import KafkaSettings

_FASTEST = 100_000


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "demo",
        help="run a Kafka, an inbox and the worker on this machine, and publish sample responses",
        description="Runs a Kafka, an inbox and the worker on this machine only, publishes sample responses, and shows "
        "what happens until Ctrl-C. It reads no settings.",
    )
    parser.add_argument("--once", action="store_true", help="publish everything, wait until it is processed, and exit")
    parser.add_argument(
        "--input", type=file, metavar="FILE", help="publish the responses of this file, one per line (default: samples)"
    )
    parser.add_argument("--json", action="store_true", help="with --once: print the result as one line of JSON")
    parser.add_argument(
        "--kafka",
        type=_server,
        metavar="HOST:PORT",
        help="use this Kafka, with new topics, instead of starting one",
    )
    parser.add_argument(
        "--rate", type=_rate, default=4.0, metavar="N", help="publish N responses per second (default: 4)"
    )
    parser.add_argument(
        "--no-history",
        action="store_true",
        help="do not begin with sample answers of the past year (only the live demo without --input does)",
    )
    parser.add_argument("--mails", type=_folder, metavar="DIR", help="write each mail that arrives to a file in DIR")
    parser.set_defaults(run=partial(_demo, parser))


def _server(text: str) -> str:
    try:
        return KafkaSettings(bootstrap_servers=text).bootstrap_servers
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not host:port, such as localhost:9092") from None


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= _FASTEST:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0 and at most {_FASTEST:,}")
    return rate


def _folder(text: str) -> Path:
    """Return a folder to which mails can be written; create it if it does not exist."""
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a folder that can be written to: {error.strerror}") from None
    return folder


def _demo(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    if args.json and not args.once:
        parser.error("--json needs --once: the live view has no result to print")
    try:
        from worker.demo import show  # noqa: PLC0415 - the demo's packages are an extra
    except ModuleNotFoundError as error:
        print(
            f"the demo needs the package {error.name}: use make demo, or pip install '.[embedded]' in the project's "
            "directory",
            file=sys.stderr,
        )
        return Exit.FAILED
    options = show.Options(args.input, args.rate, args.kafka, args.mails, args.json, not args.no_history)
    return show.main(options, once=args.once)
