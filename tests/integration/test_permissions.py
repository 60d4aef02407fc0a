"""What `python -m worker topics` prints for each role is what it needs, on a Kafka that grants nothing else."""

import asyncio
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from ingest.sites import RESPONSE, SECRET, post, settings_of
from integration.processes import Process, environment, worker_process
from integration.reading import read_topic
from integration.test_links import posted, read_until
from integration.test_receive import address_of

from schemas.alert import Alert
from worker import topic_plan
from worker.embedded.inbox import Inbox
from worker.embedded.jars import class_path
from worker.embedded.java import find_java
from worker.embedded.kafka import EmbeddedKafka
from worker.embedded.secured import Secured
from worker.links.settings import WebSettings
from worker.settings import KafkaSettings, Settings

USERS = {"deciding": "canary-1", "mailing": "canary-2", "tool": "canary-3"}
ROLES: dict[str, topic_plan.Role] = {"deciding": "process", "mailing": "notify", "tool": "publisher"}
NAME = "granted"
#: Users of the role web who lack something: a topic, and whether they may at least describe it. In this order, since a
#: command whose answer may not be read is carried out all the same, and ends the case.
LACKING = {
    f"lacking-{number}": lacking
    for number, lacking in enumerate(
        (topic, may_describe)
        for topic in (f"{NAME}.alert-commands", f"{NAME}.alert-command-results", f"{NAME}-process-cases-changelog")
        for may_describe in (False, True)
    )
}
WEB = WebSettings(keys=["s3cr3t-key-of-the-links-with-32-characters"])


async def grant(servers: str, lines: Iterable[str]) -> None:
    """Do what printed commands say, each with Kafka's own tool."""
    java, jars = str(find_java()), class_path(lambda _: None)
    for line in lines:
        tool, _, _, *words = shlex.split(line)
        assert tool == "kafka-acls.sh"
        process = await asyncio.create_subprocess_exec(
            java, "-cp", jars, "org.apache.kafka.tools.AclCommand", "--bootstrap-server", servers, *words,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode == 0, said


def printed(settings: Settings, role: topic_plan.Role, user: str) -> list[str]:
    return topic_plan.shown(settings, "kafka-acls", role, f"User:{user}")


def printed_but(settings: Settings, user: str, topic: str, *, may_describe: bool) -> list[str]:
    """Return what is printed for the role web, but for the permissions of one topic."""
    lines = printed(settings, "web", user)
    [lacking] = [line for line in lines if f"--topic {topic} " in line]
    less = lacking.replace(" --operation Write", "").replace(" --operation Read", "")
    assert less != lacking
    return [*(line for line in lines if line != lacking), *([less] if may_describe else [])]


def secured(users: Mapping[str, str]) -> Secured:
    """Return a broker's listeners on which users may do only what they were granted."""
    authority = trustme.CA()
    broker = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(broker.private_key_pem.bytes(), None)
    return Secured(
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        chain=b"".join(blob.bytes() for blob in broker.cert_chain_pems).decode(),
        users=users,
        grants_only=True,
    )


def environments(kafka: EmbeddedKafka, inbox: Inbox, folder: Path, users: Mapping[str, str]) -> dict[str, Any]:
    """Return the environment of a worker for each user."""
    return {
        user: {
            **environment(kafka.secured_servers("SASL_PLAINTEXT"), inbox, NAME, folder),
            "NPS_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "NPS_KAFKA__SASL_USERNAME": user,
            "NPS_KAFKA__SASL_PASSWORD": password,
        }
        for user, password in users.items()
    }


@pytest.mark.thorough
async def test_each_role_does_its_job_with_what_it_is_granted_and_no_more(inbox: Inbox, tmp_path: Path) -> None:
    answer = {"response_id": "r-1", "survey_id": "s", "customer_id": "c-1", "score": 1}
    file = tmp_path / "responses.jsonl"
    file.write_text(json.dumps({**answer, "responded_at": "2025-06-01T10:00:00Z"}))
    async with EmbeddedKafka(secured=secured(USERS)) as kafka:
        own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=NAME)
        settings = Settings.model_construct(topic_prefix=NAME, kafka=own)
        for user, role in ROLES.items():
            await grant(kafka.bootstrap_servers, printed(settings, role, user))
        envs = environments(kafka, inbox, tmp_path, USERS)
        async with (
            worker_process("run", "--role", "process", env=envs["deciding"]) as deciding,
            worker_process("run", "--role", "notify", env=envs["mailing"]) as mailing,
        ):
            await deciding.said("started")
            await mailing.said("started")
            async with worker_process("publish", str(file), env=envs["tool"]) as publishing:
                assert await publishing.exited() == 0, publishing.lines
            await inbox.wait_for(1)
            assert await deciding.end() == 0
            assert await mailing.end() == 0
        assert not [line for line in deciding.lines + mailing.lines if "Authorization" in line or '"warning"' in line]
        async with worker_process("publish", str(file), env=envs["mailing"]) as refused:
            assert await refused.exited() == 1
        async with worker_process("run", "--role", "process", env=envs["tool"]) as refused:
            assert await refused.exited() == 1
        [line] = [line for line in refused.lines if '"critical"' in line]
        assert "python -m worker topics --format kafka-acls" in line


@pytest.mark.thorough
async def test_pages_need_what_is_printed_for_the_role_web_and_say_which_topic_they_lack(
    inbox: Inbox, tmp_path: Path
) -> None:
    users = dict.fromkeys(["deciding", "pages", *LACKING], "canary")
    async with EmbeddedKafka(secured=secured(users)) as kafka:
        servers = kafka.bootstrap_servers
        own = KafkaSettings(bootstrap_servers=servers, group=NAME)
        settings = Settings.model_construct(topic_prefix=NAME, kafka=own)
        lines = [*printed(settings, "process", "deciding"), *printed(settings, "web", "pages")]
        for user, (topic, may_describe) in LACKING.items():
            lines += printed_but(settings, user, topic, may_describe=may_describe)
        await grant(servers, lines)
        envs = environments(kafka, inbox, tmp_path, users)
        web = {"NPS_WEB__PORT": "0", "NPS_WEB__KEYS": json.dumps([key.get_secret_value() for key in WEB.keys])}
        async with (
            ClientSession() as client,
            AIOKafkaProducer(bootstrap_servers=servers) as producer,
            worker_process("run", "--role", "process", env=envs["deciding"]) as deciding,
        ):
            await deciding.said("started")
            body = {"response_id": "r-1", "survey_id": "s", "customer_id": "c-1", "score": 1}
            value = json.dumps({**body, "responded_at": "2025-06-01T10:00:00Z"}).encode()
            await producer.send_and_wait(f"{NAME}.responses", value, key=b"c-1")
            links = await _links(servers)
            async with worker_process("run", "--role", "web", env=envs["pages"] | web) as pages:
                base = await _address(pages)
                await read_until(client, base + links["acknowledge"], "Will you look after this customer?")
                assert "Thank you, you have it" in await posted(client, base + links["acknowledge"])
                assert await pages.end() == 0
            assert not [line for line in pages.lines if "Authorization" in line or "may not be read" in line]
            # Without keys, the role serves the page, which follows much more.
            async with worker_process("run", "--role", "web", env=envs["pages"] | {"NPS_WEB__PORT": "0"}) as pages:
                base = await _address(pages)
                await read_until(client, f"{base}/answers", "An alert was opened")
                await read_until(client, f"{base}/tree", "Data as of")
                assert await pages.end() == 0
            assert not [line for line in pages.lines if "Authorization" in line or "may not be read" in line]

            for user, (topic, may_describe) in LACKING.items():
                async with worker_process("run", "--role", "web", env=envs[user] | web) as lacking:
                    if topic.endswith("changelog"):
                        await lacking.said(topic)
                        assert not may_describe or await lacking.exited() == 1
                    else:
                        base = await _address(lacking)
                        await read_until(client, base + links["resolve"], "What came of it?")
                        assert "It is not sure" in await posted(client, base + links["resolve"], outcome="solved")
                        await lacking.said(topic)
                hints = [line for line in lacking.lines if topic in line]
                assert any("python -m worker topics" in line or "may not be read" in line for line in hints), hints


@pytest.mark.thorough
async def test_a_receiver_needs_what_is_printed_for_its_role_and_stops_if_it_lacks_a_topic(
    inbox: Inbox, tmp_path: Path
) -> None:
    users = dict.fromkeys(["receiving", "lacking"], "canary")
    body = json.dumps({**RESPONSE, "response_id": "r-1"}).encode()
    async with EmbeddedKafka(secured=secured(users)) as kafka:
        servers = kafka.bootstrap_servers
        own = KafkaSettings(bootstrap_servers=servers, group=NAME)
        settings = Settings.model_construct(topic_prefix=NAME, kafka=own, receive=settings_of())
        lines = [line for user in users for line in printed(settings, "receive", user)]
        wanted = [line for line in lines if not ("User:lacking" in line and f"--topic {NAME}.responses" in line)]
        described = [
            line.replace(" --operation Write", "") for line in lines if line not in wanted and "User:lacking" in line
        ]
        assert described
        await grant(servers, [*wanted, *described])
        envs = environments(kafka, inbox, tmp_path, users)
        source = {"name": "care", "tool": "template", "secrets": [SECRET]}
        receive = {"NPS_RECEIVE__PORT": "0", "NPS_RECEIVE__SOURCES": json.dumps([source])}
        async with ClientSession() as client:
            async with worker_process("run", "--role", "receive", env=envs["receiving"] | receive) as receiving:
                base = await address_of(receiving)
                delivered = await post(client, f"{base}/receive/care", body, {"Authorization": SECRET})
                assert await receiving.end() == 0
            async with worker_process("run", "--role", "receive", env=envs["lacking"] | receive) as lacking:
                base = await address_of(lacking)
                refused = await post(client, f"{base}/receive/care", body, {"Authorization": SECRET})
                assert await lacking.exited() == 1
        found = await read_topic(servers, f"{NAME}.responses")

    assert (200, 503) == (delivered[0], refused[0])
    assert not [line for line in receiving.lines if "Authorization" in line or '"warning"' in line]
    [line] = [line for line in lacking.lines if '"critical"' in line]
    assert "python -m worker topics --format kafka-acls" in line
    assert ["r-1"] == [json.loads(record.value)["response_id"] for record in found]


async def _links(servers: str) -> dict[str, str]:
    """Wait for the alert; return the paths of its links."""
    made = WEB.links
    assert made is not None
    while not (found := await read_topic(servers, f"{NAME}.alerts")):  # noqa: ASYNC110 - Kafka raises no event here
        await asyncio.sleep(0.1)
    alert = Alert.model_validate_json(found[0].value or b"")
    return {action.value: path for action, path in made.of(alert, "care").items()}


async def _address(pages: Process) -> str:
    """Wait until a process serves pages; return the beginning of their addresses."""
    await pages.said("http://127.0.0.1:")
    [address] = {found[0] for line in pages.lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line))}
    return address
