"""Consumer groups, seen from outside: whether anybody works in them."""

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code


async def with_members(admin: AIOKafkaAdminClient, groups: Iterable[str]) -> list[str]:
    """Return those of the groups that have members. Raise KafkaError if Kafka does not say."""
    return [group for group in groups if await _has_members(admin, group)]


async def _has_members(admin: AIOKafkaAdminClient, group: str) -> bool:
    [answer] = await admin.describe_consumer_groups([group])
    for code, _, _state, _protocol_type, _protocol, members, *_ in answer.groups:
        if code:
            raise for_code(code)(group)
        if members:
            return True
    return False
