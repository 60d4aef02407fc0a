"""Giving commands about alerts."""

from collections.abc import Sequence
from typing import Any

from schemas.alert_command_result import AlertCommandResult
from worker.kafka.asking import Topics, ask_all
from worker.settings import KafkaSettings


async def give(
    kafka: KafkaSettings, topics: Topics, command: dict[str, Any], seconds: float
) -> AlertCommandResult | None:
    """Write a command, and return its answer; None if there is no answer after so many seconds.

    Raise what `ask` raises.
    """
    return (await give_all(kafka, topics, [command], seconds)).get(command["command_id"])


async def give_all(
    kafka: KafkaSettings, topics: Topics, commands: Sequence[dict[str, Any]], seconds: float
) -> dict[str, AlertCommandResult]:
    """Write commands, and return the answers that come within so many seconds, by the ids of the commands.

    Raise what `ask` raises.
    """
    keyed = [(str(command["customer_id"]).encode(), command) for command in commands]
    return await ask_all(kafka, topics, keyed, seconds, AlertCommandResult.model_validate_json)
