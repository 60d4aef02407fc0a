"""What a customer wrote, and what is secret, is in no log line, metric, span, reason of a dead letter, header or URL.

Each canary is wherever it can come from: in valid and refused responses, commands and forms, and in what servers say.
All roles run.
"""

import asyncio
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer
from flow.traces import traced
from integration.processes import Process, environment, start_worker, worker_process
from integration.reading import read_topic
from integration.test_channels import SECRET
from integration.test_metrics import ask
from integration.test_process import free_port
from notify.rigs import HOST, SECRET_PATH, SECRET_QUERY, What, http_server
from tracing.recording import collector

from worker.embedded.inbox import Inbox, Step
from worker.embedded.kafka import EmbeddedKafka

NAME = "canaries"
#: What is a customer's: each is a text that is nowhere else.
COMMENT, PERSON, ADDRESS, PHONE = "kanarie-comment", "kanarie-person", "kanarie-address", "kanarie-phone"
PLACE, AGENT, NOTE = "kanarie-place", "kanarie-agent", "kanarie-note"
PERSONAL = (COMMENT, PERSON, ADDRESS, PHONE, PLACE, NOTE)
PASSWORD, LINK_KEY = "s3cr3t-of-the-mail-server", "s3cr3t-key-of-the-links-with-32-characters"
SECRETS = (PASSWORD, LINK_KEY, SECRET, SECRET.removeprefix("whsec_"), SECRET_PATH, SECRET_QUERY)
#: The trace of the answer.
TRACE = 0xABC
#: Begins every canary of a customer.
_ANY = "kanarie"

ANSWER: dict[str, Any] = {
    "response_id": "r-1",
    "survey_id": "s",
    "customer_id": "c-1",
    "score": 1,
    "comment": f"Late. {COMMENT}",
    "responded_at": "2025-06-01T10:00:00Z",
    "segment": ["fr", PLACE],
    "customer": {"name": PERSON, "email": f"{ADDRESS}@example.com", "phone": f"+33 {PHONE}", "owner": AGENT},
    "consent": {"callback": True, "public_review": True},
}
#: What is wrong in each of the refused responses, which have the canaries in the right places too.
WRONG: tuple[dict[str, Any], ...] = (
    {"score": COMMENT},
    {"score": 11},
    {"responded_at": PERSON},
    {"segment": {PLACE: PLACE}},
    {"segment": [PLACE, f"{PLACE}\n"]},
    {"customer": PERSON},
    {"customer": {"email": {ADDRESS: 1}, "phone": [PHONE]}},
    {"consent": {"callback": PERSON}},
    {"customer_id": f"{ADDRESS}\u0000"},
    {"survey_id": [COMMENT]},
    {"comment": {COMMENT: COMMENT}},
)


def refused() -> list[bytes]:
    texts = [json.dumps({**ANSWER, "response_id": f"w-{n}", **wrong}) for n, wrong in enumerate(WRONG)]
    return [*(text.encode() for text in texts), f'{{"comment": "{COMMENT}'.encode(), f"{ADDRESS};{PHONE}".encode()]


async def publish(kafka: str) -> None:
    """Publish responses and commands, all with canaries."""
    agreed = {**ANSWER, "response_id": "r-2", "customer_id": "c-2", "score": 10}
    odd = [(PERSON, ADDRESS.encode()), ("traceparent", f"00-{PHONE}-{PERSON}-01".encode())]
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for value in (json.dumps(agreed).encode(), *refused()):
            await producer.send_and_wait(f"{NAME}.responses", value, key=b"c-2", headers=odd)
        command = {"command_id": "k-1", "customer_id": "c-1", "alert_id": "none", "action": "note", "actor": PERSON}
        for changes in ({"note": NOTE}, {"note": {NOTE: NOTE}}, {"actor": [PERSON]}):
            value = json.dumps({**command, **changes}).encode()
            await producer.send_and_wait(f"{NAME}.alert-commands", value, key=b"c-1")
        silence = {"silence_id": "x", "action": "add", "matchers": {PLACE: PERSON}, "reason": NOTE, "actor": PERSON}
        await producer.send_and_wait(f"{NAME}.silence-commands", json.dumps(silence).encode(), key=b"x")
        # A publisher may put anything into tracestate, and into a context that is invalid.
        headers = [*traced(TRACE), ("tracestate", f"shop={PERSON}".encode())]
        await producer.send_and_wait(
            f"{NAME}.responses", json.dumps(ANSWER).encode(), key=ADDRESS.encode(), headers=headers
        )


def shown_in(texts: list[str], canaries: tuple[str, ...]) -> list[str]:
    """Return the texts that show a canary."""
    return [text for text in texts if any(canary in text for canary in canaries)]


async def until_ready(*ports: int) -> None:
    for port in ports:
        while (await ask(port, "/readyz"))[0] != 200:  # noqa: ASYNC110 - a probe raises no event here
            await asyncio.sleep(0.05)


async def test_no_canary_leaves_its_place(  # noqa: PLR0915 - it is one way through all roles
    kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    offered = 0

    async def full(step: Step, _: Any) -> str | None:
        """Refuse the first mails with a text that names the customer."""
        nonlocal offered
        offered += step is Step.DATA
        return f"451 4.2.2 {ADDRESS} {PERSON} later" if step is Step.DATA and offered < 3 else None

    async with AsyncExitStack() as stack:
        inbox = await stack.enter_async_context(Inbox(behaviour=full, credentials=("nps", PASSWORD)))
        crm = await stack.enter_async_context(http_server())
        room = await stack.enter_async_context(http_server())
        traces = await stack.enter_async_context(collector())
        crm.does = room.does = What.LATER
        ports = {role: free_port() for role in ("process", "notify", "web")}
        web_port = free_port()

        def url(port: int) -> str:
            return f"http://{HOST}:{port}/hooks/{SECRET_PATH}?token={SECRET_QUERY}"

        env = environment(kafka.bootstrap_servers, inbox, NAME, tmp_path) | {
            "NPS_LOG_LEVEL": "DEBUG",
            "NPS_SMTP__USERNAME": "nps",
            "NPS_SMTP__PASSWORD": PASSWORD,
            "NPS_EMAIL__RETRY__FIRST_SECONDS": "0.05",
            "NPS_WEBHOOK__RETRY__FIRST_SECONDS": "0.05",
            "NPS_CHAT__RETRY__FIRST_SECONDS": "0.05",
            "NPS_WEB__BASE_URL": f"http://127.0.0.1:{web_port}",
            "NPS_WEB__PORT": str(web_port),
            "NPS_WEB__KEYS": json.dumps([LINK_KEY]),
            "NPS_WEBHOOK__ENDPOINTS": json.dumps(
                {"crm": {"url": url(crm.port), "secrets": [SECRET], "traceparent": True}}
            ),
            "NPS_CHAT__ENDPOINTS": json.dumps({"care": {"url": url(room.port)}}),
            "NPS_TRACING__ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{traces.port}",
        }
        processes: list[Process] = []
        for role, port in ports.items():
            own = {**env, "NPS_METRICS__BIND": f"127.0.0.1:{port}"}
            process = await stack.enter_async_context(worker_process("run", "--role", role, env=own))
            processes.append(process)
            await process.said("started")
        await until_ready(*ports.values())
        await publish(kafka.bootstrap_servers)
        crm.does = room.does = What.ACCEPT
        await inbox.wait_for(1)
        link = re.search(rf"http://127\.0\.0\.1:{web_port}/\S+", _plain(inbox.mails[0].message))
        assert link is not None
        await acknowledge(link[0])
        while len(crm.accepted) < 2 or not room.accepted:  # noqa: ASYNC110 - the alert and its acknowledgement
            await asyncio.sleep(0.05)
        metrics = [(await ask(port, "/metrics"))[1] for port in ports.values()]
        probes = [(await ask(port, path))[1] for port in ports.values() for path in ("/livez", "/readyz", "/startupz")]
        asked = await start_worker("health", env=env)
        assert await asked.exited() == 0, asked.lines
        for process in processes:
            assert await process.end() == 0
        lines = [*asked.lines, *(line for process in processes for line in process.lines)]
        urls = [link[0], *(request.path_qs for request, _ in (*crm.requests, *room.requests))]
        headers = [str(dict(request.headers)) for request, _ in (*crm.requests, *room.requests)]
        topics = ("alerts", "invitations", "decisions", "dead-letters", "deliveries", "scores", "alert-command-results")
        records = {topic: await read_topic(kafka.bootstrap_servers, f"{NAME}.{topic}") for topic in topics}

    letters = [json.loads(record.value) for record in records["dead-letters"]]
    reasons = [f"{letter['reason']} {letter['detail']} {letter['topic']}" for letter in letters]
    of_kafka = [str(record.headers) for each in records.values() for record in each]
    log_of_deliveries = [record.value.decode() for record in records["deliveries"] if record.value]
    # The canaries are where they belong. So the test would find them elsewhere.
    assert len(letters) >= len(refused()) + 3
    assert any(COMMENT in record.value.decode() for record in records["alerts"] if record.value)
    assert PERSON in _plain(inbox.mails[0].message)
    assert offered >= 3
    assert any("smtp_451" in line for line in lines)
    assert {f"process {NAME}.responses", f"process {NAME}.alert-commands", "send email", "send webhook"} <= {
        span.name for span in traces.spans
    }
    assert {link.trace_id for span in traces.spans for link in span.links} == {TRACE.to_bytes(16, "big")}
    assert {"info", "warning"} <= {json.loads(line)["level"] for line in lines[len(asked.lines) :]}

    everywhere = (_ANY, *SECRETS)
    assert shown_in(lines, everywhere) == []
    assert shown_in(metrics + probes, everywhere) == []
    assert shown_in([str(request) for request in traces.requests], everywhere) == []
    assert shown_in(reasons + log_of_deliveries, everywhere) == []
    assert shown_in(of_kafka, everywhere) == []
    assert shown_in(headers, everywhere) == []
    assert shown_in(urls, (_ANY, PASSWORD, LINK_KEY, SECRET)) == []


def _plain(message: Any) -> str:
    """Return the text of a mail."""
    part = message.get_body(("plain",))
    return str(part.get_content())


async def acknowledge(url: str) -> None:
    """Acknowledge by a link, as a person does whose browser and form have canaries as well."""
    form = {"name": PERSON, "note": NOTE}
    async with ClientSession(headers={"User-Agent": PERSON, "Referer": f"https://{ADDRESS}.example"}) as client:
        while True:
            async with client.get(url) as page:
                if "Will you look after this customer?" in await page.text():
                    break
            await asyncio.sleep(0.05)
        async with client.post(url, data=form) as page:
            assert "Thank you" in await page.text()
        async with client.get(f"{url}{ADDRESS}") as page:
            assert page.status == 404
