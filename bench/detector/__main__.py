"""How well the worker's statistics do on answers whose truth is known: drops, silences, trends and intervals.

make detector                             all parts
make detector ARGS="--only delays"        one part
make detector ARGS="--runs 20"            fewer runs for each figure
make detector ARGS="--json"               the last line is one JSON object with the figures that have a bar

The answers are drawn with fixed seeds, so each run prints the same figures. How far it is, and how long each part took,
goes to stderr. All parts together take up to an hour on two cores; most of it is for recovery, causes and silences.
"""

import argparse
import json
import sys
from time import monotonic

from bench.detector import causes, change, cusum, delays, intervals, mix, recovery, silences, trend, weeks
from bench.detector.part import Part

PARTS: tuple[Part, ...] = (
    delays.PART,
    cusum.PART,
    recovery.PART,
    weeks.PART,
    causes.PART,
    mix.PART,
    silences.PART,
    change.PART,
    trend.PART,
    intervals.PART,
)


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        prog="make detector", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [part.name for part in PARTS]
    listed = "; ".join(f"{part.name}: {part.about}" for part in PARTS)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART", help=f"the parts: {listed}")
    parser.add_argument("--runs", type=int, help="runs for each figure (default: each part has its own)")
    parser.add_argument("--json", action="store_true", help="at the end, print the figures with a bar as JSON")
    chosen = parser.parse_args()
    figures: dict[str, float] = {}
    for part in PARTS:
        if part.name in chosen.only:
            print(f"## {part.name}: {part.about}\n", flush=True)
            began = monotonic()
            found = part.report(chosen.runs or part.runs)
            for table in found.tables:
                print(f"{table}\n", flush=True)
            print(f"{part.name} took {monotonic() - began:.0f} s\n", file=sys.stderr, flush=True)
            figures.update(found.figures)
    if chosen.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
