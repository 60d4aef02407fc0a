"""Faust's app with the settings that this worker needs; ordered.py, table.py and recovery.py give most reasons."""

from functools import partial
from typing import Any, cast

import faust
from faust import SASLCredentials, SSLCredentials
from faust.sensors import Monitor
from mode import Service
from yarl import URL

from worker.kafka import topics
from worker.kafka.connection import change_aiokafka, servers, ssl_context
from worker.settings import KafkaSettings, Settings
from worker.streams.fetching import FETCH_BYTES
from worker.streams.observer import ConsumerObserver
from worker.streams.ordered import OrderedTransport
from worker.streams.recovery import DirectTables

_HEARTBEAT_SECONDS = 3.0
_REBALANCE_SECONDS = 30.0
#: The time after which aiokafka removes a member that has fetched nothing from its group, for good. It would also
#: remove a member without partitions, which is on standby. Heartbeats already show whether this worker is alive.
_IDLE_SECONDS = 1e9
#: How often the worker looks whether due offsets are to be committed (ordered.py). A replay has to skip only what was
#: processed since the last commit.
_COMMIT_SECONDS = 0.4
#: How long a broker may take to answer a produce request before the request is sent again.
_PRODUCE_SECONDS = 30.0
#: The largest produce batch. It is below Kafka's default limit of 1 MiB, and so is any single record that the core
#: makes.
_PRODUCE_BYTES = 900_000


class _App(faust.App):
    """Faust's app without a directory of its own, since this worker keeps nothing on the local disk."""

    def _create_directories(self) -> None:
        pass

    def on_rebalance_return(self) -> None:
        """Do nothing: Faust would count the time for its statistics, which are not used."""

    def on_rebalance_end(self) -> None:
        """Note the end of a rebalance. Faust would warn that its statistics lack one if the next has begun before."""
        self.rebalancing = False

    def _crash(self, reason: BaseException) -> None:
        """Keep the first reason. Later crashes, such as that of a cancelled task, are consequences of it."""
        if not self._crashed.is_set():
            super()._crash(reason)


class _Monitor(Monitor):
    """Faust's statistics, which are not used."""

    @Service.task
    async def _sampler(self) -> None:
        """Do nothing: Faust would compute them every second."""


def make(settings: Settings, role: str, partitions: int, observer: ConsumerObserver) -> faust.App:
    """Return the app of a role; it is not started. `observer`: of its consumer, and of the recovery's failures."""
    change_aiokafka()
    kafka = settings.kafka
    session = kafka.session_timeout_seconds
    urls = [URL(f"kafka://{server}") for server in servers(kafka)]
    app = _App(
        topics.group_id(kafka.group, role),
        broker=urls,
        broker_credentials=credentials(kafka),
        broker_session_timeout=session,
        broker_heartbeat_interval=min(_HEARTBEAT_SECONDS, session / 3),
        broker_rebalance_timeout=_REBALANCE_SECONDS,
        broker_max_poll_interval=_IDLE_SECONDS,
        broker_commit_interval=_COMMIT_SECONDS,
        consumer_auto_offset_reset="earliest",
        producer_linger=0.0,
        producer_request_timeout=_PRODUCE_SECONDS,
        producer_max_batch_size=_PRODUCE_BYTES,
        producer_max_request_size=FETCH_BYTES,
        stream_wait_empty=True,
        store="memory://",
        Monitor=_Monitor,
        TableManager=cast(Any, partial(DirectTables, on_failure=observer.on_failure)),
        table_standby_replicas=0,
        # topics.py creates them. Faust would ask Kafka for each of them at every start, and would end if Kafka did not
        # answer at once.
        topic_allow_declare=False,
        topic_partitions=partitions,
        topic_replication_factor=kafka.replication_factor,
        topic_disable_leader=True,
        web_enabled=False,
    )
    app.transport = OrderedTransport(urls, app, kafka, observer)
    return app


def credentials(kafka: KafkaSettings) -> SASLCredentials | SSLCredentials | None:
    """Return Faust's credentials; None for plain text. Raise SettingsError like `ssl_context`."""
    context = ssl_context(kafka)
    if kafka.security_protocol.startswith("SASL"):
        assert kafka.sasl_password is not None
        # To Faust, SASL credentials with a context mean SASL_SSL, and those without one SASL_PLAINTEXT.
        return SASLCredentials(
            username=kafka.sasl_username,
            password=kafka.sasl_password.get_secret_value(),
            mechanism=kafka.sasl_mechanism,
            ssl_context=context,
        )
    return SSLCredentials(context) if context is not None else None
