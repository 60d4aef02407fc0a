"""A warning about notices that wait in the outbox of a channel which is not configured any more."""

import logging

from aiokafka.errors import KafkaError

from worker.kafka import changelogs, reading, topics
from worker.notify import mailbox
from worker.settings import Settings

log = logging.getLogger(__name__)


async def report_waiting(settings: Settings) -> None:
    """Log how many notices wait in each table of a further channel that has no endpoints now, if there are any."""
    for channel, outbox in topics.CHANNELS.items():
        if channel not in settings.further_channels:
            for table in (outbox, topics.PLANS_OF[outbox].table):
                await _report_waiting(settings, channel, table)


async def _report_waiting(settings: Settings, channel: str, table: str) -> None:
    group = topics.group_id(settings.kafka.group, channel)
    changelog = topics.changelog_name(settings.kafka.group, channel, table)
    try:
        async with reading.reader(settings.kafka) as reader:
            partitions = await reader.partitions(changelog)
            states = await changelogs.states(reader, changelog, partitions) if partitions else {}
    except KafkaError as error:
        # Other parts of the worker log that Kafka does not answer; this one only reports.
        log.debug("%s cannot be read: %s", changelog, type(error).__name__)
        return
    open_rows = [
        row
        for state in states.values()
        for key, row in state.rows.items()
        if mailbox.has_open(row) and not mailbox.is_digest(key)  # the notices of a digest are open as well
    ]
    waiting = sum(mail.is_open for row in open_rows for mail in mailbox.decode(row).mails)
    if waiting:
        log.warning(
            "%s.endpoints is empty, but %d notices still wait in %s, and nobody gets them. They are sent, with what "
            "has come since, once there is an endpoint again. To give them up, delete this topic and the group %s.",
            *(channel, waiting, changelog, group),
        )
