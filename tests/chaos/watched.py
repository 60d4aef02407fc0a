"""What is watched over, decided anew from the hours' topic: a record at a time, and never cut off."""

from collections.abc import Iterable
from typing import NamedTuple, cast

from aiokafka import ConsumerRecord

from worker.flow import events
from worker.flow.batch import Record
from worker.flow.incidents import road as watching
from worker.flow.policy import IncidentPolicy


class Watched(NamedTuple):
    """The rows, and the steps of incidents by their ids."""

    rows: dict[bytes, bytes]
    incidents: dict[str, bytes]


def replayed(hours: Iterable["ConsumerRecord[bytes, bytes]"], partitions: int) -> Watched:
    """Return what must have come of the hours that so many partitions of segments told."""
    rows: dict[bytes, bytes] = {}
    incidents: dict[str, bytes] = {}
    for record in hours:
        decided = watching.watch([cast(Record, record)], rows, partitions, lambda _: 0, IncidentPolicy())
        while decided.rest is not None:
            decided = decided.rest()
        for key, row in decided.rows.items():
            if row is None:
                rows.pop(key, None)
            else:
                rows[key] = row
        for output in decided.outputs:
            if output.topic == events.ALERTS:
                event_id = dict(output.headers)["ce_id"]
                assert output.value is not None
                assert event_id is not None
                incidents[event_id.decode()] = output.value
    return Watched(rows, incidents)
