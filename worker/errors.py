"""Every error that the worker raises on purpose.

WorkerError
├── Rejected            a record is not accepted: it becomes a dead letter, and is not tried again
├── SettingsError       the settings are wrong: every command says so at its start, and exits with 2
├── DeliveryError       a mail was not accepted: it has a reason, and says whether to try again
├── FetchError          a survey tool's API has not answered what was asked: it has a reason, and says what to do
├── Unreachable         Kafka does not answer: the worker tries again
├── StillRunning        a command needs all workers to be stopped, and some are running
├── Unconfirmed         a command would repeat something, and nobody has confirmed that it may
└── Fatal               going on would break a guarantee: the worker stops before anything is committed
    ├── Refused         Kafka answers, but does not let the worker in
    ├── MembershipLost  the worker cannot join its consumer group, or cannot stay in it
    ├── TopicsUnfit     a topic's partitions or configuration do not fit keyed state
    │   └── TopicsMisconfigured: its configuration would lose or repeat something (exit code 2)
    ├── PrefixTaken     the topics belong to another consumer group
    ├── GroupTaken      the consumer group reads the topics of another prefix
    ├── CannotListen    the address for pages or metrics cannot be used
    ├── StateNotDurable rows or outputs were not acknowledged
    ├── SourceLost      a consumed topic is not the one that the state was made from
    ├── StateLost       what is committed, or was acknowledged, is not on the changelog
    └── StopTimedOut    the worker could not stop in an orderly way
"""

from schemas.dead_letter import Reason


class WorkerError(Exception):
    """The root of the tree."""


class Rejected(WorkerError):
    """A record is not accepted. `detail` names the field and what was expected, and never a value."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class SettingsError(WorkerError):
    """The settings are wrong. `problems` has one line for each key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DeliveryError(WorkerError):
    """A mail, or what another channel sends, was not accepted. The exception's text does not show the receivers.

    `reason`: a stable word without personal data.
    `retry`: whether the mail is to be tried again.
    `alarm`: whether somebody has to act.
    `unavailable`: the server cannot be used now for any mail, and has said nothing about this one. If the error is also
    `unsure`, an earlier connection broke while the mail was being sent over it.
    `partly`: some receivers have got the mail.
    `unsure`: the mail may have been accepted nevertheless.
    `retry_to`: the receivers of the next attempt; None stands for all receivers of this attempt.
    `hint`: a sentence for the operator, which names the server, the problem, and the settings to check.
    `retry_after`: the seconds for which the server has asked not to be tried again; 0 if it has not.
    `limits_rate`: the server is in order, and only limits how often it is asked.
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
        retry_after: float = 0.0,
        limits_rate: bool = False,
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
        self.retry_after = retry_after
        self.limits_rate = limits_rate


class FetchError(WorkerError):
    """The API of a survey tool has not answered what was asked. Nothing of it shows the token or an answer.

    `reason`: a stable word without personal data.
    `retry`: whether the same request is to be sent again.
    `unavailable`: the API cannot be used now for any request, and has said nothing about this one.
    `in_doubt`: the API refuses, and perhaps it refuses every request.
    `alarm`: whether somebody has to act.
    `hint`: a sentence for the operator, which names the source, the problem, and the settings to check.
    `retry_after`: the seconds for which the API is to be left alone; 0 if nothing says it.
    """

    def __init__(
        self,
        reason: str,
        hint: str,
        *,
        retry: bool = False,
        unavailable: bool = False,
        in_doubt: bool = False,
        alarm: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        self.retry = retry
        self.unavailable = unavailable
        self.in_doubt = in_doubt
        self.alarm = alarm
        self.retry_after = retry_after


class Unreachable(WorkerError):
    """Kafka does not answer now; it may answer later."""


class StillRunning(WorkerError):
    """A command needs all workers to be stopped, and some of them are alive."""


class Unconfirmed(WorkerError):
    """A command would repeat something that is done already, and needs the option --yes for that."""


class Fatal(WorkerError):
    """Going on would break a guarantee. The worker logs this error, and stops with `exit_code`."""

    #: 1, or 2 for a wrong configuration.
    exit_code = 1


class Refused(Fatal):
    """Kafka answers, but does not let the worker in, or its certificate is not trusted. The failure is permanent."""


class MembershipLost(Fatal):
    """The worker cannot join its consumer group, or cannot stay in it. The failure is permanent."""


class TopicsUnfit(Fatal):
    """A topic's partitions or configuration do not fit keyed state, or a topic does not exist."""


class PrefixTaken(Fatal):
    """The topics of this prefix belong to another consumer group. Two groups would each decide and mail everything."""

    def __init__(self, prefix: str, owner: str, group: str) -> None:
        super().__init__(
            f"the topics {prefix}.* belong to the group {owner}, and kafka.group is {group}: two groups on the same "
            f"topics would send every alert and every mail twice. Set kafka.group to {owner}, or choose another "
            f"topic_prefix. If {owner} will never be used again, stop its workers and run: python -m worker take-over"
        )


class GroupTaken(Fatal):
    """The consumer group reads the topics of another prefix, to which its changelogs and offsets belong."""

    def __init__(self, group: str, topic: str, prefix: str) -> None:
        super().__init__(
            f"the group {group} has read {topic}, and topic_prefix is {prefix}: one kafka.group for the topics of "
            f"two prefixes would mix their state. Choose another kafka.group for {prefix}.*. If the other topics "
            f"will never be used again, you can instead delete the topics {group}-*-changelog, and then the offsets: "
            f"kafka-consumer-groups.sh --delete --group {group}"
        )


class CannotListen(Fatal):
    """The address at which pages or metrics are to be served cannot be used."""

    def __init__(self, what: str, host: str, port: int, set_by: str, why: str) -> None:
        super().__init__(f"no {what} can be served at {host}, port {port} ({set_by}): {why}")


class TopicsMisconfigured(TopicsUnfit):
    """A topic's configuration would lose something or count it twice. `problems` has one line for each key."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        super().__init__(f"{'; '.join(problems)}. See python -m worker topics")
        self.problems = problems


class StopTimedOut(Fatal):
    """The worker could not stop in an orderly way within its time."""


class StateNotDurable(Fatal):
    """Rows or outputs were not acknowledged by the broker."""


class StateLost(Fatal):
    """The changelog does not hold what it must: it was deleted, cut back, or created again."""


class SourceLost(StateLost):
    """A consumed topic is not the log that the state was made from: it was deleted, created again, or cut back."""
