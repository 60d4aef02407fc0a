"""A Kafka whose brokers cannot be reached by the addresses that it names, as in a container: the error says which."""

import pytest

from worker.embedded.kafka import EmbeddedKafka, free_port
from worker.errors import Unreachable
from worker.kafka.preflight import preflight
from worker.settings import KafkaSettings


async def test_brokers_that_are_named_and_cannot_be_reached_are_said() -> None:
    nobody = free_port()
    async with EmbeddedKafka(advertised_port=nobody) as kafka:
        server = f"127.0.0.1:{kafka.port}"
        with pytest.raises(Unreachable) as caught:
            await preflight(KafkaSettings(bootstrap_servers=server))

    assert f"Kafka at {server} answers, but the brokers that it names cannot be reached" in str(caught.value)
    assert f"127.0.0.1:{nobody} (the setting advertised.listeners of Kafka)" in str(caught.value)


async def test_brokers_that_can_be_reached_are_fine(kafka: EmbeddedKafka) -> None:
    await preflight(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers))
