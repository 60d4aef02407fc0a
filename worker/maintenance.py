"""What an operator has done to the worker's topics while no worker runs: commands that change who may go on, and where.

Each refuses while somebody of the groups concerned is alive, and may be repeated.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient

from worker.errors import StillRunning, TopicsUnfit
from worker.settings import Settings
from worker.streams import groups, ownership, topics
from worker.streams.connection import client_options
from worker.streams.reach import reach


async def take_over(settings: Settings) -> str:
    """Make `kafka.group` the owner of the topics; return what was done, in one line.

    Raise StillRunning if the owner has workers, TopicsUnfit if nobody owns the topics, and Unreachable, Refused or
    KafkaError if Kafka does not answer.
    """
    topic, group = topics.ownership_topic(settings), settings.kafka.group
    async with _admin(settings) as admin:
        if topic not in await admin.list_topics():
            raise TopicsUnfit(f"{topic} is not there: nobody owns {settings.topic_prefix}.*; simply start the worker")
        owner = await ownership.owner_of(settings.kafka, topic)
        if owner is None or owner.claim.group == group:
            await ownership.claim(settings.kafka, topic)
            return f"{group} owns {settings.topic_prefix}.*"
        await _check_stopped(admin, owner.claim.group)
        claim = await ownership.take_over(settings.kafka, topic, owner)
        return f"{claim.group} owns {settings.topic_prefix}.* now; {owner.claim.group} did before"


async def _check_stopped(admin: AIOKafkaAdminClient, group: str, roles: Iterable[str] = topics.TABLES) -> None:
    """Raise StillRunning if a role's consumer group has members."""
    running = await groups.with_members(admin, [topics.group_id(group, role) for role in roles])
    if running:
        raise StillRunning(
            f"{' and '.join(running)} still has workers: stop them first (one that was killed counts until its "
            "session has expired, see kafka.session_timeout_seconds)"
        )


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    await reach(settings.kafka)
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
