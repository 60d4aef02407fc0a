"""A warning when records wait behind a transaction that a publisher has begun and not ended.

Kafka gives a reader of committed records nothing that lies behind an open transaction, whoever wrote it. It ends a
transaction by itself after the publisher's `transaction.timeout.ms`, which may be 15 minutes with a broker's defaults.
The worker can only say what it waits for: without that, alerts would be late for no visible reason.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from faust.types import TP

from worker.logs import counted

log = logging.getLogger(__name__)

_EVERY_SECONDS = 60.0


class Known(NamedTuple):
    """What Kafka said with the last records of a partition that it gave, or with the last answer that it had none."""

    #: The offset up to which every transaction was ended: what lies behind it is not given.
    stable: int
    #: The offset that the next record was going to have.
    end: int
    #: When that was, in ms.
    at: int


class OpenTransactions:
    """Warns of each partition in which the same transaction was open in two looks that follow each other."""

    def __init__(self, known: Callable[[], Mapping[TP, Known]]) -> None:
        self._known = known
        self._held: dict[TP, Known] = {}

    def look(self) -> None:
        """Compare what is known of each partition with what was known at the last look."""
        held = {tp: known for tp, known in self._known().items() if known.stable < known.end}
        for tp, known in held.items():
            before = self._held.get(tp)
            # Without a newer answer nobody knows whether the transaction is still open.
            if before is not None and before.stable == known.stable and before.at < known.at:
                log.warning(
                    "%s, partition %d: a publisher's transaction has been open for a minute or longer; %s behind "
                    "offset %d wait for its end. Kafka ends it after the publisher's transaction.timeout.ms",
                    tp.topic,
                    tp.partition,
                    counted(known.end - known.stable, "record"),
                    known.stable,
                )
        self._held = held

    async def report(self) -> None:
        """Look every minute, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.look()
