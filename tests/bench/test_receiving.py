"""The measurement of the receiver runs, and each delivery is acknowledged; how fast that is, is not asked here."""

import pytest

from bench import receiving


@pytest.mark.thorough
async def test_each_delivery_of_the_measurement_is_acknowledged_and_on_kafka() -> None:
    found = await receiving.run(rate=50, seconds=2, connections=8)

    assert found.delays.n == 100
    assert 0 < found.delays.p50 <= found.delays.p99 <= found.delays.most
    assert found.receiver_us > 0
