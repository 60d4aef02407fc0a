"""The spans of a process, from before its services are made until they have stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from worker.kafka.topics import topic_name
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.tracing.spans import Spans

#: How long the export of the last spans may take, in seconds. A process ends two seconds after its stop at the latest.
_LAST_SECONDS = 1.5


@asynccontextmanager
async def traced(settings: Settings) -> AsyncIterator["Spans | None"]:
    """Return what makes the spans of a process; None if tracing is switched off. Export the last ones at the end."""
    if not settings.tracing.enabled:
        yield None
        return
    # Nothing of OpenTelemetry is imported unless it is asked for, and it may not be installed.
    from worker.tracing.exporting import Exporting, named_exporter  # noqa: PLC0415
    from worker.tracing.spans import Spans  # noqa: PLC0415

    exporting = Exporting(named_exporter())
    try:
        yield Spans(exporting.provider, settings.kafka.group, partial(topic_name, settings.topic_prefix))
    finally:
        await asyncio.to_thread(exporting.stop, _LAST_SECONDS)
