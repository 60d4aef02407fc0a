"""How long records gather goes by how busy the process is."""

import pytest

from worker.streams.gathering import Gathering


@pytest.mark.parametrize(
    ("cpu", "seconds"), [(0.0, 0.0), (0.04, 0.0), (0.05, 0.0), (0.125, 0.01), (0.2, 0.02), (1.0, 0.02), (1.9, 0.02)]
)
def test_nothing_gathers_while_there_is_time_and_more_as_there_is_less(cpu: float, seconds: float) -> None:
    took, now = [5.0], [100.0]
    gathering = Gathering(lambda: took[0], lambda: now[0])
    took[0], now[0] = 5.0 + cpu, 101.0

    assert gathering.seconds() == pytest.approx(seconds)


def test_the_share_is_looked_at_now_and_then() -> None:
    took, now = [0.0], [0.0]
    gathering = Gathering(lambda: took[0], lambda: now[0])
    took[0], now[0] = 0.2, 0.2
    assert gathering.seconds() == 0.0  # too soon to say
    took[0], now[0] = 1.0, 1.0
    assert gathering.seconds() == 0.02
    now[0] = 1.2
    assert gathering.seconds() == 0.02
    now[0] = 2.0
    assert gathering.seconds() == 0.0
