"""The worker's shell with the peers' job: validate, the last 100 scores of each segment durably, alerts for 0 to 6."""

import asyncio

import msgspec

from bench.contenders.full import LOOK_SECONDS, settings_for
from bench.contenders.task import Meter, Task, given
from worker.app import on_event_loop
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import Decided, Output, Record
from worker.flow.responses.intake import validate
from worker.kafka import topics
from worker.kafka.rows import PartitionState
from worker.lineage import segment_path
from worker.nps.histogram import PASSIVE_FROM
from worker.streams.checkpoint import Checkpoint
from worker.streams.shell import Shell

_LAST = 100
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[int]).decode


async def main(task: Task) -> None:
    """Run until every response is counted."""
    meter, settings = Meter(), settings_for(task)
    shell = Shell(settings, "process", await topics.ensure(settings))
    seen, decided_all = 0, asyncio.Event()

    def decide(records: list[Record], _number: int, partition: PartitionState) -> Decided:
        nonlocal seen
        seen += len(records)
        if seen >= task.events:
            decided_all.set()
        outputs: list[Output] = []
        scores: dict[bytes, list[int]] = {}
        for record in records:
            try:
                response, _ = validate(record, settings.policy.intake)
            except Rejected:
                continue
            segment = segment_path(response.segment).encode()
            last = scores.get(segment)
            if last is None:
                row = partition.rows.get(segment)
                last = scores[segment] = [] if row is None else _unpack(row)
            last.append(response.score)
            if response.score < PASSIVE_FROM:
                alert = _encode({"id": response.response_id, "segment": response.segment})
                outputs.append(Output(events.ALERTS, segment, alert))
        rows: dict[bytes, bytes | None] = {segment: _pack(last[-_LAST:]) for segment, last in scores.items()}
        return Decided(outputs, rows, {})

    shell.agent(events.RESPONSES, shell.table(topics.SEGMENTS), decide, checkpoint=Checkpoint())
    await shell.start()
    try:
        while not shell.ready:  # noqa: ASYNC110 - it raises no event
            await asyncio.sleep(LOOK_SECONDS)
        meter.begin()
        await decided_all.wait()  # looking for the end all the while would be a part of what is measured
        while (done := sum(shell.consumer.due(task.topic).values())) < task.events:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(LOOK_SECONDS)
        meter.end(done)
    finally:
        await shell.stop()


if __name__ == "__main__":
    on_event_loop(main(given()))
