"""Faults of every kind on a real Kafka, and bugs that are put in on purpose: nothing may be lost or happen twice.

make chaos                                   all faults and bugs: about half an hour on two cores
make chaos ARGS="--quick"                    one trial of most faults, which is what make test runs
make chaos ARGS="--only zombie --seed 7"     one fault; its schedule depends only on the seed
make chaos ARGS="--only poison --trials 2"   as many trials as that, and no more
make chaos ARGS="--only soak"                four million responses; this is not a part of the other forms
"""

import argparse
import asyncio
import signal
import sys

from chaos import controls
from chaos.controls import CONTROLS
from chaos.fault_context import IDLE_MINUTES
from chaos.plan import FAULTS
from chaos.runner import Asked, Report, run, say, summary


def main() -> int:
    """Run it from the command line; exit 1 if anything is violated, or a control is green."""
    parser = argparse.ArgumentParser(
        prog="make chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names, known = [fault.name for fault in FAULTS], [control.bug for control in CONTROLS]
    parser.add_argument("--quick", action="store_true", help="run one trial of most faults")
    parser.add_argument(
        "--only",
        metavar="FAULT,…",
        help=f"only these faults, of: {', '.join(names)}; or these bugs, of: {', '.join(known)}; controls are all bugs",
    )
    parser.add_argument("--trials", type=int, metavar="N", help="the number of trials of each fault")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the schedule (default: 1)")
    parser.add_argument(
        "--idle-minutes",
        type=float,
        default=IDLE_MINUTES,
        metavar="N",
        help="idle_soak: the minutes with nothing to do, and the minutes with little to do after that "
        f"(default: {IDLE_MINUTES:g})",
    )
    asked = parser.parse_args()
    usual = {fault.name for fault in FAULTS if not fault.named}
    wanted = set(asked.only.split(",")) if asked.only else {*usual, "controls"}
    unknown = wanted - {*names, *known, "controls"}
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    bugs = [control for control in CONTROLS if {"controls", control.bug} & wanted]
    if asked.quick:
        bugs = [control for control in bugs if control.bug in controls.QUICK]
    plan = Asked(
        [fault for fault in FAULTS if fault.name in wanted and fault.how_often(quick=asked.quick)],
        bugs,
        asked.seed,
        asked.quick,
        asked.idle_minutes,
        asked.trials,
    )
    if not plan.faults and not plan.controls:
        parser.error("nothing to run: --quick leaves out all that --only names")
    say(f"seed {asked.seed}")
    report = asyncio.run(_run(plan))
    print()
    print("\n".join(summary(report)))
    return 0 if report.is_good else 1


async def _run(plan: Asked) -> Report:
    """Run it, and clean up also when asked to end."""
    running = asyncio.ensure_future(run(plan, say))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


if __name__ == "__main__":
    sys.exit(main())
