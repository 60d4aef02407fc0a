"""Answers that are fetched, on a real Kafka: each is one response, whatever the tool's API and the worker do.

The API is a real HTTP server on 127.0.0.1 (ingest/fake_api.py).
"""

import asyncio
import json
from base64 import b64decode
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, web
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from ingest.fake_api import TOKEN, Answer, FakeApi, details, fake_api
from ingest.sites import Clock, post
from integration.conftest import make_settings
from integration.processes import environment, worker_process
from integration.reading import read_topic
from pydantic import SecretStr
from receive.deliveries import deliveries, fetched
from receive.deliveries import settings as fixture_settings

from worker.app import Worker, running
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.flow.messages import fetch_order
from worker.flow.messages.fetch_order import FetchOrder, Get
from worker.ingest.fetching import Fetcher
from worker.ingest.tool_api import CONNECTIONS
from worker.kafka.partitioner import partition_of
from worker.kafka.topics import ensure, group_id
from worker.receive.settings import ReceiveSettings
from worker.server import Server
from worker.settings import Settings


def source(api: FakeApi | str, name: str = "monkey", **changes: Any) -> dict[str, Any]:
    url = api if isinstance(api, str) else api.url
    usual = {"name": name, "tool": "surveymonkey", "secrets": ["s"], "score_question": "11", "api_url": url}
    return {**usual, "api_token": TOKEN, "api_requests_per_minute": 60_000, **changes}


def order(answer: str, name: str = "monkey") -> FetchOrder:
    path = f"/v3/surveys/1/responses/{answer}/details"
    return FetchOrder(name, {"details": Get(path, {"simple": "true"})}, {})


def settings_of(kafka: EmbeddedKafka, inbox: Inbox, *sources: Mapping[str, Any], **more: Any) -> Settings:
    usual: dict[str, Any] = {"fetch_retry": {"first_seconds": 0.05}, "port": 0}
    receive = ReceiveSettings.model_validate({"sources": sources, **usual, **more})
    return make_settings(kafka, inbox, receive=receive)


class Seen:
    """What is on the topics of a worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._servers = settings.kafka.bootstrap_servers

    def name(self, topic: str) -> str:
        return f"{self.settings.topic_prefix}.{topic}"

    async def order(self, *orders: FetchOrder | bytes) -> None:
        """Publish orders, as the receiver does."""
        owner = partition_of(self.settings.kafka.partitions)
        async with AIOKafkaProducer(bootstrap_servers=self._servers) as producer:
            for one in orders:
                sent = None if isinstance(one, bytes) else fetch_order.output(one)
                key, value = (b"", one) if isinstance(one, bytes) else (sent and sent.key, sent and sent.value)
                await producer.send_and_wait(self.name("fetches"), value, key=key, partition=owner(key or b""))

    async def values(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(record.value or b"") for record in await read_topic(self._servers, self.name(topic))]

    async def responses(self) -> dict[str, set[str]]:
        """Return the values of each response, which are the same however often it was published."""
        found: dict[str, set[str]] = {}
        for one in await self.values("responses"):
            found.setdefault(one["response_id"], set()).add(json.dumps(one, sort_keys=True))
        return found

    async def until_there_are(self, counts: Mapping[str, int]) -> None:
        """Wait until each of these responses has so many revisions."""
        while not await self._has(counts):  # noqa: ASYNC110 - a topic raises no event here
            await asyncio.sleep(0.1)

    async def _has(self, counts: Mapping[str, int]) -> bool:
        found = await self.responses()
        return all(len(found.get(one, ())) >= count for one, count in counts.items())

    async def until_finished(self, worker: Worker | None = None, *, but: int = 0) -> None:
        """Wait until all orders are finished and committed, those that were published again as well.

        `but`: how many are not committed.
        """
        failing = asyncio.create_task(worker.failure() if worker is not None else asyncio.Event().wait())
        waiting = asyncio.create_task(self._finished(but))
        await asyncio.wait([failing, waiting], return_when=asyncio.FIRST_COMPLETED)
        failing.cancel()
        if not waiting.done():
            waiting.cancel()
            failing.result()
        waiting.result()

    async def _finished(self, but: int) -> None:
        group, topic = group_id(self.settings.kafka.group, "fetch"), self.name("fetches")
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        try:
            while True:
                ends = Counter[int]()
                for record in await read_topic(self._servers, topic):
                    ends[record.partition] = record.offset + 1
                committed = await admin.list_consumer_group_offsets(group)
                if ends and sum(end - _at(committed, topic, n) for n, end in ends.items()) == but:
                    return
                await asyncio.sleep(0.2)
        finally:
            await admin.close()


def _at(committed: Mapping[TopicPartition, Any], topic: str, partition: int) -> int:
    found = committed.get(TopicPartition(topic, partition))
    return 0 if found is None else max(0, int(found.offset))


def wanted(answers: Iterable[str]) -> dict[str, int]:
    """Return the score of each response that the answers become."""
    return {f"surveymonkey:{answer}": int(answer[-1]) for answer in answers}


def scores(responses: Mapping[str, set[str]]) -> dict[str, int]:
    """Return the score of each response; fail if one was published with several values."""
    assert all(len(values) == 1 for values in responses.values())
    return {response_id: json.loads(next(iter(values)))["score"] for response_id, values in responses.items()}


async def test_deliveries_without_a_whole_answer_become_the_responses_of_the_fixtures(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    """From the tool's HTTP request to the response: ids are fetched, and single questions are put together."""
    bodies = {
        "/v3/surveys/5001/responses/9001/details": fetched("surveymonkey")["details"],
        "/API/v3/surveys/SV_demo1/responses/R_demo9": fetched("qualtrics")["response"],
        "/v1/forms/1FAkeForm/responses": fetched("google-forms")["responses"],
        "/v1/forms/1FAkeForm": fetched("google-forms")["form"],
    }

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=bodies[request.path])

    async with fake_api() as api:
        api.answer = answer
        with_ids = ("surveymonkey:9001", "qualtrics:R_demo9", "google-forms:ACYD1")
        sources = []
        for tool in ("surveymonkey", "qualtrics", "google-forms", "survicate"):
            asking = {} if tool == "survicate" else {"api_url": api.url, "api_token": SecretStr(TOKEN)}
            [one] = fixture_settings(tool).sources
            sources.append(one.model_copy(update={"name": tool.replace("-", "_"), **asking}))
        receive = fixture_settings("survicate").model_copy(update={"sources": sources, "port": 0})
        seen = Seen(make_settings(kafka, inbox, receive=receive))
        async with running(seen.settings, "receive", Clock()) as worker, ClientSession() as client:
            base = f"http://127.0.0.1:{worker.of(Server)['receive'].port}/receive"
            for one in sources:
                for delivery in deliveries(one.tool):
                    secret = f"/{delivery.request.path_secret}" if delivery.request.path_secret else ""
                    url = f"{base}/{one.name}{secret}"
                    status, _, _ = await post(client, url, delivery.request.body, delivery.request.headers)
                    assert (status == 401) == ("401" in str(delivery.expect)), (one.tool, delivery.number)
            await seen.until_finished(worker)
            await seen.until_there_are({"survicate:5347:ab12": 2, **dict.fromkeys(with_ids, 1)})

    latest: dict[str, dict[str, Any]] = {}
    for found in sorted(await seen.values("responses"), key=lambda found: int(found["revision"])):
        latest[found["response_id"]] = found
    assert {key: (found["score"], found.get("comment")) for key, found in latest.items()} == {
        "surveymonkey:9001": (2, "Facture fausse."),
        "qualtrics:R_demo9": (4, "Attente trop longue."),
        "google-forms:ACYD1": (5, None),
        "survicate:5347:ab12": (6, "Prices."),
    }
    assert await seen.values("dead-letters") == []


async def test_each_answer_is_a_response_and_what_cannot_be_fetched_is_a_dead_letter(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    answers = [str(number) for number in range(100, 130)]

    async def answer(request: web.Request) -> web.Response | None:
        which = request.path.split("/")[-2]
        special = {
            "100": web.Response(status=404),
            "101": web.Response(status=410),
            "102": web.Response(body=b" " * 10_000_000),
            "103": web.Response(body=b"<html>"),
            "104": web.json_response(details("104", custom_variables={})),
        }
        return special.get(which)

    async with fake_api() as api:
        api.answer = answer
        seen = Seen(settings_of(kafka, inbox, source(api)))
        async with running(seen.settings, "receive") as worker:
            await seen.order(*map(order, answers), b"no order")
            await seen.until_finished(worker)

    assert scores(await seen.responses()) == wanted(answers[5:])
    letters = await seen.values("dead-letters")
    assert sorted((one["reason"], one["topic"], one["partition"] < 0) for one in letters) == [
        ("answer_gone", "receive/monkey", True),
        ("answer_gone", "receive/monkey", True),
        ("missing_field", "receive/monkey", True),
        ("not_json", "receive/monkey", True),
        ("too_large", "receive/monkey", True),
        ("wrong_type", seen.name("fetches"), False),
    ]
    payloads = [json.loads(b64decode(one["payload"])) for one in letters if one["reason"] == "answer_gone"]
    assert sorted(one["requests"]["details"]["path"].split("/")[-2] for one in payloads) == ["100", "101"]
    assert TOKEN not in json.dumps(letters)


async def test_an_answer_that_the_api_could_not_give_is_fetched_later_and_its_attempts_are_kept(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    failed = Counter[str]()

    async def answer(request: web.Request) -> web.Response | None:
        failed[request.path] += 1
        return web.Response(status=500) if failed[request.path] <= 2 else None

    async with fake_api() as api:
        api.answer = answer
        seen = Seen(settings_of(kafka, inbox, source(api)))
        async with running(seen.settings, "receive") as worker:
            await seen.order(order("25"), order("26"))
            await seen.until_finished(worker)

    assert scores(await seen.responses()) == wanted(["25", "26"])
    orders = await seen.values("fetches")
    assert sorted(one["attempts"] for one in orders) == [0, 0, 1, 1, 2, 2]
    assert await seen.values("dead-letters") == []


async def test_an_answer_that_the_api_never_gives_is_a_dead_letter_in_the_end(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=500)

    async with fake_api() as api:
        api.answer = answer
        policy = {"first_seconds": 0.01, "longest_seconds": 0.02, "give_up_days": 0.000001}  # 0.0864 seconds
        seen = Seen(settings_of(kafka, inbox, source(api), fetch_retry=policy))
        async with running(seen.settings, "receive") as worker:
            await seen.order(order("25"), order("9", "removed"))
            await seen.until_finished(worker)

    letters = await seen.values("dead-letters")
    assert sorted((one["topic"], one["reason"]) for one in letters) == [
        ("receive/monkey", "not_fetched"),
        ("receive/removed", "source_unknown"),
    ]


async def test_a_source_whose_api_is_away_does_not_hold_up_the_others(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    """Its orders wait, and are fetched once it is back; what was finished meanwhile is not fetched again."""
    async with fake_api() as api:
        async with fake_api() as gone:
            port = gone.port
        away = f"http://127.0.0.1:{port}"
        seen = Seen(settings_of(kafka, inbox, source(api), source(away, "away")))
        async with running(seen.settings, "receive") as worker:
            await seen.order(order("31", "away"), *map(order, ["41", "42", "43"]), order("32", "away"))
            await api.until(lambda: sum(api.answered.values()) == 3)
            await seen.until_there_are(dict.fromkeys(wanted(["41", "42", "43"]), 1))
            assert scores(await seen.responses()) == wanted(["41", "42", "43"])
            async with _listening(port) as back:
                await seen.until_finished(worker)
                assert sum(back.answered.values()) == 2

    assert scores(await seen.responses()) == wanted(["31", "32", "41", "42", "43"])
    assert await seen.values("dead-letters") == []


@asynccontextmanager
async def _listening(port: int) -> AsyncIterator[FakeApi]:
    """Serve an API on this port."""
    api = FakeApi()
    application = web.Application()
    application.router.add_get("/{path:.*}", api.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield api
    finally:
        await runner.cleanup()


async def test_workers_that_join_and_leave_share_the_orders(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    answers = [str(number) for number in range(200, 260)]
    async with fake_api() as api:
        seen = Seen(settings_of(kafka, inbox, source(api, api_requests_per_minute=1_200)))
        await ensure(seen.settings)
        await seen.order(*map(order, answers))
        async with running(seen.settings, "receive"):
            await api.until(lambda: len(api.answered) >= 5)
            async with running(seen.settings, "receive"):
                await api.until(lambda: len(api.answered) >= 25)
        async with running(seen.settings, "receive") as worker:
            await seen.until_finished(worker)

    assert scores(await seen.responses()) == wanted(answers)
    assert await seen.values("dead-letters") == []


async def test_orders_for_the_same_answer_that_wait_are_fetched_once(kafka: EmbeddedKafka, inbox: Inbox) -> None:
    """They wait until the API answers the orders that have all connections."""
    others, may_answer = [str(number) for number in range(CONNECTIONS)], asyncio.Event()

    async def answer(_: web.Request) -> None:
        await may_answer.wait()

    async with fake_api() as api:
        api.answer = answer
        seen = Seen(settings_of(kafka, inbox, source(api)))
        async with running(seen.settings, "receive") as worker:
            await seen.order(*map(order, others))
            await api.until(lambda: len(api.asked) == CONNECTIONS)
            await seen.order(*[order("77")] * 40)
            fetcher = worker.of(Fetcher)["receive"]
            while fetcher.standing()["monkey"].waiting < CONNECTIONS + 40:  # noqa: ASYNC110 - raises no event
                await asyncio.sleep(0.02)
            may_answer.set()
            await seen.until_finished(worker)

        assert scores(await seen.responses()) == wanted([*others, "77"])
        assert {1} == {*api.answered.values()}


async def test_an_order_that_waits_for_its_next_attempt_is_all_that_a_restart_reads_again(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    answers = [str(number) for number in range(300, 340)]

    async def answer(request: web.Request) -> web.Response | None:
        return web.Response(status=500) if "/299/" in request.path else None

    async with fake_api() as api:
        api.answer = answer
        seen = Seen(settings_of(kafka, inbox, source(api), fetch_retry={"first_seconds": 600}))
        async with running(seen.settings, "receive") as worker:
            await seen.order(order("299"))
            while len(await seen.values("fetches")) < 2:  # noqa: ASYNC110 - a topic raises no event
                await asyncio.sleep(0.1)
            await seen.order(*map(order, answers))  # behind the one that was published again
            await seen.until_finished(worker, but=1)
        async with running(seen.settings, "receive") as worker:
            await seen.order(order("340"))
            await seen.until_finished(worker, but=1)
        asked = Counter(one.path.split("/")[-2] for one in api.asked)

    assert asked == Counter(["299", *answers, "340"])
    assert scores(await seen.responses()) == wanted([*answers, "340"])


async def test_a_list_of_answers_is_read_to_its_end_and_then_only_what_is_new(
    kafka: EmbeddedKafka, inbox: Inbox
) -> None:
    """Google Forms says only that there are new answers."""
    minutes = [0, 1, 2, 3, 30]

    def answer_at(minute: int) -> dict[str, Any]:
        time = f"2026-03-02T10:{minute:02}:00Z"
        answers = {"q": {"textAnswers": {"answers": [{"value": str(minute % 11)}]}}}
        found = {"responseId": f"A{minute}", "createTime": time, "lastSubmittedTime": time, "answers": answers}
        return {**found, "respondentEmail": f"a{minute}@example.com"}

    async def answer(request: web.Request) -> web.Response:
        if not request.path.endswith("/responses"):
            question = {"questionId": "q", "scaleQuestion": {"low": 0, "high": 10}}
            return web.json_response({"items": [{"questionItem": {"question": question}}]})
        since = request.query.get("filter", "").removeprefix("timestamp >= ")
        listed = [one for one in map(answer_at, minutes) if one["lastSubmittedTime"] >= since]
        first = int(request.query.get("pageToken", "0"))
        more = {"nextPageToken": str(first + 2)} if first + 2 < len(listed) else {}
        return web.json_response({"responses": listed[first : first + 2], **more})

    form = {
        "responses": Get("/v1/forms/F/responses", {"pageSize": "100"}),
        "form": Get("/v1/forms/F", {}),
    }
    one = FetchOrder("form", form, {"form_id": "F"})
    async with fake_api() as api:
        api.answer = answer
        google = source(api, "form", tool="google-forms", score_question="q")
        seen = Seen(settings_of(kafka, inbox, google, pseudonym_key="k" * 32))
        async with running(seen.settings, "receive") as worker:
            await seen.order(one)
            await seen.until_finished(worker)
            assert len(await seen.responses()) == 5
            minutes.append(40)
            await seen.order(one)
            await seen.until_finished(worker)

    assert len(await seen.responses()) == 6
    asked = [asked.query for asked in api.asked if asked.path.endswith("/responses")]
    assert [query.get("pageToken") for query in asked] == [None, "2", "4", None]
    assert asked[-1]["filter"] == "timestamp >= 2026-03-02T10:25:00Z"
    assert Counter(one["response_id"] for one in await seen.values("responses"))["google-forms:A30"] == 2


def answers_until(moment: int, api: FakeApi, killed: asyncio.Event) -> Answer:
    """Return what answers so many different requests, and none after them until the worker is killed."""

    async def answer(_: web.Request) -> web.Response | None:
        if len(api.answered) < moment:
            return None
        await killed.wait()
        return web.Response(status=503)

    return answer


async def nothing_else(_: web.Request) -> None:
    """Leave each request to the usual answer."""


async def test_a_worker_that_is_killed_at_any_moment_leaves_one_response_for_each_answer(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    answers = [str(number) for number in range(1_000, 1_120)]
    async with fake_api() as api:
        settings = settings_of(kafka, inbox, source(api))
        seen = Seen(settings)
        env = environment(kafka.bootstrap_servers, inbox, settings.topic_prefix, tmp_path)
        sources = [source(api, api_requests_per_minute=1_800)]
        env |= {
            "NPS_KAFKA__GROUP": settings.kafka.group,
            "NPS_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
            "NPS_RECEIVE__SOURCES": json.dumps(sources),
            "NPS_RECEIVE__PORT": "0",
        }
        await ensure(settings)
        await seen.order(*map(order, answers))
        for moment in (1, 30, 70):
            # From this moment on, the API answers nothing more, so the worker is killed while orders are in work.
            killed = asyncio.Event()
            api.answer = answers_until(moment, api, killed)
            async with worker_process("run", "--role", "receive", env=env):
                await api.until(lambda: len(api.answered) >= moment)  # noqa: B023 - awaited at once
            assert len(api.answered) == moment
            killed.set()
        api.answer = nothing_else
        async with worker_process("run", "--role", "receive", env=env) as process:
            await seen.until_finished()
            assert not process.ended
            assert await process.end() == 0
        assert not any(TOKEN in line for line in process.lines)

    assert scores(await seen.responses()) == wanted(answers)
    assert await seen.values("dead-letters") == []
