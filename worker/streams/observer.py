"""Observers of a consumer, of tables and of a shell: they are called when records are read and rows change."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from time import monotonic
from typing import Protocol

from faust.types import TP, Message

from worker.flow.batch import Record
from worker.streams.sending import Sendable


class ConsumerObserver(Protocol):
    """The methods by which a consumer asks about the state made from its records, and reports what it finds."""

    def stands_at(self, tp: TP) -> int:
        """Return the offset up to which a partition's effects are durable. No higher offset may be committed."""

    async def on_state_ahead(self, tp: TP, committed: int, generation: int) -> None:
        """Note that a partition's committed offset is higher than its state, as found in this generation."""

    async def check_logs(self, starts: Mapping[TP, int], generation: int) -> Mapping[TP, int]:
        """Compare the logs of partitions with the state that was made from them; stop the worker if they differ.

        `starts`: the offsets from which the partitions are to be read. Return the first offset of those whose log
        begins after that. Raise KafkaError if Kafka does not answer.
        """

    def on_settled(self, tps: Iterable[TP]) -> None:
        """Note the partitions that this worker has, and is about to read."""

    def on_batch(self, message: Message) -> None:
        """Begin to process a batch, which is the message's value. Its `release` lets the partition's next one come."""

    async def on_flow_stopped(self) -> None:
        """Make durable what is decided: no batch is in flight, and partitions are about to go to other workers."""

    def on_failure(self, error: BaseException) -> None:
        """Note an error in the consumer, or in the recovery of the tables."""


class Spent:
    """How the time of a batch was spent, in seconds."""

    def __init__(self) -> None:
        self._began = monotonic()
        #: Computing the decision, while nothing else runs.
        self.deciding = 0.0
        #: Until Kafka had acknowledged outputs and rows.
        self.sending = 0.0

    def while_sending(self) -> "_Sending":
        """Add the time of a block, which this is the context of."""
        return _Sending(self)

    @property
    def waiting(self) -> float:
        """The rest of the time since the batch was handed out: for locks, for other batches, for a heartbeat."""
        return max(0.0, monotonic() - self._began - self.deciding - self.sending)


class _Sending:
    """Adds the time of a block. It takes a quarter of the time of a generator, and each batch has several."""

    def __init__(self, spent: Spent) -> None:
        self._spent = spent
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = monotonic()

    def __exit__(self, *_: object) -> None:
        self._spent.sending += monotonic() - self._began


class ShellObserver(Protocol):
    """The methods by which an observer learns what a role has done. Topics have their full names."""

    def on_sent(self, topic: str, records: Iterable[Sendable]) -> None:
        """Note records that Kafka has acknowledged."""

    def on_batch(self, topic: str, records: Sequence[Record], spent: Spent) -> None:
        """Note that a batch of records of a topic is decided, and its outputs are acknowledged."""

    def on_checkpoint(self, topic: str, seconds: float) -> None:
        """Note how long Kafka took to acknowledge a checkpoint of one partition of a topic."""


class ShellObservers:
    """Several observers of one shell, as one (ShellObserver)."""

    def __init__(self, observers: Sequence[ShellObserver]) -> None:
        self._observers = observers

    def on_sent(self, topic: str, records: Iterable[Sendable]) -> None:
        """Let all of them note records that Kafka has acknowledged."""
        for observer in self._observers:
            observer.on_sent(topic, records)

    def on_batch(self, topic: str, records: Sequence[Record], spent: Spent) -> None:
        """Let all of them note a batch."""
        for observer in self._observers:
            observer.on_batch(topic, records, spent)

    def on_checkpoint(self, topic: str, seconds: float) -> None:
        """Let all of them note a checkpoint."""
        for observer in self._observers:
            observer.on_checkpoint(topic, seconds)


class TableObserver:
    """The methods by which an observer learns of a table's rows (DurableTable.observe); by default they do nothing."""

    def on_rows(self, partition: int, rows: Mapping[bytes, bytes | None]) -> None:
        """Note rows of a partition: after each write the rows written, and after a take-over all rows.

        None stands for a row that was erased.
        """

    async def on_revoked(self) -> None:
        """Finish what is under way, since partitions are about to go to other workers."""

    def on_taken_over(self) -> None:
        """Note that a take-over is complete: `on_rows` was called for every partition that this worker owns."""

    def superfluous(self, rows: Mapping[bytes, bytes]) -> Iterable[bytes]:
        """Return the keys of those rows that are to be erased while their partition is taken over."""
        del rows
        return ()

    async def restate(self, partitions: Collection[int]) -> None:
        """Correct what other workers may have published about partitions that are being taken over.

        Raise KafkaError if Kafka does not answer; the method is then called again.
        """
