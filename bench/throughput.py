"""Events per second and CPU per event: of the worker's full job, and of the reduced job in the worker and in others."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import feed, measure
from bench.contenders.faust_full import OUTPUTS, TABLES
from bench.contenders.task import Task
from bench.measure import Figures

_SOURCE = "bench.responses"


class Contender(NamedTuple):
    """A program that is measured."""

    #: Its key in the JSON.
    key: str
    #: The name of its module.
    name: str
    #: Its name in the tables.
    title: str
    #: The share of the topic's events that it reads. A slow contender reads only a part of them.
    share: float = 1.0
    #: The topics that must exist before it starts.
    topics: Sequence[str] = ("alerts",)
    #: Its tables in Faust, whose changelogs must exist before it starts. Faust makes a changelog that is missing, but
    #: its producer may not know it yet when the first row is written, and the agent then fails.
    tables: Sequence[str] = ()
    #: Whether it needs more than this Python. It is left out if that is missing.
    needs_more: bool = False

    def topics_of(self, name: str) -> list[str]:
        """Return the names of all topics that must exist before it starts as `name`."""
        return [*(f"{name}.{topic}" for topic in self.topics), *(f"{name}-{table}-changelog" for table in self.tables)]


FULL = Contender("full", "full", "the worker, full job", topics=())
REDUCED = Contender("reduced", "reduced", "the worker, reduced job", topics=())
FAUST_FULL = Contender(
    "faust_full", "faust_full", "ordinary Faust, full job", share=0.01, topics=OUTPUTS, tables=TABLES
)
QUIX = Contender("quix", "quix_reduced", "Quix Streams, reduced job", needs_more=True)
STREAMS = Contender("streams", "kafka_streams", "Kafka Streams, reduced job (Java)", needs_more=True)
CONTENDERS = (
    FULL,
    FAUST_FULL,
    REDUCED,
    QUIX,
    STREAMS,
    Contender("aiokafka", "aiokafka_reduced", "bare aiokafka, reduced job, nothing durable"),
    Contender("faust_reduced", "faust_reduced", "ordinary Faust, reduced job", share=0.1, tables=("segments",)),
)


class Environment(NamedTuple):
    """What every measurement needs."""

    #: The broker's address, as `host:port`.
    kafka: str
    #: The directory in which the broker keeps its topics.
    data: Path
    #: The commands of the contenders that need more than this Python, by the key of the contender.
    others: Mapping[str, Sequence[str]]
    #: Prints a line about what was measured.
    say: Callable[[str], None]


async def run(environment: Environment, events: int, runs: int) -> dict[str, list[Figures]]:
    """Measure each contender `runs` times on the same topic, one after the other."""
    took = await feed.publish(environment.kafka, _SOURCE, feed.Feed(events))
    environment.say(f"published {events:,} responses in {took:.1f} s")
    found: dict[str, list[Figures]] = {}
    for number in range(runs):
        for contender in CONTENDERS:
            if contender.needs_more and contender.key not in environment.others:
                continue
            figures = await once(environment, contender, Task(environment.kafka, _SOURCE, "", events), f"{number}")
            found.setdefault(contender.key, []).append(figures)
    return found


async def once(environment: Environment, contender: Contender, task: Task, suffix: str) -> Figures:
    """Measure a contender once, under names of its own."""
    name = f"{contender.name.replace('_', '-')}-{suffix}"
    if topics := contender.topics_of(name):
        await feed.create(environment.kafka, task.partitions, *topics)
    task = task._replace(name=name, events=round(task.events * contender.share))
    command = environment.others.get(contender.key) or measure.module(contender.name)
    figures = await measure.run(contender.name, command, task, environment.data)
    environment.say(
        f"{contender.title}: {figures.eps:,.0f} events/s, {figures.cpu_us:.1f} µs CPU per event, "
        f"{figures.peak_mb:.0f} MB at most, {figures.log_bytes:.0f} changelog bytes per event"
    )
    return figures


def median(figures: Sequence[Figures]) -> Figures:
    """Return the median of each figure."""
    return Figures(*(statistics.median(column) for column in zip(*figures, strict=True)))


def table(medians: Mapping[str, Figures]) -> str:
    """Return a table of what each contender took, in Markdown.

    It also says how many times as much CPU a contender took as the worker's full job.
    """
    lines = [
        "| | events/s | CPU µs/event | of the full job | peak MB | changelog bytes/event |",
        "|---|---|---|---|---|---|",
    ]
    for contender in CONTENDERS:
        if contender.key in medians:
            found = medians[contender.key]
            times = found.cpu_us / medians[FULL.key].cpu_us
            lines.append(
                f"| {contender.title} | {found.eps:,.0f} | {found.cpu_us:.1f} | {times:.2f} × | {found.peak_mb:.0f} | "
                f"{found.log_bytes:.0f} |"
            )
    return "\n".join(lines)
