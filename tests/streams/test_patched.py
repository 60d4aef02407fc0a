"""What the worker uses of aiokafka and Faust although they keep it to themselves: each name is still there.

Any of it may change without notice, so pyproject.toml has an upper bound for both. If a bound is raised, the failures
of these tests show what has to be looked at.
"""

import ast
import inspect
import tomllib
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
from aiokafka.record.default_records import _DefaultRecordBatchPy
from faust.transport.consumer import Consumer
from faust.transport.drivers import aiokafka as driver
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

#: By class: attributes that are read, set or replaced, and methods that a subclass of ours overrides.
USED: dict[type[Any], tuple[str, ...]] = {
    AIOKafkaConsumer: (
        "_client",
        "_coordinator",
        "_fetch_max_wait_ms",
        "_fetcher",
        "_isolation_level",
        "_subscription",
    ),
    AIOKafkaProducer: ("_message_accumulator",),
    AIOKafkaAdminClient: ("_send_request",),
    AIOKafkaClient: ("_conns", "_wait_on_metadata"),
    Fetcher: (
        "_client",
        "_fetch_max_wait_ms",
        "_fetch_task",
        "_get_actions_per_node",
        "_in_flight",
        "_pending_tasks",
        "_prefetch_backoff",
        "_records",
    ),
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
    driver.AIOKafkaConsumerThread: ("_create_worker_consumer", "_ensure_consumer", "_keepalive2"),
    driver.Producer: ("_ensure_producer",),
    Consumer: ("_is_changelog_tp",),
    faust.App: ("_crash", "_crashed", "_create_directories"),
}
#: Private names that are no library's: Python's own, and those that one class of a file knows of another.
OWN = {"_exit", "_replace", "_answer", "_ask"}


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in USED.items() for name in names], ids=str)
def test_a_private_name_that_is_used_is_still_there(owner: type[Any], name: str) -> None:
    sources = (
        inspect.getsource(base) for base in owner.__mro__ if base.__module__.startswith(("aiokafka", "faust", "mode"))
    )
    assert hasattr(owner, name) or any(f"self.{name}" in source for source in sources)


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
