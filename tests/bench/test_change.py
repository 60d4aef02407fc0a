"""The figures about the size of a drop: a drop is found, and its interval contains it most of the time."""

from bench.detector.change import Drop, sizes


def test_the_interval_contains_the_drop_most_of_the_time() -> None:
    drop = Drop(20, 500, 5_000)
    found = sizes(drop, 10)

    assert len(found) >= 8
    assert sum(size.low <= -drop.points <= size.high for size in found) >= 0.7 * len(found)
    assert found == sizes(drop, 10)
