"""`demo`: everything on this machine, to watch."""

import argparse
import sys

from worker.commands.asking import Commands, Exit, file


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "demo", help="a Kafka, an inbox, the worker and sample responses, on this machine only"
    )
    parser.add_argument("--once", action="store_true", help="publish everything, wait until it is processed, and exit")
    parser.add_argument(
        "--input", type=file, metavar="FILE", help="responses to publish, one per line; default: samples"
    )
    parser.add_argument("--json", action="store_true", help="with --once: print the result as one line of JSON")
    parser.add_argument(
        "--kafka", metavar="HOST:PORT", help="use this Kafka, with topics of its own, instead of an embedded one"
    )
    parser.add_argument("--rate", type=float, default=4.0, metavar="N", help="responses per second (default: 4)")
    parser.set_defaults(run=_demo)


def _demo(asked: argparse.Namespace) -> int:
    try:
        from worker.demo import show  # noqa: PLC0415 - the demo's packages are an extra
    except ModuleNotFoundError as error:
        print(f"the demo needs the package {error.name}: pip install 'detractor-worker[embedded]'", file=sys.stderr)
        return Exit.FAILED
    return show.main(once=asked.once, path=asked.input, as_json=asked.json, rate=asked.rate, kafka=asked.kafka)
