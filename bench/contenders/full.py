"""The worker's full job, as `python -m worker run --role process` does it: decisions, tables, windows, all events."""

import asyncio
import os

from bench.contenders.task import Meter, Task, given
from worker.app import calm_collector, on_event_loop, running
from worker.demo.backlog import Backlog
from worker.flow import events
from worker.kafka import topics
from worker.roles import process
from worker.routing.service_level import EscalationStep, ServiceLevel
from worker.routing.tree import RootRoute
from worker.settings import KafkaSettings, Settings
from worker.streams.shell import Shell

LOOK_SECONDS = 0.005
#: Set, each case has time limits.
TIMED = "BENCH_TIMED"
_TIMES = ServiceLevel(
    acknowledge_within_minutes=240,
    remind_before_minutes=60,
    resolve_within_hours=24,
    escalation=[EscalationStep(receivers=["team-lead"]), EscalationStep(receivers=["director"], after_minutes=60)],
)
_ASK_SECONDS = 0.1


def settings_for(task: Task) -> Settings:
    """Return the worker's defaults, with names of the task's own and the topic that all contenders read."""
    own_name = topics.topic_name

    def topic_name(prefix: str, topic: str) -> str:
        return task.topic if topic == events.RESPONSES else own_name(prefix, topic)

    topics.topic_name = topic_name
    kafka = KafkaSettings(bootstrap_servers=task.kafka, group=task.name, partitions=task.partitions)
    settings = Settings.model_construct(topic_prefix=task.name, kafka=kafka)
    if TIMED not in os.environ:
        return settings
    return settings.model_copy(
        update={"service_levels": {"standard": _TIMES}, "route": RootRoute(service_level="standard")}
    )


async def main(task: Task) -> None:
    """Run until every response and every tally is counted."""
    calm_collector()
    meter = Meter()
    settings = settings_for(task)
    async with running(settings, "process") as worker, Backlog(settings, worker) as backlog:
        consumer = worker.of(Shell)[process.ROLE].consumer
        while not worker.ready or sum(consumer.due(task.topic).values()) < task.before:  # noqa: ASYNC110 - no event
            await asyncio.sleep(LOOK_SECONDS)
        meter.begin()
        done = sum(consumer.due(task.topic).values())
        while await backlog.behind() != 0:  # noqa: ASYNC110 - the broker raises none
            await asyncio.sleep(_ASK_SECONDS)
        meter.end(sum(consumer.due(task.topic).values()) - done)


if __name__ == "__main__":
    on_event_loop(main(given()))
