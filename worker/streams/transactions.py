"""A warning about records that wait behind a transaction which a publisher has begun and not ended.

Kafka gives a reader of committed records no record behind an open transaction, not even of other publishers. It
ends a transaction by itself after the publisher's `transaction.timeout.ms`, which may be 15 minutes with a broker's
defaults. The worker can only log what it waits for; otherwise alerts would be late without a visible reason.
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
    """What Kafka has said about a partition in its last answer to a fetch."""

    #: The offset up to which every transaction has ended. Records from there on are not given to the worker yet.
    stable: int
    #: The offset of the next record that will be written.
    end: int
    #: The time of the answer, in ms.
    at: int


class OpenTransactions:
    """Warns of each partition in which the same transaction was open at two consecutive looks."""

    def __init__(self, known: Callable[[], Mapping[TP, Known]]) -> None:
        self._known = known
        self._held: dict[TP, Known] = {}

    def look(self) -> None:
        """Compare the state of each partition with its state at the last look, and log the warnings."""
        held = {tp: known for tp, known in self._known().items() if known.stable < known.end}
        for tp, known in held.items():
            before = self._held.get(tp)
            # Without a newer answer it is not known whether the transaction is still open.
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
