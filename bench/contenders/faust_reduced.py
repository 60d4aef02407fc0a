"""The peers' job on Faust, as its guide writes it: one event after the other."""

import functools
import json
import os
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import faust

from bench.contenders.task import Meter, Task, given
from schemas.response import Response

_validate = Response.__pydantic_validator__.validate_json


def make(task: Task) -> faust.App:
    """Return an app with Faust's defaults, but for memory tables and the topic's partitions."""
    return faust.App(
        task.name,
        broker=f"kafka://{task.kafka}",
        store="memory://",
        topic_partitions=task.partitions,
        topic_disable_leader=True,
        web_enabled=False,
    )


def ending(agent: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Let the process end when an agent fails: Faust would skip the event, and the last one would never be counted."""

    @functools.wraps(agent)
    async def run(stream: Any) -> None:
        try:
            await agent(stream)
        except Exception:  # noqa: BLE001 - said, and the end of the process
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)

    return run


def start(app: faust.App) -> None:
    """Be `faust worker`."""
    sys.argv = [sys.argv[0], "worker", "--loglevel", "error", "--without-web"]
    app.main()


def main(task: Task) -> None:
    """Run until every response is counted."""
    app, meter = make(task), Meter()
    source = app.topic(task.topic, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")
    alerts = app.topic(f"{task.name}.alerts", partitions=task.partitions)
    last: Any = app.Table("segments", default=list, partitions=task.partitions, use_partitioner=True)
    seen = 0

    @app.agent(source)
    @ending
    async def count(stream: Any) -> None:
        nonlocal seen
        async for value in stream:
            meter.begin()
            response = _validate(value)
            segment = "/".join(response.segment)
            last[segment] = [*last[segment], response.score][-100:]
            if response.score <= 6:
                alert = {"id": response.response_id, "segment": response.segment}
                await alerts.send(key=segment, value=json.dumps(alert))
            seen += 1
            if seen >= task.events:
                meter.end(seen)
                os._exit(0)

    start(app)


if __name__ == "__main__":
    main(given())
