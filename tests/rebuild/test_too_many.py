"""Watches that are made again hold the incident about too many segments open if receivers believe that it is."""

import msgspec
from flow.incidents.test_too_many import NOW, OPENED, Days, usage
from flow.records import HOUR

from schemas.alert import Severity
from schemas.incident import IncidentReason
from worker.detect.watch import OpenIncident, Watch
from worker.flow.batch import Output
from worker.flow.incidents import incident
from worker.flow.incidents import road as watching
from worker.flow.incidents.too_many import TooMany
from worker.flow.policy import IncidentPolicy
from worker.nps.usage import Usage
from worker.rebuild.incidents import Incidents
from worker.rebuild.records import as_record

REPORTED = OpenIncident(NOW + 1, NOW, Severity.ERROR)
USAGES = {0: usage(100, NOW + 5), 1: usage(40)}


def step(reason: IncidentReason, hour: int) -> Output:
    return incident.too_many(incident.Step("", REPORTED, reason, hour * HOUR + 5), 140, 200)


def settled(known: TooMany, *steps: Output, usages: dict[int, Usage] = USAGES) -> TooMany:
    """Return what is known once a rebuild has followed the steps; the root's watch stays what it was."""
    recorded = Incidents()
    recorded.take([as_record(output) for output in steps])
    root = msgspec.msgpack.encode(Watch(reported_until=NOW, first_hour=NOW - 5, last_hour=NOW))
    clock = msgspec.msgpack.encode(watching.Clock({}, 0, usages, known))
    watches = {b"": root, watching.CLOCK_KEY: clock}
    recorded.finish(watches, IncidentPolicy())

    assert watches[b""] == root
    return msgspec.msgpack.decode(watches[watching.CLOCK_KEY], type=watching.Clock).too_many


def test_one_that_was_reported_is_open_under_its_id_and_its_end_is_reported() -> None:
    days = Days()
    found = TooMany(OpenIncident(NOW + 3, NOW + 2, Severity.ERROR))
    days.known = settled(found, step(IncidentReason.LEFT_OUT, NOW + 1))

    assert days.known.open_incident == REPORTED
    assert days.judge(usage(40, NOW), usage(40), hours=40) == [("resolved", "room_again")]


def test_one_that_was_reported_and_not_found_is_open() -> None:
    assert settled(TooMany(), step(IncidentReason.LEFT_OUT, NOW + 1)).open_incident == REPORTED


def test_one_that_is_over_is_not_opened_again_by_what_it_was_about() -> None:
    days = Days()
    steps = step(IncidentReason.LEFT_OUT, NOW + 1), step(IncidentReason.ROOM_AGAIN, NOW + 40)
    days.known = settled(TooMany(OpenIncident(NOW + 3, NOW + 2, Severity.ERROR)), *steps)

    assert days.judge(*USAGES.values()) == []
    assert days.judge(usage(100, NOW + 6), usage(40)) == [OPENED]


def test_one_that_was_not_reported_is_opened_by_the_next_answer_that_is_left_out() -> None:
    days = Days()
    days.known = settled(TooMany(REPORTED))

    assert days.known.open_incident is None
    assert days.judge(usage(100, NOW + 6), usage(40)) == [OPENED]
