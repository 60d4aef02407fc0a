"""What probes are told in each state of a worker."""

from types import SimpleNamespace
from typing import Any

from worker.metrics.probes import Probes


def states(probes: Probes) -> tuple[bool, bool, bool]:
    """Return whether it is alive, ready, and started."""
    return probes.live().fine, probes.readiness().fine, probes.startup().fine


def test_a_worker_that_waits_for_kafka_is_alive_and_not_ready() -> None:
    probes = Probes()
    assert states(probes) == (True, False, False)
    assert probes.readiness().text == "waiting for Kafka"


def test_a_worker_has_started_once_it_was_ready_for_the_first_time() -> None:
    worker: Any = SimpleNamespace(ready=False, is_failing=False, is_stopping=False)
    probes = Probes()
    probes.watch(worker)
    assert states(probes) == (True, False, False)
    assert probes.readiness().text == "starting, or its group is rebalancing"

    worker.ready = True
    assert states(probes) == (True, True, True)
    assert probes.readiness().text == "ok"

    worker.ready = False
    assert states(probes) == (True, False, True)


def test_a_worker_that_stops_is_not_ready_and_one_that_has_failed_is_not_alive() -> None:
    worker: Any = SimpleNamespace(ready=True, is_failing=False, is_stopping=True)
    probes = Probes()
    probes.watch(worker)
    assert states(probes) == (True, False, False)
    assert probes.readiness().text == "stopping"

    worker.is_failing = True
    assert states(probes) == (False, False, False)
    assert probes.live().text == "a failure ends this process; its log says why"
