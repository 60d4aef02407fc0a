"""Every error the worker raises on purpose.

WorkerError
├── Rejected            a record that is not accepted: never retried, becomes a dead letter
├── SettingsError       the settings are wrong: every command says so at its start, exit 2
├── DeliveryError       a mail was not accepted: retried or not, with a reason
├── Unreachable         Kafka does not answer: tried again
├── StillRunning        a command needs all workers to be stopped, and some are running
└── Fatal               going on would break a promise: the worker stops before anything is committed
    ├── Refused         Kafka is there, but does not let the worker in
    ├── MembershipLost  the group does not take the worker
    ├── TopicsUnfit     a topic is not what keyed state needs
    │   └── TopicsMisconfigured: its configuration would lose or repeat something (exit 2)
    ├── PrefixTaken     the topics belong to another consumer group
    ├── GroupTaken      the consumer group reads the topics of another prefix
    ├── StateNotDurable rows or outputs were not acknowledged
    ├── SourceLost      a consumed topic is not the one that the state was made from
    ├── StateLost       what is committed, or was acknowledged, is not on the changelog
    └── StopTimedOut    the worker could not stop in order
"""

from schemas.dead_letter import Reason


class WorkerError(Exception):
    """The root of the tree."""


class Rejected(WorkerError):
    """The record is not accepted. `detail` names field and expectation, never a value."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class SettingsError(WorkerError):
    """The settings are wrong. `problems` has one line per key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DeliveryError(WorkerError):
    """A mail was not accepted. `reason` is a stable word without personal data.

    `unavailable`: the server cannot be used now, whatever the mail; nothing was said about this one. `partly`: some
    receivers have got it; `retry_to` then names those that the next attempt goes to (None: all of this attempt's).
    `unsure`: the mail may have been accepted nevertheless. `hint` is a sentence for the operator of the worker: the
    server, what is wrong, and which settings to look at. The exception's text does not show the receivers.
    """

    def __init__(
        self,
        reason: str,
        *,
        retry: bool,
        alarm: bool = False,
        unavailable: bool = False,
        partly: bool = False,
        unsure: bool = False,
        retry_to: tuple[str, ...] | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(reason)
        self.unavailable = unavailable
        self.partly = partly
        self.unsure = unsure
        self.hint = hint
        self.reason = reason
        self.retry = retry
        self.alarm = alarm
        self.retry_to = retry_to


class Unreachable(WorkerError):
    """Kafka does not answer now; it may answer later."""


class StillRunning(WorkerError):
    """A command needs all workers to be stopped, and some of them are alive."""


class Fatal(WorkerError):
    """Going on would break a promise; the worker stops with this line, and with `exit_code`."""

    #: 1, or 2 for what is configured wrongly.
    exit_code = 1


class Refused(Fatal):
    """Kafka is there, but does not let the worker in, or is not who it should be; trying again would not help."""


class MembershipLost(Fatal):
    """The worker cannot join its group, or not stay in it, for a reason that does not pass by itself."""


class TopicsUnfit(Fatal):
    """A topic's partitions or policy do not fit keyed state."""


class PrefixTaken(Fatal):
    """The topics of this prefix belong to another consumer group: two would each decide and mail everything."""

    def __init__(self, prefix: str, owner: str, group: str) -> None:
        super().__init__(
            f"the topics {prefix}.* belong to the group {owner}, and kafka.group is {group}: two groups on the same "
            f"topics would send every alert and every mail twice. Set kafka.group to {owner}, or choose another "
            f"topic_prefix. If {owner} will never be used again, stop its workers and run: python -m worker take-over"
        )


class GroupTaken(Fatal):
    """The consumer group reads the topics of another prefix: its changelogs and offsets are theirs."""

    def __init__(self, group: str, topic: str, prefix: str) -> None:
        super().__init__(
            f"the group {group} has read {topic}, and topic_prefix is {prefix}: one kafka.group for the topics of "
            f"two prefixes would mix their state. Choose another kafka.group for {prefix}.*. If the other topics "
            f"will never be used again, you can instead delete the topics {group}-*-changelog, and then the offsets: "
            f"kafka-consumer-groups.sh --delete --group {group}"
        )


class TopicsMisconfigured(TopicsUnfit):
    """A topic's configuration would lose something or count it twice. `problems` has one line per key."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__(f"{'; '.join(problems)}. See python -m worker topics")
        self.problems = problems


class StopTimedOut(Fatal):
    """The worker could not stop in order within its time."""


class StateNotDurable(Fatal):
    """Rows or outputs were not acknowledged by the broker."""


class StateLost(Fatal):
    """The changelog does not hold what it must: it was deleted, cut back, or created again."""


class SourceLost(StateLost):
    """A consumed topic is not the log that the state was made from: it was deleted, created again, or cut back."""
