"""CPU per event of the full job, on larger tables and larger trees."""

from bench import feed, rows
from bench.contenders.task import Task
from bench.feed import Feed
from bench.measure import Figures
from bench.throughput import FULL, Environment, once

CUSTOMERS = (10_000, 100_000, 1_000_000)
SEGMENTS = (100, 1_000, 10_000)


async def run(
    environment: Environment, events: int, *, share: float = 1.0
) -> tuple[dict[int, Figures], dict[int, Figures]]:
    """Return the figures by number of customers, all of whom have answered before, and by number of segments.

    `share`: of the customers and segments, for a smoke test.
    """
    customers, segments = {}, {}
    for count in CUSTOMERS:
        known = round(count * share)
        environment.say(f"{known:,} customers:")
        customers[count] = await _measured(
            environment, Feed(known + events, customers=known, known=known), f"customers-{count}"
        )
    for count in SEGMENTS:
        leaves = max(3, round(count * share * 0.73))  # three leaves share a parent
        environment.say(f"{count:,} segments:")
        segments[count] = await _measured(environment, Feed(events, segments=leaves), f"segments-{count}")
    for rhythm, size in rows.row_bytes().items():
        environment.say(f"a segment's row after a year of {rhythm:,} answers a day: {size:,} bytes")
    return customers, segments


async def _measured(environment: Environment, wanted: Feed, name: str) -> Figures:
    topic = f"growth.{name}"
    await feed.publish(environment.kafka, topic, wanted)
    return await once(environment, FULL, Task(environment.kafka, topic, "", wanted.events, before=wanted.known), name)


def ratio(figures: dict[int, Figures]) -> float:
    """Return what an event takes at the most, compared with the least."""
    counts = sorted(figures)
    return figures[counts[-1]].cpu_us / figures[counts[0]].cpu_us
