"""How fast the worker is, compared with other programs, on a Kafka of its own.

make bench                                 all parts: about twenty minutes on two cores
make bench ARGS="--only latency"           one part: throughput, latency, rates, recovery, cases or growth
make bench ARGS="--json"                   the last line is one JSON object
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bench import growth, latency, measure, rates, recovery, throughput
from bench.feed import Feed
from bench.measure import BenchError, Figures
from bench.throughput import QUIX, STREAMS, Environment
from worker.embedded.jars import class_path
from worker.embedded.kafka import EmbeddedKafka

PARTS = ("throughput", "latency", "rates", "recovery", "cases", "growth")
_LATENCY_SECONDS = 10
_RATES_SECONDS = 20
_RATE = 500
_SMOKE_EVENTS = 2_000
#: Quix Streams wants another pydantic than the worker: it has a Python environment of its own (Makefile).
_QUIX = Path(sys.prefix).parent / ".stamp" / "quix" / "bin" / "python"
#: Java compiles it when it starts it. Beside it, the jars it needs more than the broker's.
_STREAMS = Path(__file__).parent / "contenders" / "KafkaStreams.java"


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, help="measure only this part")
    parser.add_argument("--events", type=int, default=500_000, help="responses for the throughput (default: 500000)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each program; medians are shown (default: 3)")
    parser.add_argument("--customers", type=int, default=1_000_000, help="customers in the tables for recovery")
    parser.add_argument("--cases", type=int, default=100_000, help="open cases in the tables (default: 100000)")
    rate_options = parser.add_argument_group("the part rates")
    rate_options.add_argument(
        "--rates",
        metavar="N",
        type=int,
        nargs="+",
        default=list(rates.RATES),
        help="responses a second (default: 10 100 500)",
    )
    rate_options.add_argument(
        "--seconds", type=int, default=_RATES_SECONDS, help="how long each is measured (default: 20)"
    )
    rate_options.add_argument(
        "--notify", metavar="N", type=int, default=1, help="processes that send mails (default: 1)"
    )
    rate_options.add_argument(
        "--scrape", metavar="SECONDS", type=float, default=0.0, help="scrape the metrics so often (default: never)"
    )
    rate_options.add_argument(
        "--leaves", metavar="N", type=int, default=Feed(0).segments, help="leaves of the tree of segments (default: 60)"
    )
    rate_options.add_argument("--full-only", action="store_true", help="leave out the reduced job and other programs")
    parser.add_argument("--java", metavar="PATH", help="also run Kafka Streams, with this java of a JDK, 17 or later")
    parser.add_argument(
        "--smoke", action="store_true", help=f"only see that it works: {_SMOKE_EVENTS:,} responses, one run"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    asked = parser.parse_args()
    if asked.smoke:
        asked.events, asked.runs, asked.customers, asked.seconds = _SMOKE_EVENTS, 1, _SMOKE_EVENTS, 2
        asked.cases = _SMOKE_EVENTS
    try:
        found = asyncio.run(_run(asked))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    if asked.json:
        print(json.dumps(found))
    return 0


async def _run(asked: argparse.Namespace) -> dict[str, float]:
    parts = [asked.only] if asked.only else list(PARTS)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="detractor-worker-bench-") as folder:
        async with EmbeddedKafka(progress=_say, data_dir=Path(folder)) as kafka:
            environment = Environment(kafka.bootstrap_servers, Path(folder) / "log", _others(asked.java), _say)
            if "throughput" in parts:
                found |= _throughput(await throughput.run(environment, asked.events, asked.runs))
            if "latency" in parts:
                delays = await latency.run(environment, 2 if asked.smoke else _LATENCY_SECONDS)
                alerts, mails = delays[_RATE]
                found |= {"alert_p50_ms": alerts.p50, "alert_p99_ms": alerts.p99, "mail_p99_ms": mails.p99}
            if "rates" in parts:
                plan = rates.Plan(asked.rates, asked.seconds, asked.notify, asked.full_only, asked.scrape, asked.leaves)
                found |= await rates.run(environment, kafka.pid, plan)
            if "recovery" in parts:
                ready = await recovery.run(environment, asked.customers)
                found |= {f"ready_{how}_s": each.seconds for how, each in ready.items()}
                found["rss_1m_mb"] = ready["clean"].mb
                found |= await recovery.stores(environment, asked.customers)
            if "cases" in parts:
                ready = await recovery.cases(environment, asked.cases)
                found |= {f"cases_ready_{how}_s": each.seconds for how, each in ready.items()}
            if "growth" in parts:
                share = 0.02 if asked.smoke else 1.0
                customers, segments = await growth.run(environment, min(asked.events, 400_000), share=share)
                found |= {"growth_customers": growth.ratio(customers), "growth_segments": growth.ratio(segments)}
    return {name: round(value, 4) for name, value in found.items()}


def _others(java: str | None) -> dict[str, list[str]]:
    found = {}
    if _QUIX.exists():
        found[QUIX.key] = measure.module(QUIX.name, str(_QUIX))
    if java is not None:
        jars = os.pathsep.join([class_path(_say), class_path(_say, _STREAMS.with_name("streams.lock"))])
        found[STREAMS.key] = [java, "-Xmx512m", "-cp", jars, str(_STREAMS)]
    return found


def _throughput(runs: dict[str, list[Figures]]) -> dict[str, float]:
    medians = {key: throughput.median(figures) for key, figures in runs.items()}
    print(throughput.table(medians))
    rates = {f"{key}_eps": medians[key].eps for key in ("full", "reduced", "quix") if key in medians}
    return {f"{key}_us": figures.cpu_us for key, figures in medians.items()} | rates


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
