"""The figures about silences: a stop is found, as soon after a closure as without, and a closure alone is none."""

from bench.detector.silences import WORLDS, Stop, by_day, delay, in_office_hours
from bench.detector.tree import Tree


def test_a_stop_is_found_as_soon_after_a_closure() -> None:
    alone, closed = (delay(Stop("leaf", 10.0, days, by_day), 1) for days in (0, 21))

    assert 0 < closed <= 1.5 * alone < 5


def test_the_figures_are_the_same_at_each_run() -> None:
    stop = Stop("source", 10.0, 3, in_office_hours)

    assert delay(stop, 1) == delay(stop, 1)


def test_where_nothing_stops_nothing_is_silent() -> None:
    tree = Tree(WORLDS[1].leaves[:8], WORLDS[1].law, 1, every=6)

    assert not [found for found in tree.live(40) if found.step.reason == "silent"]
