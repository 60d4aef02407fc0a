"""`scores`: a segment's NPS, and what drags it down."""

import argparse
import difflib
import sys

from worker.board.tree import branches
from worker.commands.common import SETTINGS_HELP, Commands, Exit, with_kafka
from worker.flow import events
from worker.kafka.topics import topic_name
from worker.lineage import canonical_path, survey_of
from worker.nps.windows import PEOPLE_WINDOWS, WINDOWS
from worker.scores import changes
from worker.scores.latest import by_customer, latest
from worker.scores.table import table
from worker.settings import Settings

#: What is shown unless args: long enough to be sure of, short enough to be about now.
_WINDOW = "90d"


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "scores",
        help="show a segment's NPS and what drags it down",
        description="Shows a segment and the segments below it. Those that take most from the NPS of their parent, the "
        "segment above them, come first. `drag` is the number of points that a segment adds to its parent's NPS or "
        "takes from it; * marks a segment that differs from the rest of its parent by more than chance explains.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "path", nargs="?", default="", metavar="PATH", help="the segment, such as fr/shop-3 (default: all answers)"
    )
    parser.add_argument("--tree", action="store_true", help="show all levels of segments below, not only the next one")
    parser.add_argument("--surveys", action="store_true", help="show surveys instead of segments")
    parser.add_argument(
        "--window",
        choices=WINDOWS,
        default=_WINDOW,
        help=f"the answers that count: {', '.join(WINDOWS)} (default: {_WINDOW})",
        metavar="W",
    )
    parser.add_argument(
        "--people",
        action="store_true",
        help=f"count each customer once, by the latest answer; --window is then one of {', '.join(PEOPLE_WINDOWS)}",
    )
    parser.add_argument(
        "--changes",
        action="store_true",
        help="compare the last 30 days with the 60 days before; `within` is the part of the change that is due to the "
        "segments below, and `mix` the part of their shares of the answers",
    )
    parser.set_defaults(run=with_kafka(_scores))


async def _scores(args: argparse.Namespace, settings: Settings) -> int:
    if args.surveys and args.path:
        print("--surveys shows the surveys of all segments: do not name a segment with it", file=sys.stderr)
        return Exit.WRONG
    if args.changes and (args.surveys or args.people or args.window != _WINDOW):
        print(
            "--changes has windows of its own, and is about segments: use it without --window, --people and --surveys",
            file=sys.stderr,
        )
        return Exit.WRONG
    topic = topic_name(settings.topic_prefix, events.SCORES)
    found = await latest(settings.kafka, topic)
    if args.people:
        if args.window not in PEOPLE_WINDOWS:
            print(f"--people has the windows {', '.join(PEOPLE_WINDOWS)}, not {args.window}", file=sys.stderr)
            return Exit.WRONG
        every, found = found, by_customer(found, args.window)
        if every and not found:
            print(
                f"{topic} has no window {args.window} by customer yet; shorter windows are there earlier",
                file=sys.stderr,
            )
            return Exit.FAILED
    path = "" if args.surveys else canonical_path(args.path)
    if path not in found:
        known = ", ".join(name for name in difflib.get_close_matches(path, found) if survey_of(name) is None)
        hint = f"did you mean {known}?" if known else "--tree shows all segments" if found else "has the worker run?"
        print(f"{topic} has no scores of {path or 'any segment'}; {hint}", file=sys.stderr)
        return Exit.FAILED
    depth = None if args.tree else 1
    shown = branches(found, path, args.window, depth=depth, surveys=args.surveys)
    print(changes.table(shown, changes.changes(found)) if args.changes else table(shown, colours=sys.stdout.isatty()))
    return Exit.FINE
