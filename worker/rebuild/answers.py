"""The first stage again: responses become the customers' histories and tallies. Nothing of it is published again."""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from worker.flow import outbox, road
from worker.flow.contact import Contact
from worker.flow.moved import Holders
from worker.flow.outbox import Output
from worker.flow.policy import Policy
from worker.flow.record import Record
from worker.flow.road import Batch
from worker.rebuild.records import apply

_decode = msgspec.msgpack.Decoder(Contact).decode


class Answers:
    """Decides responses as the worker did.

    `topic`: the full name of the responses topic; `home` and `secret`: as in Batch; `owner`: the partition of a key.
    `rows` and `rerouted`, by partition: the customers' rows, and what Batch has as `sent_on`.
    """

    def __init__(
        self,
        partitions: int,
        policy: Policy,
        topic: str,
        home: str,
        secret: bytes,
        owner: Callable[[bytes], int],
    ) -> None:
        self._policy = policy
        self._topic = topic
        self._home = home
        self._secret = secret
        self._owner = owner
        self.rows: list[dict[bytes, bytes]] = [{} for _ in range(partitions)]
        self._holders = [Holders(rows) for rows in self.rows]
        self.rerouted: list[Mapping[int, int]] = [{} for _ in range(partitions)]
        self._holders = [Holders(rows) for rows in self.rows]

    def take(self, partition: int, records: Iterable[Record]) -> list[Output]:
        """Decide records of a partition, in their order; return the tallies that they cause.

        Alerts, invitations, decisions and dead letters were published when the records were decided the first time.
        Records under a wrong key were sent on then; they lie on the topic a second time, under the right key.
        """
        batch = Batch(
            records,
            partition,
            self._topic,
            self._home,
            self.rerouted[partition],
            self._secret,
            holders=self._holders[partition],
        )
        rows = self.rows[partition]
        decided = road.decide(batch, self._policy, rows.get, self._owner)
        apply(rows, decided.rows)
        self.rerouted[partition] = {**self.rerouted[partition], **decided.sent_on}
        return [output for output in decided.outputs if output.topic == outbox.TALLIES]


def already_applied(records: Iterable[Record], rows: Mapping[bytes, bytes]) -> list[Record]:
    """Return the records that the customers' durable rows stand for.

    A crash can leave some rows of a batch on the changelog, and others not. The worker will not decide again what is
    in a row, so the tallies of such records are on the topic already, and never come again.
    """
    return [record for record in records if _mark(rows.get(record.key or b"")) >= record.offset]


def _mark(row: bytes | None) -> int:
    return -1 if row is None else _decode(row).mark
