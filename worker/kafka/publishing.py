"""Publishing responses from a file: every line is the value of one record, and is published unchanged."""

import asyncio
import codecs
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from pydantic_core import from_json

from worker.kafka.connection import client_options
from worker.kafka.preflight import preflight
from worker.kafka.topics import LARGEST_RECORD
from worker.settings import KafkaSettings

_REPORT_EVERY = 1_000


def lines(path: Path) -> list[bytes]:
    """Return a file's lines without their line feeds; nothing else is changed."""
    return split(path.read_bytes())


def split(content: bytes) -> list[bytes]:
    """Return the lines of a file's content, without their line feeds."""
    found = content.split(b"\n")
    return found[:-1] if found[-1] == b"" else found


def is_object(value: bytes) -> bool:
    """Say whether a line can be read as a JSON object."""
    return _kind(value) is dict


def document_problem(content: bytes) -> str:
    """Return a sentence if a file's content is a single JSON document over several lines; otherwise an empty text."""
    if is_object(content.strip().partition(b"\n")[0]):
        return ""
    kind = _kind(content)
    if kind is dict:
        return "this is one record over several lines: each line must be one response (jq -c . FILE makes it so)"
    if kind is list:
        return "this is one JSON array: each line must be one response (jq -c '.[]' FILE makes it so)"
    return ""


def is_table(content: bytes) -> bool:
    """Say whether a file looks like CSV: its first line holds names between separators, and no JSON."""
    first = content.removeprefix(codecs.BOM_UTF8).strip().partition(b"\n")[0]
    return not set(b"{[") & set(first) and any(first.count(separator) for separator in (b",", b";", b"\t"))


def _kind(value: bytes) -> type | None:
    """Return the type of a JSON document; None if it is not JSON. A byte order mark is accepted, as in a response."""
    try:
        return type(from_json(value.removeprefix(codecs.BOM_UTF8)))
    except ValueError:
        return None


def customer_key(value: bytes) -> bytes | None:
    """Return the key that a correct publisher would set, the customer's id; None if the value has no such id."""
    try:
        event = from_json(value)
    except ValueError:
        return None
    if isinstance(event, dict) and isinstance(event.get("data"), dict):
        event = event["data"]
    customer_id = event.get("customer_id") if isinstance(event, dict) else None
    if not isinstance(customer_id, str):
        return None
    return customer_id.encode(errors="replace") or None


async def publish(
    kafka: KafkaSettings,
    topic: str,
    values: Iterable[bytes] | AsyncIterator[bytes],
    progress: Callable[[int], None] | None = None,
) -> int:
    """Publish values, wait until all are acknowledged, and return how many there were.

    `progress` is called with the count from time to time. Raise Unreachable or Refused if Kafka cannot be reached or
    does not let the client in, KafkaError if it fails later.
    """
    await preflight(kafka)
    producer = AIOKafkaProducer(
        **client_options(kafka), acks="all", enable_idempotence=True, linger_ms=5, max_request_size=LARGEST_RECORD
    )
    published, failures = 0, list[BaseException]()

    def acknowledged(sent: "asyncio.Future[Any]") -> None:
        if not sent.cancelled() and (error := sent.exception()) is not None:
            failures.append(error)

    try:
        await producer.start()
        async for value in _each(values):
            (await producer.send(topic, value, key=customer_key(value))).add_done_callback(acknowledged)
            published += 1
            if progress is not None and published % _REPORT_EVERY == 0:
                progress(published)
        await producer.flush()
        if failures:
            raise failures[0]
    finally:
        await producer.stop()
    return published


async def _each(values: Iterable[bytes] | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(values, AsyncIterator):
        async for value in values:
            yield value
    else:
        for value in values:
            yield value
