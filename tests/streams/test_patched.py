"""What the worker uses of aiokafka and Faust although they keep it to themselves: each name is still there.

Any of it may change without notice, so pyproject.toml has an upper bound for both. If a bound is raised, the failures
of these tests show what has to be looked at.
"""

import ast
import hashlib
import inspect
import textwrap
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher as fetching
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from faust.sensors import Monitor
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer
from faust.transport.consumer import Fetcher as FaustFetcher
from faust.transport.drivers import aiokafka as driver
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

#: By class: attributes that are read, set or replaced, and methods that a subclass of ours overrides.
USED: dict[type[Any], tuple[str, ...]] = {
    AIOKafkaConsumer: ("_client", "_coordinator", "_fetcher", "_isolation_level"),
    AIOKafkaProducer: ("_closed", "_message_accumulator", "_sender"),
    AIOKafkaAdminClient: ("_send_request",),
    AIOKafkaClient: ("_conns", "_wait_on_metadata"),
    Fetcher: (
        "_client",
        "_create_fetch_waiter",
        "_fetch_max_wait_ms",
        "_fetch_task",
        "_fetcher_timeout",
        "_get_actions_per_node",
        "_in_flight",
        "_pending_tasks",
        "_prefetch_backoff",
        "_proc_fetch_request",
        "_records",
    ),
    FetchRequest: ("_max_wait_ms", "_topics"),
    GroupCoordinator: (
        "_client",
        "_closing",
        "_coordination_task",
        "_do_heartbeat",
        "_perform_assignment",
        "_push_error_to_user",
    ),
    MessageAccumulator: ("_batch_size", "_batch_ttl"),
    BatchBuilder: ("_builder", "_relative_offset"),
    _DefaultRecordBatchPy: ("_buffer", "_maybe_uncompress"),
    driver.AIOKafkaConsumerThread: (
        "_create_worker_consumer",
        "_ensure_consumer",
        "_keepalive2",
        "_thread_keepalive",
    ),
    Monitor: ("_sampler",),
    driver.Producer: ("_ensure_producer",),
    Consumer: (
        "_commit",
        "_commit_handler",
        "_commit_livelock_detector",
        "_commit_tps",
        "_committed_offset",
        "_drain_messages",
        "_filter_committable_offsets",
        "_filter_tps_with_pending_acks",
        "_is_changelog_tp",
        "_n_acked",
        "_new_offset",
        "_unacked_messages",
        "_waiting_for_ack",
    ),
    faust.App: ("_crash", "_crashed", "_create_directories"),
}
#: Records come in by worker/streams/inflow.py, and not Faust's way. What each of these functions does is done there, in
#: ordered.py or in lane.py, is not needed, or rests on what is done there. With it stands the digest of its source, as
#: it was when somebody looked at it: where a new Faust has changed it, look at what it does now, and write that down.
BYPASSED: dict[Callable[..., Any], str] = {
    # Runs `_drain_messages` from the end of the first recovery until the worker stops.
    FaustFetcher._fetcher.fun: "62e27ab02f281e2b",
    # Polls, drops what is old, and hands each message to the conductor. Here: OrderedConsumer._drain_messages.
    Consumer._drain_messages: "3e3742ba998ee65d",
    # Remembers a message, so that a rebalance waits for it. Here: OrderedConsumer._batch.
    Consumer.track_message: "bd5ed0a7fb599991",
    # Forgets it. Here: OrderedConsumer.release.
    Consumer.ack: "8c9d7f355ca61f50",
    # Waits until none is remembered. It is still Faust's, and goes by `_unacked_messages` and `Message.acked`.
    Consumer.wait_empty: "0553f428ba2305eb",
    # Commits, once nothing is in hand. It is still Faust's; OrderedConsumer makes everything durable before.
    Consumer.commit_and_end_transactions: "4f0a9fbf2e5d982f",
    # Commits, unless a commit is under way. It is still Faust's; a stop waits for a commit that is under way.
    Consumer.commit: "565f8ecbe37b0823",
    # Sends what is attached to offsets (nothing is), flushes the producer (every batch has waited for its records),
    # informs the tables (which wrote before), and commits. Here: OrderedConsumer._commit_tps.
    Consumer._commit_tps: "705b91d317214408",
    Consumer._commit_offsets: "6ad6a5f367f55282",
    # Stops the flow, and waits until nothing is in hand. It is still Faust's, and calls `stop_flow` and `wait_empty`.
    faust.App._on_partitions_revoked: "6d64582cad7a59c0",
    # Makes the places known, and lets the flow begin again. It is still Faust's: `perform_seek`, `resume_flow`.
    Recovery.on_recovery_completed: "3367f10ce58fdc07",
}
#: Private names that are no library's: Python's own, and those that one class of a file knows of another.
OWN = {"_exit", "_replace", "_asdict", "_fields", "_answer", "_ask"}


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in USED.items() for name in names], ids=str)
def test_a_private_name_that_is_used_is_still_there(owner: type[Any], name: str) -> None:
    sources = (
        inspect.getsource(base) for base in owner.__mro__ if base.__module__.startswith(("aiokafka", "faust", "mode"))
    )
    assert hasattr(owner, name) or any(f"self.{name}" in source for source in sources)


@pytest.mark.parametrize("bypassed", BYPASSED, ids=lambda one: one.__qualname__)
def test_what_batches_do_not_pass_any_more_is_as_it_was_when_somebody_looked(bypassed: Callable[..., Any]) -> None:
    assert digest(bypassed) == BYPASSED[bypassed]


def digest(function: Callable[..., Any]) -> str:
    """Return the digest of what a function does, whatever its comments say."""
    source = ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function))))
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def test_the_fetcher_reads_records_by_the_name_that_is_replaced() -> None:
    assert "MemoryRecords(" in inspect.getsource(fetching)


def test_no_other_private_name_is_used() -> None:
    known = {"_DefaultRecordBatchPy", *OWN, *(name for names in USED.values() for name in names)}
    found = {
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path in (ROOT / "worker").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and ast.unparse(node.value) not in {"self", "cls", "super()"}
        and node.attr not in known
    }

    assert set() == found


@pytest.mark.parametrize("name", ["aiokafka", "faust-streaming"])
def test_a_version_that_nobody_has_looked_at_is_not_installed(name: str) -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    [wanted] = [found for found in map(Requirement, dependencies) if found.name == name]

    assert version(name) in wanted.specifier
    assert "99" not in wanted.specifier


def test_the_batch_that_a_send_makes_has_a_builder() -> None:
    assert "builder" in inspect.signature(MessageBatch.__init__).parameters
