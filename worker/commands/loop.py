"""`loop`: how long the work on alerts takes, and how many customers recover."""

import argparse
import difflib
import sys
import time
from collections import Counter

from worker import terminal
from worker.alerts.known import known_cases
from worker.board.figures import FIELDS, grouped, overdue_of, with_overdue
from worker.commands.common import SETTINGS_HELP, Commands, Exit, age, with_kafka
from worker.flow import events
from worker.flow.text import printable_json
from worker.kafka.topics import CASES, changelog_name, topic_name
from worker.lineage import canonical_path, is_below, lineage
from worker.loop.latest import recoveries
from worker.loop.text import table
from worker.settings import Settings

_DAYS = 90
_DAY_SECONDS = 86_400


def add(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "loop",
        help="show how long the work on alerts takes, and how many customers recover",
        description="Shows figures of the cases of alerts that have ended, or whose customers have answered again; "
        "among the time limits also those of the cases that are overdue now. A case that was reopened counts once for "
        "each opening. `ack` is the time within which half of the acknowledged cases were acknowledged. `resolve` and "
        "`9 of 10` are the times within which half, and nine of ten, of the resolved cases were resolved. Nights and "
        "weekends count, but not with --working. `again` is the number of cases whose customer has answered again, and "
        "`recovered` the share of these answers with a score of 7 or higher. `reopened` is the number of openings that "
        "were not the first one of their case.",
        epilog=SETTINGS_HELP,
    )
    parser.add_argument(
        "path", nargs="?", default="", metavar="PATH", help="the segment, such as fr/lyon (default: all alerts)"
    )
    parser.add_argument(
        "--by",
        choices=[*FIELDS],
        default="segment",
        help="what each line is about (default: segment, the segments directly below PATH); a case whose alert has "
        "several receivers counts for each of them",
    )
    parser.add_argument(
        "--since",
        type=age,
        default=_DAYS * _DAY_SECONDS,
        metavar="AGE",
        help=f"only cases that were opened or reopened within this time, such as 12h or 7d (default: {_DAYS}d)",
    )
    parser.add_argument(
        "--working",
        action="store_true",
        help="show working time by the calendars of receivers, and in place of `again` and `recovered` two columns "
        "`in time`: the shares of the acknowledged and of the resolved cases with a time limit that met it; cases that "
        "are overdue now have not met theirs",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, times in seconds")
    parser.set_defaults(run=with_kafka(_loop))


async def _loop(args: argparse.Namespace, settings: Settings) -> int:
    topic = topic_name(settings.topic_prefix, events.RECOVERIES)
    now = int(time.time() * 1_000)
    since = now - int(args.since * 1_000)
    found = await recoveries(settings.kafka, topic, since)
    if found is None:
        print(
            f"{topic} does not exist yet: start the worker once (python -m worker run), so that it creates its topics",
            file=sys.stderr,
        )
        return Exit.FAILED
    path = canonical_path(args.path)
    changelog = changelog_name(settings.kafka.group, "process", CASES)
    cases = await known_cases(settings.kafka, changelog, settings.cases, now) or []
    overdue = [one for each in cases if (one := overdue_of(each.case, now, since)) is not None]
    segments = {one.segment for one in found} | {one.segment for one in overdue}
    known = {above for segment in segments for above in lineage(segment)}
    if known and path not in known:
        like = " or ".join(difflib.get_close_matches(path, known))
        hint = f"did you mean {like}?" if like else "python -m worker loop shows the segments that have some"
        print(f"no case of {path} that was opened in this time has ended yet or is overdue; {hint}", file=sys.stderr)
        return Exit.FAILED
    late = Counter(one for one in overdue if is_below(one.segment, path))
    shown = with_overdue(grouped(found, args.by, path), late, args.by, path)
    if args.json:
        groups = {name: each.as_json() for name, each in shown.groups.items()}
        print(printable_json({**shown.whole.as_json(), "groups": groups}))
        return Exit.FINE
    width = terminal.width()
    print("\n".join(terminal.fitting(line, width) for line in table(path or "all", shown, working=args.working)))
    if not found:
        print("no case that was opened in this time has ended yet", file=sys.stderr)
    return Exit.FINE
