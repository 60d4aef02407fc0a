"""The first stage again: responses become the customers' histories and tallies. Nothing of it is published again."""

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

    `topic`: the full name of the responses topic; `home` and `secret`: as in Batch; `owner`: the partition of a key.
    `rows`, `rerouted` and `latest_times`, by partition: the customers' rows, and what Batch has as `rerouted` and as
    `latest_time`.
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
        """Decide records of a partition, in their order; return the tallies that they cause.

        Alerts, invitations, decisions and dead letters were published when the records were decided the first time.
        Records under a wrong key were sent on then; they lie on the topic a second time, under the right key.
        """
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
        return [output for output in decided.outputs if output.topic == events.TALLIES]


def applied_until(rows: Mapping[bytes, bytes]) -> int:
    """Return the highest offset that any durable row of a partition stands for; -1 without rows.

    A crash can leave some rows of a batch on the changelog, and others not. By then all tallies of the batch were on
    the topic, and counted. Of the records up to this offset, the worker will decide again those that are in no row; a
    segment that has counted the offset takes their tallies for repeats, as it did when they came the first time.
    """
    return max((decode_contact(row).mark for row in rows.values()), default=-1)
