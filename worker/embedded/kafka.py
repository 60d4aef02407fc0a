"""A real Apache Kafka broker in KRaft mode, as a child process on 127.0.0.1."""

import asyncio
import contextlib
import random
import shutil
import signal
import socket
import tempfile
import threading
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from worker.embedded import EmbeddedError
from worker.embedded.aot import cache_options
from worker.embedded.background import in_background
from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.jars import KAFKA_VERSION, class_path
from worker.embedded.java import find_java
from worker.embedded.secured import PROTOCOLS, Secured

HOST = "127.0.0.1"
START_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 15.0
PROBE_INTERVAL_S = 0.05
PROBE_TIMEOUT_S = 5.0
PORT_ATTEMPTS = 5
LOG_TAIL_LINES = 25

# These ports are below the range from which Linux and macOS take the ports of outgoing connections. A port of that
# range may be in use when a broker needs it again after a restart, even by a client that tries to reach the broker and
# connects to itself.
PORTS = range(20_000, 32_768)

# The id of a cluster that is given no other one. Most clusters have it, since no broker ever joins another cluster.
CLUSTER_ID = "ZGV0cmFjdG9yLXdvcmtlcg"

# Only the first compiler and the simplest garbage collector are used. Kafka is then ready in half the time, and takes a
# third of the memory.
JVM_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx512m")

SETTINGS = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}{secured}
advertised.listeners=PLAINTEXT://{host}:{advertised_port}{secured}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,\
  SASL_SSL:SASL_SSL
log.dirs={data_dir}
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=16777216
auto.create.topics.enable={creates_topics}
replica.fetch.max.bytes=33554432
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""


@dataclass(frozen=True)
class Node:
    """A broker's place in its cluster."""

    number: int = 1
    #: The port of each broker's controller, by the number of the broker. If this is empty, the broker is a cluster of
    #: its own, and chooses its controller's port anew at each start.
    controllers: Mapping[int, int] = field(default_factory=dict)


class PortTakenError(EmbeddedError):
    """Another process took the port between the search for a free one and the broker's start."""


class EmbeddedKafka:
    """One broker, which is started and stopped from the event loop. It is also an async context manager.

    The broker ends when the thread that called `start` ends. On Linux this holds even if SIGKILL ends that thread's
    process. Ctrl-C in the terminal does not reach the broker.

    - `progress` is called with one line of text for each step.
    - `port` is where the broker listens. By default it is a free port, which stays the same after a restart.
    - `advertised_port` is the port that the broker tells its clients, for a proxy in between.
    - With `secured` the broker also listens for TLS and logins, on ports of their own.
    - A `data_dir` that is given is kept, and used again. Without one, a temporary directory is used until `stop`.
    - `cluster_id` is the id of the cluster: 16 bytes in the alphabet of base64url, without padding.
    - `node` says which cluster the broker belongs to. Without it, the broker is a cluster of its own.
    - `java_options` are given to Java for this broker. They replace the options by which Java uses its cache of Kafka's
      classes.
    - With `creates_topics`, a request for the metadata of a missing topic creates the topic. This is Kafka's default,
      but not the default here.
    """

    def __init__(
        self,
        *,
        progress: Callable[[str], None] | None = None,
        port: int | None = None,
        advertised_port: int | None = None,
        secured: Secured | None = None,
        data_dir: Path | None = None,
        cluster_id: str = CLUSTER_ID,
        node: Node | None = None,
        java_options: Sequence[str] | None = None,
        creates_topics: bool = False,
    ) -> None:
        self._java_options = java_options
        self._creates_topics = creates_topics
        self._cluster_id = cluster_id
        self._node = node or Node()
        self._progress = progress
        self._port = port
        self._advertised_port = advertised_port
        self._secured = secured
        self._secured_ports: dict[str, int] = {}
        self._keep_data = data_dir is not None
        self._data_dir = data_dir
        self._process: Process | None = None
        self._log_start = 0  # where in the log file the present start begins, in bytes

    @property
    def port(self) -> int:
        """The port that the broker listens on. Raise EmbeddedError while it is not known."""
        if self._port is None:
            raise EmbeddedError("the embedded Kafka was not started")
        return self._port

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect: `host:port`, with the advertised port if there is one."""
        return f"{HOST}:{self._advertised_port or self.port}"

    def secured_servers(self, protocol: str) -> str:
        """Return where clients of a protocol connect, as `host:port`. `protocol`: one of `secured.PROTOCOLS`.

        Raise EmbeddedError if there is no such listener, or if it does not exist yet.
        """
        if protocol not in self._secured_ports:
            raise EmbeddedError(f"the embedded Kafka has no listener for {protocol}")
        return f"{HOST}:{self._secured_ports[protocol]}"

    @property
    def pid(self) -> int:
        """The broker's process id. Raise EmbeddedError if the broker does not run."""
        if self._process is None or self._process.returncode is not None:
            raise EmbeddedError("the embedded Kafka does not run")
        return self._process.pid

    def last_words(self) -> str | None:
        """Return how the broker ended, and what it logged last. Return None unless it has ended by itself."""
        if self._process is None or self._process.returncode is None:
            return None
        return f"Kafka ended with exit code {self._process.returncode}:\n{self._log_tail()}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the broker, and wait until it answers. The first start on a machine downloads Kafka's jars.

        Raise EmbeddedError, with the end of the broker's log, if it is not ready within START_TIMEOUT_S.
        """
        if self._process is not None and self._process.returncode is None:
            raise EmbeddedError("the embedded Kafka runs already")
        jars = await self._jars()
        java = await asyncio.to_thread(find_java)
        if self._data_dir is None:
            self._data_dir = Path(tempfile.mkdtemp(prefix="detractor-worker-kafka-"))
        # Java unpacks native libraries beside the data, so that they are removed together with it.
        scratch = self._data_dir / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        using_cache = cache_options(java, jars, JVM_OPTIONS)
        tool = [str(java), *JVM_OPTIONS, *using_cache, f"-Djava.io.tmpdir={scratch}", "-cp", jars]
        extra = using_cache if self._java_options is None else self._java_options
        broker = [str(java), *JVM_OPTIONS, *extra, f"-Djava.io.tmpdir={scratch}", "-cp", jars]
        try:
            await self._come_up(tool, broker)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the broker, by SIGKILL if SIGTERM is not enough. Remove its data, unless `data_dir` was given."""
        await self._end()
        if self._data_dir is not None and not self._keep_data:
            await asyncio.to_thread(shutil.rmtree, self._data_dir, ignore_errors=True)
            self._data_dir = None

    async def ended(self) -> None:
        """Wait until the broker has ended, by itself or by a signal. Raise EmbeddedError if it was not started."""
        if self._process is None:
            raise EmbeddedError("the embedded Kafka does not run")
        await self._process.wait()

    async def kill(self) -> None:
        """End the broker by SIGKILL, as in a crash. Its data and its port stay for `restart`."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop the broker if it runs, and start it on the same data and port. Raise EmbeddedError as `start` does."""
        await self._end()
        await self.start()

    async def _jars(self) -> str:
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()

        def relay(line: str) -> None:
            # Cancelling the task that waits does not end the thread. So the next line of text ends it, or else the end
            # of the process.
            if cancelled.is_set():
                raise EmbeddedError("the download was cancelled")
            loop.call_soon_threadsafe(self._say, line)

        try:
            return await asyncio.wrap_future(in_background(partial(class_path, relay)))
        finally:
            cancelled.set()

    async def _come_up(self, tool: list[str], broker: list[str]) -> None:
        wanted = self._port
        for attempt in range(1, PORT_ATTEMPTS + 1):
            port = free_port() if wanted is None else wanted
            if not is_free(port):
                raise EmbeddedError(f"port {port} of {HOST} is taken")
            secured_ports = self._secured_ports or self._choose_secured_ports(port)
            settings = self._write_settings(port, secured_ports)
            if not (self._files / "log" / "meta.properties").exists():
                self._say("formatting Kafka's data directory")
                await self._format(tool, settings)
            self._say(f"starting Apache Kafka {KAFKA_VERSION} on {HOST}:{port}")
            began = time.monotonic()
            self._process = await self._launch([*broker, "kafka.Kafka", str(settings)])
            try:
                await self._until_ready(self._process, port)
            except PortTakenError:
                await self._end()
                if attempt == PORT_ATTEMPTS:
                    raise
                continue
            self._port, self._secured_ports = port, secured_ports
            self._say(f"Kafka is ready after {time.monotonic() - began:.1f} s")
            return

    async def _format(self, tool: list[str], settings: Path) -> None:
        users = self._secured.format_arguments() if self._secured else []
        formatting = await self._launch(
            [*tool, "kafka.tools.StorageTool", "format", "-t", self._cluster_id, "-c", str(settings), *users]
        )
        try:
            await asyncio.wait_for(formatting.wait(), START_TIMEOUT_S)
        finally:
            if formatting.returncode is None:
                formatting.kill()
                await formatting.wait()
        if formatting.returncode != 0:
            raise EmbeddedError(f"Kafka's data directory could not be formatted:\n{self._log_tail()}")

    async def _launch(self, command: list[str]) -> Process:
        with self._log_file.open("ab") as log:
            self._log_start = log.tell()
            return await asyncio.create_subprocess_exec(
                *dying_with_parent(*command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C goes to the parent only, which then stops the broker
            )

    async def _until_ready(self, process: Process, port: int) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while process.returncode is None:
                    if await _answers(port):
                        return
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), PROBE_INTERVAL_S)
        except TimeoutError as error:
            raise EmbeddedError(f"Kafka did not answer within {START_TIMEOUT_S:.0f} s:\n{self._log_tail()}") from error
        tail = self._log_tail()
        if "Address already in use" in tail:
            raise PortTakenError(f"another process took a port while Kafka started:\n{tail}")
        raise EmbeddedError(f"Kafka ended while it started, with exit code {process.returncode}:\n{tail}")

    async def _end(self, number: signal.Signals = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended by itself
            process.send_signal(number)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _choose_secured_ports(self, plain: int) -> dict[str, int]:
        chosen: dict[str, int] = {}
        for protocol in PROTOCOLS if self._secured else ():
            chosen[protocol] = free_port(but={plain, *chosen.values()})
        return chosen

    def _write_settings(self, port: int, secured_ports: dict[str, int]) -> Path:
        path = self._files / "server.properties"
        number, controllers = self._node.number, dict(self._node.controllers)
        if not controllers:
            controllers = {number: free_port(but={port, *secured_ports.values()})}
        replicas = min(len(controllers), 3)
        text = SETTINGS.format(
            host=HOST,
            port=port,
            number=number,
            voters=",".join(f"{other}@{HOST}:{other_port}" for other, other_port in controllers.items()),
            controller_port=controllers[number],
            replicas=replicas,
            in_sync=max(1, replicas - 1),
            advertised_port=self._advertised_port or port,
            secured="".join(f",{protocol}://{HOST}:{number}" for protocol, number in secured_ports.items()),
            data_dir=self._files / "log",
            creates_topics=str(self._creates_topics).lower(),
        )
        if self._secured:
            text += self._secured.properties()
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def _files(self) -> Path:
        assert self._data_dir is not None
        return self._data_dir

    @property
    def _log_file(self) -> Path:
        return self._files / "broker.log"

    def _log_tail(self) -> str:
        with self._log_file.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _say(self, line: str) -> None:
        if self._progress is not None:
            self._progress(line)


async def _answers(port: int) -> bool:
    """Say whether the broker answers, and names itself among the live brokers. `port`: the one that it listens on."""
    try:  # without this, the client would log a line about each refused connection
        _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    client = AIOKafkaClient(
        bootstrap_servers=f"{HOST}:{port}", client_id="probe", request_timeout_ms=round(PROBE_TIMEOUT_S * 1000)
    )
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    except KafkaError:
        return False
    finally:
        await client.close()


def free_port(*, but: Collection[int] = ()) -> int:
    """Return a port that nobody listens on now and that is not in `but`. Raise EmbeddedError if there is none."""
    for port in random.sample(PORTS, len(PORTS)):
        if port not in but and is_free(port):
            return port
    raise EmbeddedError(f"no free port between {PORTS.start} and {PORTS.stop - 1}")


def is_free(port: int) -> bool:
    """Say whether nobody listens on a port of this machine now."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
