"""The first stage again: responses become customers' rows and tallies. Nothing is published again."""

from collections.abc import Callable, Iterable, Mapping

from worker.flow import events
from worker.flow.batch import Output, Record
from worker.flow.policy import Policy
from worker.flow.responses import road
from worker.flow.responses.customer import decode_contact
from worker.flow.responses.expiry import Sweep
from worker.flow.responses.moved import Holders
from worker.flow.responses.road import Batch
from worker.rebuild.records import apply


class Answers:
    """Decides responses as the worker did.

    `topic`: the full name of the responses topic; `home`, `secret`: as in Batch; `owner`: returns the partition of a
    key. By partition there are the customers' rows, and `rerouted` and `latest_time` as in Batch.
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
        self._sweeps = [Sweep(rows) for rows in self.rows]
        self.rerouted: list[Mapping[int, int]] = [{} for _ in range(partitions)]
        self.latest_times = [0] * partitions

    def take(self, partition: int, records: Iterable[Record]) -> list[Output]:
        """Decide records of a partition, in their order. Return the tallies that they cause.

        Alerts, invitations, decisions and dead letters were published when the records were decided the first time.
        Records under a wrong key were rerouted then, so they are on the topic a second time, under the right key.
        """
        return [output for output in self.decide(partition, records) if output.topic == events.TALLIES]

    def decide(self, partition: int, records: Iterable[Record]) -> list[Output]:
        """Decide records of a partition, in their order. Return everything that they cause."""
        rows = self.rows[partition]
        batch = Batch(
            records,
            partition,
            self._topic,
            self._home,
            self.rerouted[partition],
            self._secret,
            holders=self._holders[partition],
            sweep=self._sweeps[partition],
            latest_time=self.latest_times[partition],
        )
        decided = road.decide(batch, self._policy, rows.get, self._owner)
        apply(rows, decided.rows)
        self.rerouted[partition] = {**self.rerouted[partition], **decided.rerouted}
        self.latest_times[partition] = decided.latest_time
        return decided.outputs

    def forked(self, policy: Policy) -> "Answers":
        """Return what goes on from the same rows with other settings, as a worker does after a restart."""
        other = Answers(len(self.rows), policy, self._topic, self._home, self._secret, self._owner)
        for rows, same in zip(other.rows, self.rows, strict=True):
            rows.update(same)
        other.rerouted, other.latest_times = [*self.rerouted], [*self.latest_times]
        return other


def applied_until(rows: Mapping[bytes, bytes]) -> int:
    """Return the highest offset whose record is part of any row of a partition; -1 if there are no rows.

    After a crash, some rows of a batch may be on the changelog, and others not. All tallies of this batch were on their
    topic by then, and were counted. Up to this offset, the worker will decide those records again that are part of no
    row. A segment that has counted the offset takes their tallies as replays.
    """
    return max((decode_contact(row).mark for row in rows.values()), default=-1)
