"""The one principle: outputs, then state, then offset. Every batch of every agent goes down `carry`.

A crash anywhere replays the batch, from the old state, with the same decisions and the same ids:

- before the outputs are acknowledged: they may be there, some of them; they are sent again;
- after, before the rows are: the same again; receivers drop what they have by its id;
- rows partly there: the row of a customer or segment says up to which offset it stands, and the rest is decided again;
- rows there, offset not committed: the head row says so, and nothing is done twice.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from faust.types import Message

from worker.flow.outbox import Output
from worker.flow.record import Record
from worker.flow.road import Decided
from worker.streams.lease import lease_holds
from worker.streams.ordered import Fetched, OrderedConsumer
from worker.streams.rows import Head, Partition
from worker.streams.sending import Sendable, Sender
from worker.streams.table import DurableTable

#: Decide records of a partition, given its number and its rows.
Decide = Callable[[list[Record], int, Partition], Decided]
#: Say which partition of a topic an output belongs to, given the partition it was decided in.
Place = Callable[[Output, int], int]


class Lane(NamedTuple):
    """Where the batches of one topic go: how they are decided, and which table their state is in.

    `consumer` is looked up at use, since Faust makes it after the agents are declared; `topic_name` gives an output's
    full topic. A table belongs to one lane: were there two, a crash could let them be read in another order than
    before, and a batch be decided twice, on different rows.
    """

    consumer: Callable[[], OrderedConsumer]
    sender: Sender
    table: DurableTable
    decide: Decide
    place: Place
    topic_name: Callable[[str], str]
    lease_seconds: float

    async def carry(self, message: Message) -> None:
        """Carry one batch all the way. Raise StateNotDurable if the broker does not acknowledge."""
        batch: Fetched = message.value  # type: ignore[assignment]
        number, consumer = batch.tp.partition, self.consumer()
        try:
            async with self.table.lock(number):
                await self._carry(batch, number, consumer)
        finally:
            consumer.release(message)

    async def _carry(self, batch: Fetched, number: int, consumer: OrderedConsumer) -> None:
        due = consumer.admit(batch)
        if not due:
            return
        partition = self.table.partition(number)
        head = partition.head
        records = [record for record in due if record.offset > head.mark]
        decided = self.decide(records, number, partition)
        await self._send(decided.outputs, number)
        if await lease_holds(consumer, batch.generation, self.lease_seconds):
            head = Head(max(head.mark, due[-1].offset), {**head.sent_on, **decided.sent_on})
            if await self.table.write(number, decided.rows, head, partial(consumer.holds, batch.generation)):
                consumer.done(batch)

    async def _send(self, outputs: list[Output], number: int) -> None:
        by_place: dict[tuple[str, int], list[Sendable]] = defaultdict(list)
        for output in outputs:
            place = self.topic_name(output.topic), self.place(output, number)
            by_place[place].append((output.key, output.value, output.headers, output.timestamp))
        await self.sender.send((topic, partition, records) for (topic, partition), records in by_place.items())
