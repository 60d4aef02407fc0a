"""Deliveries of survey tools over HTTP, on a real Kafka: what is acknowledged can be read, and nothing else is."""

import asyncio
import gzip
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from ingest.sites import RESPONSE, SECRET, Clock, post, settings_of
from integration.conftest import StartBench, make_settings
from integration.processes import Process, environment, worker_process
from integration.reading import read_topic
from receive.deliveries import KEY, deliveries, settings

from worker.app import Worker, running
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.flow.responses.formats.canonical import pseudonym
from worker.receive.settings import ReceiveSettings
from worker.server import Server
from worker.settings import Settings

#: The tools whose deliveries have all of an answer.
WHOLE = ("delighted", "formbricks", "posthog", "template", "typeform", "wootric")
WITH_SECRET = {"Authorization": SECRET}


def of_all_tools() -> ReceiveSettings:
    """Return settings with a source for each tool, which is called as the tool."""
    sources = []
    for tool in WHOLE:
        [source] = settings(tool).sources
        sources.append(source.model_copy(update={"name": tool}))
    return settings_of(port=0).model_copy(update={"sources": sources})


@asynccontextmanager
async def receiving(settings: Settings) -> AsyncIterator[tuple[ClientSession, str, Worker]]:
    """Run the role receive; yield a client and the beginning of all addresses."""
    async with running(settings, "receive", Clock()) as receiver, ClientSession() as client:
        assert receiver.ready
        yield client, f"http://127.0.0.1:{receiver.of(Server)['receive'].port}/receive", receiver


async def until(happened: Callable[[], bool]) -> None:
    """Wait until something has happened, of which there is no event."""
    while not happened():  # noqa: ASYNC110
        await asyncio.sleep(0.1)


def body(number: int, **changes: Any) -> bytes:
    fields = {**RESPONSE, "response_id": f"r-{number}", "customer_id": f"c-{number}", **changes}
    return json.dumps(fields).encode()


async def test_what_the_tools_deliver_is_what_the_worker_counts(bench: StartBench) -> None:
    wanted: dict[str, Mapping[str, Any]] = {}
    answered = Counter[int]()
    async with bench(receive=of_all_tools()) as running, receiving(running.settings) as (client, base, _):
        for tool in WHOLE:
            for delivery in deliveries(tool):
                request = delivery.request
                status, _, _ = await post(client, f"{base}/{tool}", request.body, request.headers)
                answered[status] += 1
                expect = delivery.expect
                if isinstance(expect, dict):
                    known = wanted.get(expect["response_id"], {"revision": -1})
                    wanted[expect["response_id"]] = max(known, expect, key=lambda one: one["revision"])
        await running.settle()
        decided = [json.loads(record.value) for record in await running.read("decisions")]
        # Higher revisions have the worker look for the lower ones, by records of its own.
        records = [record for record in await running.read("responses") if record.value.startswith(b"{")]
        letters = [json.loads(record.value) for record in await running.read("dead-letters")]
    published = [json.loads(record.value) for record in records]

    assert answered.keys() == {200, 401}
    assert answered[401] == sum(str(one.expect).startswith("refused 401") for tool in WHOLE for one in deliveries(tool))
    latest = {one["response_id"]: one for one in sorted(published, key=lambda one: int(one["revision"]))}
    for response_id, expect in wanted.items():
        found = latest[response_id]
        address, arrow, _ = str(expect["customer_id"]).partition(" -> pseudonym")
        customer_id = pseudonym(address, KEY.encode()) if arrow else address
        assert (customer_id, expect["score"], expect["comment"], expect["revision"]) == (
            found["customer_id"], found["score"], found.get("comment"), found["revision"]
        )  # fmt: skip
    assert all(record.key.decode() == one["customer_id"] for record, one in zip(records, published, strict=True))
    assert {one["response_id"] for one in decided} >= wanted.keys()
    assert {letter["reason"] for letter in letters} == {"not_json"}
    assert [letter["topic"] for letter in letters] == ["receive/template"]


async def test_a_delivery_that_comes_again_adds_nothing(bench: StartBench) -> None:
    async with bench(receive=settings_of(port=0)) as running, receiving(running.settings) as (client, base, _):
        for _ in range(3):
            for content in (body(1), b"{", body(2, score=11)):
                assert 200 == (await post(client, f"{base}/by_header", content, WITH_SECRET))[0]
        compressed = WITH_SECRET | {"Content-Encoding": "gzip"}
        assert 200 == (await post(client, f"{base}/by_header", gzip.compress(body(1)), compressed))[0]
        await running.settle()
        outcomes = Counter(json.loads(record.value)["outcome"] for record in await running.read("decisions"))
        letters = [json.loads(record.value) for record in await running.read("dead-letters")]

    assert {"accepted": 1, "duplicate": 3} == outcomes
    assert {"not_json": 3, "score_out_of_range": 3} == Counter(letter["reason"] for letter in letters)
    assert len({letter["dead_letter_id"] for letter in letters}) == 2


async def test_while_kafka_is_away_nothing_is_acknowledged_and_afterwards_everything_is(inbox: Inbox) -> None:
    async with EmbeddedKafka() as kafka:
        wanted = make_settings(kafka, inbox, receive=settings_of(port=0, answer_seconds=1.0))
        async with receiving(wanted) as (client, base, receiver):
            # A topic that was just created may have no leader yet, and the machine may be busy. A tool tries again.
            status = 0
            while status != 200:
                status, _, _ = await post(client, f"{base}/by_header", body(0), WITH_SECRET)
            await kafka.kill()
            statuses = [(await post(client, f"{base}/by_header", body(one), WITH_SECRET))[0] for one in range(1, 40)]
            assert {503} == set(statuses)
            await until(lambda: not receiver.ready)
            async with client.get(base.replace("/receive", "/healthz")) as health:
                assert 503 == health.status
            await kafka.restart()
            acknowledged = 0
            while acknowledged < 40:
                status, headers, _ = await post(client, f"{base}/by_header", body(acknowledged), WITH_SECRET)
                acknowledged += status == 200
                if status != 200:
                    assert (503, "5") == (status, headers["Retry-After"])
                    await asyncio.sleep(0.1)
            await until(lambda: receiver.ready)
        found = await read_topic(kafka.bootstrap_servers, f"{wanted.topic_prefix}.responses")

    assert {f"r-{one}" for one in range(40)} == {json.loads(record.value)["response_id"] for record in found}


def variables(name: str, kafka: EmbeddedKafka, inbox: Inbox, folder: Path) -> dict[str, str]:
    secrets = folder / "secrets"
    secrets.write_text(f"{SECRET}\n")
    source = {"name": "care", "tool": "template", "secrets_file": str(secrets)}
    return {
        **environment(kafka.bootstrap_servers, inbox, name, folder),
        "NPS_RECEIVE__SOURCES": json.dumps([source]),
        "NPS_RECEIVE__PORT": "0",
        "NPS_LOG_LEVEL": "DEBUG",
    }


async def address_of(process: Process) -> str:
    await process.said("deliveries are served at")
    [line] = [line for line in process.lines if "deliveries are served at" in line]
    return str(json.loads(line)["message"]).rpartition(" ")[2]


async def test_a_process_takes_deliveries_finishes_those_in_hand_and_logs_no_secret(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    env = variables("receive-process", kafka, inbox, tmp_path)
    async with worker_process("run", "--role", "receive", env=env) as process, ClientSession() as client:
        base = await address_of(process)
        await process.said("started: role receive")
        for headers in (WITH_SECRET, {"Authorization": "wrong-7zq"}):
            for content in (body(1, comment="private-7zq"), b"private-7zq", b"{"):
                await post(client, f"{base}/receive/care?private-7zq", content, headers)
                await post(client, f"{base}/receive/private-7zq", content, headers)
        posting = [
            asyncio.create_task(post(client, f"{base}/receive/care", body(one), WITH_SECRET)) for one in range(20)
        ]
        await process.said("was taken", 4)
        process.tell(signal.SIGTERM)
        ended = await asyncio.gather(*posting, return_exceptions=True)
        statuses = [one[0] for one in ended if not isinstance(one, BaseException)]
        assert await process.exited() == 0
    found = await read_topic(kafka.bootstrap_servers, "receive-process.responses")

    assert 200 in statuses
    assert len({json.loads(record.value)["response_id"] for record in found}) >= statuses.count(200)
    assert not [line for line in process.lines if SECRET in line or "7zq" in line]


@pytest.mark.parametrize("missing", ["sources", "certificate"])
async def test_what_is_wrong_is_said_at_the_start(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path, missing: str
) -> None:
    env = variables("receive-wrong", kafka, inbox, tmp_path)
    if missing == "sources":
        del env["NPS_RECEIVE__SOURCES"]
    else:
        env |= {"NPS_RECEIVE__TLS_CERTFILE": os.devnull, "NPS_RECEIVE__TLS_KEYFILE": os.devnull}
    async with worker_process("run", "--role", "receive", env=env) as process:
        assert 2 == await process.exited()

    said = {"sources": "receive.sources: the role receive needs a source", "certificate": "receive.tls_certfile"}
    assert process.count(said[missing]) == 1
