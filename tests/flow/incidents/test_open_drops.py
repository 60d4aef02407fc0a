"""How open incidents move, grow and become part of each other, while their ids and keys stay."""

import msgspec
import pytest

from schemas.alert import Severity
from schemas.incident import IncidentReason
from worker.detect.watch import OpenIncident, Watch
from worker.flow.incidents.open_drops import Merged, OpenDrops

HOUR = 480_000


class Table:
    """The watches of a small tree."""

    def __init__(self, **drops: OpenIncident) -> None:
        paths = ["", "fr", "fr/a", "fr/b", "fr/c", "uk"]
        self.watches = {path: Watch() for path in paths}
        for path, drop in drops.items():
            self.watches[path.replace("_", "/")].drop = drop
        self.changed: set[str] = set()

    def put(self, path: str, watch: Watch | None) -> None:
        assert watch is self.watches[path]
        self.changed.add(path)

    def at(self, hour: int) -> OpenDrops:
        drops = OpenDrops(self, self.watches, hour)
        for path, watch in self.watches.items():
            if watch.drop is not None:
                drops.note(path, watch.drop)
        return drops

    def open(self) -> dict[str, OpenIncident]:
        return {path: watch.drop for path, watch in self.watches.items() if watch.drop is not None}


def opened(since: int = HOUR - 10, hour: int = HOUR, severity: Severity = Severity.WARNING) -> OpenIncident:
    return OpenIncident(hour, since, severity)


def test_siblings_that_fell_at_about_the_same_time_are_one_incident() -> None:
    table = Table(fr_a=opened())
    drops = table.at(HOUR + 5)

    assert drops.sibling("fr/b", HOUR) == "fr/a"
    assert drops.sibling("fr/b", HOUR - 10 - 73) is None
    assert drops.sibling("uk", HOUR) is None
    drops.join("fr/a", "fr/b", Severity.ERROR, is_mix=False)

    assert drops.steps == {"fr/a": IncidentReason.WIDER}
    assert table.open() == {"fr/a": OpenIncident(HOUR, HOUR - 10, Severity.ERROR, updated=HOUR + 5, also=["fr/b"])}
    assert table.at(HOUR + 6).at("fr/b") == table.watches["fr/a"].drop
    assert table.watches["fr/b"].detector.open_size is not None
    assert table.changed == {"fr/a", "fr/b"}


def test_if_the_segment_above_explains_them_the_oldest_incident_moves_and_the_others_are_part_of_it() -> None:
    older, younger = opened(severity=Severity.ERROR), opened(hour=HOUR + 3)
    table = Table(fr_a=younger, fr_b=older)
    drops = table.at(HOUR + 5)
    drops.widen("fr", drops.begun_with("fr", HOUR), Severity.WARNING, HOUR - 12)

    moved = OpenIncident(HOUR, HOUR - 12, Severity.ERROR, first_segment="fr/b", updated=HOUR + 5, merged=["fr/a"])
    assert table.open() == {"fr": moved}
    assert drops.steps == {"fr": IncidentReason.WIDER}
    assert drops.merged == [Merged("fr/a", younger, ("fr/b", HOUR))]
    assert drops.other_incident(drops.merged[0]) == ("fr", moved)


def test_an_incident_is_as_severe_as_the_worst_of_its_parts_and_knows_all_their_segments() -> None:
    joined = msgspec.structs.replace(opened(hour=HOUR + 3, severity=Severity.CRITICAL), also=["fr/c"], merged=["uk"])
    table = Table(fr_a=joined, fr_b=msgspec.structs.replace(opened(), merged=["uk"]))
    drops = table.at(HOUR + 5)
    drops.widen("fr", drops.begun_with("fr", HOUR), Severity.WARNING, HOUR - 12)

    (found,) = table.open().values()
    assert found.severity is Severity.CRITICAL
    assert found.merged == ["uk", "fr/a", "fr/c"]


def test_an_incident_that_was_merged_twice_in_an_hour_is_part_of_the_last_one() -> None:
    older, younger = opened(hour=HOUR - 4), opened(hour=HOUR - 3)
    table = Table(fr_a=younger, fr_b=older, uk=opened(hour=HOUR - 9))
    drops = table.at(HOUR + 5)
    drops.widen("fr", drops.begun_with("fr", HOUR), Severity.WARNING, HOUR - 12)
    drops.widen("", drops.begun_with("", HOUR), Severity.WARNING, HOUR - 12)

    assert [(one.path, drops.other_incident(one)) for one in drops.merged] == [
        ("fr/a", ("", table.watches[""].drop)),
        ("fr", ("", table.watches[""].drop)),
    ]
    assert table.open()[""].merged == ["fr", "fr/a"]
    drops.end("")
    assert drops.other_incident(drops.merged[0]) is None


def test_an_incident_that_is_opened_and_merged_in_one_hour_leaves_no_trace() -> None:
    table = Table(fr_b=opened(hour=HOUR - 4))
    drops = table.at(HOUR)
    drops.open("fr/a", opened())
    drops.widen("fr", drops.begun_with("fr", HOUR), Severity.WARNING, HOUR)

    assert drops.merged == []
    assert table.open()["fr"].merged == []


def test_an_incident_that_moves_again_keeps_its_first_segment() -> None:
    table = Table(fr=msgspec.structs.replace(opened(), first_segment="fr/b", updated=HOUR + 1))
    drops = table.at(HOUR + 30)
    drops.move("fr", "fr/c", ["fr/b"], IncidentReason.DEEPER, Severity.WARNING, HOUR - 10)

    (found,) = table.open().values()
    assert (found.first_segment, found.also, found.explains) == ("fr/b", ["fr/b"], ["fr"])
    assert drops.steps == {"fr/c": IncidentReason.DEEPER}


def test_what_happens_in_the_hour_of_the_opening_is_part_of_the_opening() -> None:
    table = Table()
    drops = table.at(HOUR)
    drops.open("fr/a", opened())
    drops.join("fr/a", "fr/b", Severity.WARNING, is_mix=False)
    drops.widen("fr", drops.begun_with("fr", HOUR), Severity.WARNING, HOUR)

    assert drops.steps == {"fr": IncidentReason.NPS_FELL}
    assert table.open()["fr"].first_segment is None
    assert table.open()["fr"].updated == 0


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_it_is_opened_as_a_changed_mix_only_if_that_is_true_of_all_its_segments(*, first: bool, second: bool) -> None:
    table = Table()
    drops = table.at(HOUR)
    drops.open("fr/a", msgspec.structs.replace(opened(), is_mix=first))
    drops.join("fr/a", "fr/b", Severity.WARNING, is_mix=second)

    is_mix = first and second
    assert table.open()["fr/a"].is_mix is is_mix
    assert drops.steps == {"fr/a": IncidentReason.MIX_CHANGED if is_mix else IncidentReason.NPS_FELL}


@pytest.mark.parametrize(("hours", "may"), [(0, False), (1, False), (23, False), (24, True)])
def test_an_incident_is_updated_once_a_day(hours: int, *, may: bool) -> None:
    updated = msgspec.structs.replace(opened(hour=HOUR - 100), updated=HOUR + 50)

    assert Table().at(HOUR + 50 + hours).may_change(updated) is may
    assert Table().at(HOUR + 1).may_change(opened())


def test_a_segment_that_has_recovered_leaves_its_incident() -> None:
    table = Table(fr_a=msgspec.structs.replace(opened(), also=["fr/b", "fr/c"]))
    drops = table.at(HOUR + 5)
    drops.leave("fr/b")
    drops.leave("uk")

    assert table.open()["fr/a"].also == ["fr/c"]
    assert drops.at("fr/b") is None
    assert drops.place_of("fr/c") == "fr/a"


def test_an_incident_that_is_more_severe_is_updated_where_it_is() -> None:
    table = Table(fr_a=opened())
    drops = table.at(HOUR + 30)
    drops.worsen("fr/a", opened(), Severity.CRITICAL)

    assert table.open() == {"fr/a": OpenIncident(HOUR, HOUR - 10, Severity.CRITICAL, updated=HOUR + 30)}
    assert drops.steps == {"fr/a": IncidentReason.WORSE}


def test_when_its_first_segment_has_recovered_it_is_about_the_others() -> None:
    table = Table(fr_a=msgspec.structs.replace(opened(), also=["fr/b", "fr/c"]))
    drops = table.at(HOUR + 30)
    drops.move("fr/a", "fr/b", ["fr/c"], IncidentReason.PARTLY_RECOVERED, Severity.WARNING, HOUR - 10)

    left = OpenIncident(HOUR, HOUR - 10, Severity.WARNING, first_segment="fr/a", updated=HOUR + 30, also=["fr/c"])
    assert table.open() == {"fr/b": left}
    assert drops.steps == {"fr/b": IncidentReason.PARTLY_RECOVERED}
    assert drops.place_of("fr/a") is None
    assert drops.place_of("fr/c") == "fr/b"


def test_an_incident_that_is_over_or_unknown_does_not_change() -> None:
    table = Table(fr_a=opened())
    drops = table.at(HOUR + 30)
    table.watches["fr/a"].drop = None
    drops.join("fr/a", "fr/b", Severity.ERROR, is_mix=False)
    drops.move("fr/a", "fr", [], IncidentReason.WIDER, Severity.ERROR, HOUR)

    assert (table.open(), drops.steps) == ({}, {})


@pytest.mark.parametrize("further", [[], [None, 0, [], False]])
def test_a_row_of_the_version_before_is_read(further: list[object]) -> None:
    row = msgspec.msgpack.encode([HOUR, HOUR - 10, "warning", ["fr"], *further])

    assert msgspec.msgpack.decode(row, type=OpenIncident) == OpenIncident(HOUR, HOUR - 10, Severity.WARNING, ["fr"])


def test_two_incidents_about_one_segment_are_an_error_of_the_worker() -> None:
    """One of them would be overwritten, and never end."""
    table = Table(fr=opened(hour=HOUR + 1), fr_a=opened(severity=Severity.ERROR))
    drops = table.at(HOUR + 30)

    with pytest.raises(ValueError, match="two incidents about one segment"):
        drops.move("fr/a", "fr", [], IncidentReason.WIDER, Severity.ERROR, HOUR)


def test_an_incident_that_was_changed_or_has_moved_is_not_current_any_more() -> None:
    table = Table(fr_a=opened(), uk=opened())
    drops = table.at(HOUR + 30)
    listed = dict(drops.all())
    assert drops.segments() == ["fr/a", "uk"]
    drops.move("fr/a", "fr/b", [], IncidentReason.DEEPER, Severity.ERROR, HOUR)
    drops.worsen("uk", listed["uk"], Severity.WARNING)

    assert [drops.is_current(path, drop) for path, drop in listed.items()] == [False, False]
    assert all(drops.is_current(path, drop) for path, drop in drops.all())


def test_an_incident_that_has_fallen_further_keeps_its_severity_at_least() -> None:
    table = Table(fr_a=opened(severity=Severity.CRITICAL))
    drops = table.at(HOUR + 30)
    drops.worsen("fr/a", opened(severity=Severity.CRITICAL), Severity.WARNING)

    assert table.open()["fr/a"].severity == Severity.CRITICAL
