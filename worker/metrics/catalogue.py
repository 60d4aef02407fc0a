"""The catalogue of metrics: the one list of their names, types, labels and meanings, which docs/metrics.md shows. Pure.

The names follow https://prometheus.io/docs/practices/naming/. No label has the id of a customer, a response or an
alert, nor the path of a segment.
"""

from collections.abc import Sequence
from enum import StrEnum
from itertools import product
from typing import NamedTuple

from schemas.alert import AlertAction, Severity
from schemas.case import CaseAction
from schemas.dead_letter import Reason
from schemas.decision import Category, Outcome
from schemas.incident import IncidentAction, IncidentKind
from worker.metrics import words

#: The upper bounds of the buckets of waiting times, in seconds: around "within a second", which the worker promises.
BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0)
#: What the time of a batch is spent on.
PHASES = ("deciding", "sending", "waiting")


class Kind(StrEnum):
    """The types of metrics, as Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Scope(StrEnum):
    """Which processes have a metric."""

    EVERY = "every role"
    #: Those that have a consumer group.
    GROUPS = "`process`, `notify`, `receive`"
    PROCESS = "`process`"
    NOTIFY = "`notify`"
    RECEIVE = "`receive`"


class Metric(NamedTuple):
    """One metric."""

    name: str
    kind: Kind
    scope: Scope
    #: What it says. Prometheus shows it as HELP.
    meaning: str
    #: The names of its labels.
    labels: tuple[str, ...] = ()
    #: The sets of values of its last labels, which are the same in every worker and begin with 0. The values of the
    #: labels before them depend on what the worker runs, for instance its channels. By default these are all labels.
    known: tuple[tuple[str, ...], ...] = ((),)

    @property
    def place(self) -> tuple[str, ...]:
        """The names of the first labels, whose values depend on what the worker runs."""
        return self.labels[: len(self.labels) - len(self.known[0])]


def _known(*values: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return all combinations of the values of each label."""
    return tuple(tuple(str(value) for value in one) for one in product(*values))


RESPONSES = Metric(
    "nps_responses_total",
    Kind.COUNTER,
    Scope.PROCESS,
    "Records on the topic of the responses that were decided, by outcome. Those that were refused are dead letters.",
    ("outcome",),
    _known(tuple(Outcome)),
)
ANSWERS = Metric(
    "nps_answers_total",
    Kind.COUNTER,
    Scope.PROCESS,
    "Accepted responses by the category of their score. The NPS of a time is 100 times the share of promoters minus "
    "that of detractors. It does not contain later corrections; the exact scores are on the topic nps.scores.",
    ("category",),
    _known(tuple(Category)),
)
RULE_DECISIONS = Metric(
    "nps_rule_decisions_total",
    Kind.COUNTER,
    Scope.PROCESS,
    "What the rules have decided about responses, and why. With the verdict none, nobody was told: no alert, no "
    "invitation, no mark.",
    ("rule", "verdict", "reason"),
    (*words.RULE_DECISIONS, (words.OTHER, words.OTHER, words.OTHER)),
)
DEAD_LETTERS = Metric(
    "nps_dead_letters_total",
    Kind.COUNTER,
    Scope.GROUPS,
    "Records that were refused, by the topic on which they lay (without its prefix) and the reason. The topic other "
    "stands for messages between workers.",
    ("topic", "reason"),
    _known((*words.WRITTEN_BY_OTHERS, words.OTHER), tuple(Reason)),
)
ALERTS = Metric(
    "nps_alerts_total",
    Kind.COUNTER,
    Scope.PROCESS,
    "Steps of alerts about unhappy customers.",
    ("severity", "action"),
    _known(tuple(Severity), tuple(AlertAction)),
)
INCIDENTS = Metric(
    "nps_incidents_total",
    Kind.COUNTER,
    Scope.PROCESS,
    "Steps of incidents, which are alerts about segments.",
    ("kind", "severity", "action"),
    _known(tuple(IncidentKind), tuple(Severity), tuple(IncidentAction)),
)
CASE_STEPS = Metric(
    "nps_case_steps_total",
    Kind.COUNTER,
    Scope.PROCESS,
    "Steps of the cases of alerts, which people, programs and time limits take.",
    ("severity", "action"),
    _known(tuple(Severity), tuple(CaseAction)),
)
INVITATIONS = Metric(
    "nps_invitations_total", Kind.COUNTER, Scope.PROCESS, "Invitations to write a review that were published."
)
TO_ALERT = Metric(
    "nps_response_to_alert_seconds",
    Kind.HISTOGRAM,
    Scope.PROCESS,
    "Time from Kafka's timestamp of a response until Kafka has acknowledged the alert that it opens. After an outage "
    "it contains the time for which the response waited.",
)
DELIVERIES = Metric(
    "nps_deliveries_total",
    Kind.COUNTER,
    Scope.NOTIFY,
    "Lines of the delivery log, by the channel (email, webhook, chat), the status and the class of the reason. One "
    "notice has several lines: pending, perhaps deferred, then sent, failed or cancelled.",
    ("channel", "status", "reason"),
    words.DELIVERIES,
)
TO_DELIVERY = Metric(
    "nps_response_to_delivery_seconds",
    Kind.HISTOGRAM,
    Scope.NOTIFY,
    "Time from Kafka's timestamp of a response until a server has accepted the notice about the alert that it opens, "
    "such as a mail, for each receiver. Notices that wait for quiet hours, silences or digests are not counted.",
    ("channel",),
)
OLDEST_UNSENT = Metric(
    "nps_oldest_unsent_age_seconds",
    Kind.GAUGE,
    Scope.NOTIFY,
    "Age of the oldest planned notice, such as a mail, that should have been sent, or is tried again; 0 if there is "
    "none. Notices that wait for quiet hours, silences or digests do not count.",
    ("channel",),
)
UNSENT = Metric(
    "nps_notices_unsent",
    Kind.GAUGE,
    Scope.NOTIFY,
    "Planned notices that should have been sent, or are tried again.",
    ("channel",),
)
HELD = Metric(
    "nps_notices_held",
    Kind.GAUGE,
    Scope.NOTIFY,
    "Planned notices that quiet hours or a silence hold back. Those that wait for a digest are not among them.",
    ("channel",),
)
OUTAGE = Metric(
    "nps_outage_open",
    Kind.GAUGE,
    Scope.NOTIFY,
    "1 while a server has an outage: it cannot be reached, refuses everything, or limits how often it is asked. The "
    "server is smtp, or the name of an endpoint in the settings.",
    ("channel", "server"),
)
LAG = Metric(
    "nps_lag_records",
    Kind.GAUGE,
    Scope.GROUPS,
    "Number of records of a partition that still have to be processed: from the first one whose results are not yet "
    "stored in Kafka to the end of the partition, as Kafka has said it in the last seconds. Only the worker that owns "
    "the partition shows it, once Kafka has answered its first request for records of the partition. Kafka's markers "
    "of transactions count as records.",
    ("role", "topic", "partition"),
)
PARTITIONS = Metric(
    "nps_partitions",
    Kind.GAUGE,
    Scope.GROUPS,
    "Number of partitions of a topic that the consumer group of this role reads.",
    ("role", "topic"),
)
OWNED = Metric(
    "nps_partitions_owned",
    Kind.GAUGE,
    Scope.GROUPS,
    "Number of partitions of a topic that this worker owns and reads. The sum over all workers is nps_partitions, "
    "unless a partition has no owner.",
    ("role", "topic"),
)
BATCHES = Metric(
    "nps_batches_total", Kind.COUNTER, Scope.GROUPS, "Batches of records that were processed.", ("role", "topic")
)
BATCH_RECORDS = Metric(
    "nps_batch_records_total",
    Kind.COUNTER,
    Scope.GROUPS,
    "Records in the batches that were processed.",
    ("role", "topic"),
)
BATCH_SECONDS = Metric(
    "nps_batch_seconds_total",
    Kind.COUNTER,
    Scope.GROUPS,
    "Time that batches were in flight. deciding: computing, while nothing else runs. sending: until Kafka has "
    "acknowledged outputs and rows, also those of checkpoints. waiting: for the partition's lock, for more urgent "
    "batches, or for a heartbeat.",
    ("role", "topic", "phase"),
    _known(PHASES),
)
TABLE_ROWS = Metric("nps_table_rows", Kind.GAUGE, Scope.GROUPS, "Rows of a table in memory.", ("role", "table"))
TABLE_BYTES = Metric(
    "nps_table_bytes",
    Kind.GAUGE,
    Scope.GROUPS,
    "Size of the keys and rows of a table, as they are encoded. In memory they take about 150 bytes more for each row.",
    ("role", "table"),
)
RECOVERIES = Metric(
    "nps_recoveries_total",
    Kind.COUNTER,
    Scope.GROUPS,
    "How often a table was recovered from its changelog: at the start, and after each rebalance.",
    ("role", "table"),
)
RECOVERY_SECONDS = Metric(
    "nps_recovery_seconds_total",
    Kind.COUNTER,
    Scope.GROUPS,
    "Time that recoveries of a table from its changelog took.",
    ("role", "table"),
)
REBALANCES = Metric(
    "nps_rebalances_total",
    Kind.COUNTER,
    Scope.GROUPS,
    "How often the consumer group was rebalanced while this worker was a member.",
    ("role",),
)
FENCE_REFUSALS = Metric(
    "nps_fence_refusals_total",
    Kind.COUNTER,
    Scope.GROUPS,
    "How often a batch or a result was given up, since this worker had lost the partition. Another worker repeats it.",
    ("role", "table"),
)
HEARTBEAT_AGE = Metric(
    "nps_heartbeat_age_seconds",
    Kind.GAUGE,
    Scope.GROUPS,
    "Time since Kafka has last confirmed that this worker is a member of the consumer group.",
    ("role",),
)
RECEIVED = Metric(
    "nps_received_total",
    Kind.COUNTER,
    Scope.RECEIVE,
    "What survey tools have delivered by HTTP or on a topic. Each answer in a delivery is counted by what it became: "
    "accepted (a response), part (of a response), fetch (its answer is fetched), ignored, or refused (in a dead "
    "letter). After a crash, some deliveries on a topic are counted again. A delivery by HTTP that was not taken is "
    "counted once, by the reason. The source (unknown) stands for paths without a source.",
    ("source", "outcome"),
    _known(words.RECEIVED),
)
TO_ACKNOWLEDGEMENT = Metric(
    "nps_received_to_acknowledgement_seconds",
    Kind.HISTOGRAM,
    Scope.RECEIVE,
    "Time from the head of a delivery until Kafka has acknowledged what it became. Deliveries that were not taken are "
    "not counted.",
    ("source",),
)
LAST_RECEIVED = Metric(
    "nps_received_last_timestamp_seconds",
    Kind.GAUGE,
    Scope.RECEIVE,
    "When the last delivery of a source was acknowledged, in seconds since 1970; 0 if there was none in this process.",
    ("source",),
)
FETCHES = Metric(
    "nps_fetches_total",
    Kind.COUNTER,
    Scope.RECEIVE,
    "What became of the orders to fetch answers from a survey tool's API. Each answer that was fetched is counted as "
    "accepted, ignored or refused (a dead letter), and next_page if there were more. An order that the API could not "
    "answer is counted as retried or given_up (a dead letter), and a request that found an outage as unavailable. The "
    "source (unknown) stands for orders whose source is not in the settings.",
    ("source", "outcome"),
    _known(words.FETCHES),
)
FETCHES_WAITING = Metric(
    "nps_fetches_waiting",
    Kind.GAUGE,
    Scope.RECEIVE,
    "Orders to fetch answers that this worker has read and not finished.",
    ("source",),
)
FETCH_OUTAGE = Metric(
    "nps_fetch_outage_open",
    Kind.GAUGE,
    Scope.RECEIVE,
    "1 while the API of a source's tool cannot be used: it cannot be reached, does not accept the token, refuses "
    "everything, or limits how often it is asked.",
    ("source",),
)
READY = Metric("nps_ready", Kind.GAUGE, Scope.EVERY, "1 while /readyz answers with 200, 0 otherwise.")
BUILD_INFO = Metric(
    "nps_build_info",
    Kind.GAUGE,
    Scope.EVERY,
    "Always 1. The labels say which version of the worker and of Python runs, and in which role it was started.",
    ("version", "python", "role"),
)

#: Every metric, in the order in which they are shown.
METRICS = (
    RESPONSES,
    ANSWERS,
    RULE_DECISIONS,
    DEAD_LETTERS,
    ALERTS,
    INCIDENTS,
    CASE_STEPS,
    INVITATIONS,
    TO_ALERT,
    DELIVERIES,
    TO_DELIVERY,
    OLDEST_UNSENT,
    UNSENT,
    HELD,
    OUTAGE,
    LAG,
    PARTITIONS,
    OWNED,
    BATCHES,
    BATCH_RECORDS,
    BATCH_SECONDS,
    TABLE_ROWS,
    TABLE_BYTES,
    RECOVERIES,
    RECOVERY_SECONDS,
    REBALANCES,
    FENCE_REFUSALS,
    HEARTBEAT_AGE,
    RECEIVED,
    TO_ACKNOWLEDGEMENT,
    LAST_RECEIVED,
    FETCHES,
    FETCHES_WAITING,
    FETCH_OUTAGE,
    READY,
    BUILD_INFO,
)
