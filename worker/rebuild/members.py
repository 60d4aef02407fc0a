"""Whether a consumer group has workers: a rebuild waits until it has none, and refuses if some stay."""

import asyncio
from collections.abc import Collection

from aiokafka.admin import AIOKafkaAdminClient

from worker.errors import StillRunning
from worker.kafka import groups
from worker.kafka.connection import client_options
from worker.rebuild.progress import Say
from worker.settings import KafkaSettings

#: How often the groups are looked at, in seconds; and how long beyond a session's time-out a member may stay.
_LOOK_SECONDS = 0.5
_BEYOND_SECONDS = 5.0


async def gone(kafka: KafkaSettings, of: Collection[str], say: Say) -> None:
    """Return once the groups have no members. A worker that was killed stays one until its session has expired.

    Raise StillRunning if members stay, KafkaError if Kafka does not answer.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + kafka.session_timeout_seconds + _BEYOND_SECONDS
    was_said = False
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        while running := await groups.with_members(admin, sorted(of)):
            if loop.time() > deadline:
                raise StillRunning(
                    f"workers are still running in {' and '.join(running)}: stop all of them, then run this again"
                )
            if not was_said:
                was_said = True
                say(f"workers are still running in {' and '.join(running)}; the rebuild waits until they have left")
            await asyncio.sleep(_LOOK_SECONDS)
    finally:
        await admin.close()
