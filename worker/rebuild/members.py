"""The members of consumer groups: a rebuild waits until a group has no workers, and ends with an error if some stay."""

import asyncio
from collections.abc import Collection

from aiokafka.admin import AIOKafkaAdminClient

from worker.errors import StillRunning
from worker.kafka import groups
from worker.kafka.connection import client_options
from worker.rebuild.progress import Say
from worker.settings import KafkaSettings

#: How often the groups are checked, in seconds.
_CHECK_SECONDS = 0.5
#: How much longer than the session timeout a member may stay, in seconds.
_BEYOND_SECONDS = 5.0


async def wait_until_none(kafka: KafkaSettings, group_ids: Collection[str], say: Say) -> None:
    """Return once the groups have no members. A worker that was killed is a member until its session has expired.

    Raise StillRunning if members stay, KafkaError if Kafka does not answer.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + kafka.session_timeout_seconds + _BEYOND_SECONDS
    is_reported = False
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        while running := await groups.with_members(admin, sorted(group_ids)):
            if loop.time() > deadline:
                raise StillRunning(
                    f"workers are still running in {' and '.join(running)}: stop all of them, then run this again"
                )
            if not is_reported:
                is_reported = True
                say(f"workers are still running in {' and '.join(running)}; the rebuild waits until they have left")
            await asyncio.sleep(_CHECK_SECONDS)
    finally:
        await admin.close()
