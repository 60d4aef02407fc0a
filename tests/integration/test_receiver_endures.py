"""The receiver under what its senders and its machine do to it: damaged deliveries, and the end at any moment."""

import asyncio
import base64
import hmac
import json
import math
import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientError, ClientSession, TCPConnector
from integration.conftest import StartBench
from integration.processes import Process, environment, start_worker, worker_process
from integration.recount import Recount
from integration.test_receive import address_of
from receive.deliveries import KEY
from receive.fuzzing import damaged, of_all_tools
from receive.signing import signed

from worker.clock import SystemClock
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.receive.settings import ReceiveSettings

SEED = 19
_SENDERS = 16
#: How much more memory the receiver may have at the end than after the first tenth, in bytes.
_GROWTH_BYTES = 40_000_000


def in_environment(receive: ReceiveSettings) -> dict[str, str]:
    """Return settings of sources as variables of the environment."""
    sources = []
    for source in receive.sources:
        given = source.model_dump(mode="json", exclude_defaults=True)
        sources.append({**given, "secrets": [secret.get_secret_value() for secret in source.secrets]})
    return {"NPS_RECEIVE__SOURCES": json.dumps(sources), "NPS_RECEIVE__PSEUDONYM_KEY": KEY, "NPS_RECEIVE__PORT": "0"}


@pytest.mark.thorough
async def test_ten_thousand_damaged_deliveries_cause_no_error_and_take_no_memory(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    settings = of_all_tools()
    env = {**environment(kafka.bootstrap_servers, inbox, "fuzzed", tmp_path), **in_environment(settings)}
    env["NPS_RECEIVE__BODY_BYTES"] = "200000"
    answered = Counter[int]()
    sizes: list[int] = []
    given = damaged(10_000, SEED)
    async with worker_process("run", "--role", "receive", env=env) as process, ClientSession() as client:
        base = await address_of(process)
        receiver = psutil.Process(process.pid)

        async def send() -> None:
            for name, request in given:
                source = settings.source(name)
                assert source is not None
                path = f"/receive/{name}"
                one = signed(source, request, SystemClock().now(), f"https://{base.removeprefix('http://')}{path}")
                url = f"{base}{path}/{one.path_secret}" if one.path_secret else f"{base}{path}"
                async with client.post(url, data=one.body, headers=one.headers) as answer:
                    answered[answer.status] += 1
                if answered.total() % 100 == 0:
                    sizes.append(receiver.memory_info().rss)

        await asyncio.gather(*(send() for _ in range(_SENDERS)))
        assert not process.ended
        assert 0 == await process.end()

    print(f"{answered}; {sizes[9] / 1e6:.0f} MB after a tenth, {sizes[-1] / 1e6:.0f} MB at the end")
    assert 10_000 == answered.total()
    # 401: forms with too many fields for a signature inside them.
    assert answered.keys() <= {200, 400, 401, 413, 415}
    assert answered[200] > 8_000
    assert sizes[-1] - sizes[9] < _GROWTH_BYTES
    assert not [line for line in process.lines if "please report" in line]


WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TYPEFORM_SECRET = "kanarienvogel"
TWO_TOOLS = [
    {"name": "typeform", "tool": "typeform", "secrets": [TYPEFORM_SECRET]},
    {"name": "formbricks", "tool": "formbricks", "secrets": [WHSEC], "score_question": "q"},
]
#: How often the receiver is killed, and how many answers are delivered.
_KILLS, _ANSWERS = 6, 900


class Answer:
    """An answer, the bytes by which a tool delivers it, and the response that it must become."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.score, customer = rng.randrange(11), f"c-{rng.randrange(200)}"
        at = f"2026-03-02T10:{number // 60 % 60:02d}:{number % 60:02d}Z"
        self.tool = ("typeform", "formbricks")[number % 2]
        if self.tool == "typeform":
            form: dict[str, Any] = {
                "form_id": "f", "token": f"t{number}", "submitted_at": at, "hidden": {"customer_id": customer},
                "answers": [{"type": "number", "number": self.score, "field": {"id": "q", "type": "nps"}}],
            }  # fmt: skip
            self.body = json.dumps({"event_type": "form_response", "form_response": form}).encode()
            digest = hmac.digest(TYPEFORM_SECRET.encode(), self.body, "sha256")
            self.headers = {"Typeform-Signature": f"sha256={base64.b64encode(digest).decode()}"}
        else:
            data = {
                "id": f"t{number}", "surveyId": "f", "updatedAt": at, "data": {"q": self.score},
                "contact": {"userId": customer},
            }  # fmt: skip
            self.body = json.dumps({"event": "responseFinished", "data": data}).encode()
            now = str(SystemClock().now() // 1_000)
            key = base64.b64decode(WHSEC.removeprefix("whsec_"))
            digest = hmac.digest(key, f"m{number}.{now}.".encode() + self.body, "sha256")
            signature = f"v1,{base64.b64encode(digest).decode()}"
            self.headers = {"webhook-id": f"m{number}", "webhook-timestamp": now, "webhook-signature": signature}
        self.response = {
            "response_id": f"{self.tool}:t{number}", "survey_id": f"{self.tool}:f", "customer_id": customer,
            "score": self.score, "responded_at": at,
        }  # fmt: skip
        #: How often it was sent.
        self.attempts = 0


class Sending:
    """What the tools do: they send each answer again, the same bytes, until it is acknowledged."""

    def __init__(self, base: str, answers: Sequence[Answer], on_acknowledged: Callable[[int], None]) -> None:
        self._base = base
        self._left = iter(answers)
        self._on_acknowledged = on_acknowledged
        self._is_up = asyncio.Event()
        self.acknowledged = 0

    def up(self, *, is_up: bool) -> None:
        """Say whether there is a receiver, so that nobody asks in vain all the time."""
        (self._is_up.set if is_up else self._is_up.clear)()

    async def run(self, senders: int) -> None:
        async with ClientSession(connector=TCPConnector(limit=senders)) as client:
            await asyncio.gather(*(self._send(client) for _ in range(senders)))

    async def _send(self, client: ClientSession) -> None:
        for answer in self._left:
            while not await self._is_acknowledged(client, answer):
                await self._is_up.wait()
            self.acknowledged += 1
            self._on_acknowledged(self.acknowledged)

    async def _is_acknowledged(self, client: ClientSession, answer: Answer) -> bool:
        await self._is_up.wait()
        answer.attempts += 1
        try:
            url = f"{self._base}/receive/{answer.tool}"
            async with client.post(url, data=answer.body, headers=answer.headers) as got:
                await got.read()
        except (ClientError, OSError):
            await asyncio.sleep(0)
            return False
        assert got.status in {200, 503}, got.status
        return got.status == 200


class Killing:
    """A receiver that is killed at chosen moments, and started again at the same port."""

    def __init__(self, env: dict[str, str], moments: Sequence[int], rng: random.Random) -> None:
        """`moments`: after how many acknowledged deliveries it is killed, ascending."""
        self._env = env
        self._moments = iter(moments)
        self._next: float = next(self._moments)
        self._due = asyncio.Event()
        self._rng = rng
        self._process: Process | None = None
        self.kills = 0

    def on_acknowledged(self, count: int) -> None:
        if count >= self._next:
            self._due.set()

    async def start(self) -> str:
        """Start the receiver; return the beginning of its address."""
        self._process = await start_worker("run", "--role", "receive", env=self._env)
        base = await address_of(self._process)
        self._env["NPS_RECEIVE__PORT"] = base.rpartition(":")[2]
        return base

    async def run(self, sending: Sending) -> None:
        """Kill it whenever it is due, until cancelled."""
        while True:
            await self._due.wait()
            await asyncio.sleep(self._rng.random() * 0.02)  # anywhere in what a delivery takes
            sending.up(is_up=False)
            await self.kill()
            self.kills += 1
            self._next = next(self._moments, math.inf)
            self._due.clear()
            await self.start()
            sending.up(is_up=True)

    async def kill(self) -> None:
        assert self._process is not None
        await self._process.end(signal.SIGKILL)


async def test_a_receiver_that_is_killed_at_any_moment_loses_and_doubles_nothing(
    bench: StartBench, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    answers = [Answer(number, rng) for number in range(_ANSWERS)]
    receive = ReceiveSettings.model_validate({"sources": TWO_TOOLS})
    async with bench(receive=receive) as running:
        settings = running.settings
        env = environment(settings.kafka.bootstrap_servers, running.inbox, settings.topic_prefix, tmp_path)
        env["NPS_KAFKA__GROUP"] = settings.kafka.group
        # The moments lie anywhere between two acknowledgements, and so early that there is enough left to deliver.
        moments = sorted(rng.sample(range(20, _ANSWERS - 250), _KILLS))
        killing = Killing({**env, **in_environment(receive)}, moments, rng)
        sending = Sending(await killing.start(), answers, killing.on_acknowledged)
        sending.up(is_up=True)
        killer = asyncio.create_task(killing.run(sending))
        try:
            await sending.run(_SENDERS)
        finally:
            killer.cancel()
            await killing.kill()
        await running.settle()
        published = [record for record in await running.read("responses") if (record.value or b"").startswith(b"{")]
        decided = [json.loads(record.value) for record in await running.read("decisions")]
        letters = await running.read("dead-letters")
        scores = {r.key: json.loads(r.value) for r in await running.read("scores")}

    doubled = len(published) - len(answers)
    again = sum(answer.attempts for answer in answers) - len(answers)
    print(f"{killing.kills} kills; {again} deliveries were sent again, {doubled} of which had been published before")
    accepted = Counter(decision["response_id"] for decision in decided if decision["outcome"] == "accepted")
    assert {answer.response["response_id"]: 1 for answer in answers} == accepted
    assert (_KILLS, _ANSWERS) == (killing.kills, sending.acknowledged)
    assert again > 0
    assert {"accepted", "duplicate"} >= {decision["outcome"] for decision in decided}
    assert doubled == sum(decision["outcome"] == "duplicate" for decision in decided)
    assert [] == letters
    recount = Recount()
    for answer in answers:
        recount.take(answer.response)
    whole, expected = scores[b""]["windows"]["all"], recount.windows()[""]["all"]
    assert expected == {name: whole[name] for name in expected}
