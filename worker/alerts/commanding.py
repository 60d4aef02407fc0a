"""Giving a command about an alert."""

from typing import Any

from schemas.alert_command_result import AlertCommandResult
from worker.kafka.asking import Topics, ask
from worker.settings import KafkaSettings


async def give(
    kafka: KafkaSettings, topics: Topics, command: dict[str, Any], seconds: float
) -> AlertCommandResult | None:
    """Write a command, and return its answer; None if there is no answer after so many seconds.

    Raise what `ask` raises.
    """
    key = str(command["customer_id"]).encode()
    return await ask(kafka, topics, key, command, seconds, AlertCommandResult.model_validate_json)
