"""The peers' job on Quix Streams, as its guide writes it. Runs in an environment of its own (quix.lock)."""

import os
import tempfile
from typing import Any

from quixstreams import Application, State

from bench.contenders.task import Meter, Task, given


def main(task: Task) -> None:
    """Run until every response is counted."""
    meter, seen = Meter(), 0
    app = Application(
        broker_address=task.kafka,
        consumer_group=task.name,
        auto_offset_reset="earliest",
        processing_guarantee="at-least-once",
        state_dir=tempfile.mkdtemp(),
        commit_interval=5.0,
        loglevel="ERROR",
    )
    source = app.topic(task.topic, value_deserializer="json", key_deserializer="str")
    alerts = app.topic(f"{task.name}.alerts", value_serializer="json", key_serializer="str")

    def count(response: dict[str, Any], state: State) -> dict[str, Any]:
        nonlocal seen
        meter.begin()
        seen += 1
        last = state.get("last") or []
        last.append(response["score"])
        state.set("last", last[-100:])
        if seen >= task.events:
            meter.end(seen)
            os._exit(0)
        return {"id": response["response_id"], "segment": response["segment"], "score": response["score"]}

    counted = app.dataframe(source).apply(count, stateful=True)
    counted[counted["score"] <= 6].to_topic(alerts)
    app.run()


if __name__ == "__main__":
    main(given())
