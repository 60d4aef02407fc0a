"""Tells the plans of receivers that a silence has changed because of which something waits there."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from worker.cancelling import cancel_all, raise_if_cancelled
from worker.notify import receiver_plan
from worker.notify.forwarded import SILENCE_KEY, SilenceChange, change
from worker.notify.receiver_plan import Plan
from worker.roles.silences import Silences
from worker.streams.sending import Sendable
from worker.streams.shell import Shell


class SilenceChanges:
    """Writes a message to a plan of this worker's partitions if it knows an older version of a silence.

    A message that comes twice changes nothing.
    """

    def __init__(self, shell: Shell, silences: Silences, topic: str) -> None:
        self._shell = shell
        # The topic of the plans, without the prefix.
        self._topic = topic
        self._silences = silences
        # The versions of the silences by which something waits, by partition and receiver.
        self._waiting: dict[tuple[int, str], Mapping[str, int]] = {}
        # The newest versions of silences that each of these plans was told, by partition and receiver.
        self._told: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
        self._changed = asyncio.Event()
        self._is_ending = False

    def on_plan(self, partition: int, receiver: str, plan: Plan) -> None:
        """Note by which silences something waits in a plan."""
        waiting = receiver_plan.silences_in(plan)
        # If it waits again later, a message that was sent before says nothing about that.
        told = self._told.pop((partition, receiver), {})
        if kept := {silence_id: version for silence_id, version in told.items() if silence_id in waiting}:
            self._told[partition, receiver] = kept
        if waiting:
            self._waiting[partition, receiver] = waiting
            self._changed.set()
        else:
            self._waiting.pop((partition, receiver), None)

    def forget(self) -> None:
        """Forget everything: all plans are noted again after the take-over."""
        self._waiting.clear()
        self._told.clear()

    def end(self) -> None:
        """Let `run` end once its current request to Kafka is answered."""
        self._is_ending = True
        self._changed.set()

    async def run(self) -> None:
        """Write messages until `end` is called, or until cancelled. Raise StateNotDurable if one cannot be sent."""
        self._silences.observe(lambda _: self._changed.set())
        knowing = asyncio.create_task(self._note_known())
        try:
            while not self._is_ending:
                await self._changed.wait()
                self._changed.clear()
                await self._send_due()
        finally:
            await cancel_all([knowing])

    async def _note_known(self) -> None:
        """Look at the plans again once the silences are known.

        Until then, nobody is told of a change. If the rows of the plans are taken over earlier, and a silence has ended
        while no worker was there, nothing else would say so.
        """
        await self._silences.caught_up.wait()
        self._changed.set()

    async def _send_due(self) -> None:
        messages: dict[int, list[Sendable]] = defaultdict(list)
        for partition, message in self._due():
            messages[partition].append((SILENCE_KEY, change(message), [], None))
            self._told[partition, message.receiver][message.silence_id] = message.version
        if messages:
            topic = self._shell.topic_name(self._topic)
            await self._shell.sender.send((topic, partition, some) for partition, some in messages.items())
            raise_if_cancelled()

    def _due(self) -> list[tuple[int, SilenceChange]]:
        """Return the messages that are due, with their partitions."""
        found: list[tuple[int, SilenceChange]] = []
        for (partition, receiver), waiting in self._waiting.items():
            for silence_id, version in waiting.items():
                known = self._silences.known.find(silence_id)
                told = max(version, self._told.get((partition, receiver), {}).get(silence_id, 0))
                if known is not None and known.hold.version > told:
                    found.append((partition, SilenceChange(receiver, silence_id, known.hold.version, known.hold.until)))
        return found
