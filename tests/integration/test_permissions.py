"""What `python -m worker topics` prints for each role is what it needs, on a Kafka that grants nothing else."""

import asyncio
import json
import shlex
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from integration.processes import environment, worker_process

from worker import topic_plan
from worker.embedded.inbox import Inbox
from worker.embedded.jars import class_path
from worker.embedded.java import find_java
from worker.embedded.kafka import EmbeddedKafka
from worker.embedded.secured import Secured
from worker.settings import KafkaSettings, Settings

USERS = {"deciding": "canary-1", "mailing": "canary-2", "tool": "canary-3"}
ROLES: dict[str, topic_plan.Role] = {"deciding": "process", "mailing": "notify", "tool": "publisher"}
NAME = "granted"


async def grant(servers: str, settings: Settings) -> None:
    """Do what the printed commands say, each with Kafka's own tool."""
    java, jars = str(find_java()), class_path(lambda _: None)
    for user, role in ROLES.items():
        for line in topic_plan.shown(settings, "kafka-acls", role, f"User:{user}"):
            tool, _, _, *words = shlex.split(line)
            assert tool == "kafka-acls.sh"
            process = await asyncio.create_subprocess_exec(
                java, "-cp", jars, "org.apache.kafka.tools.AclCommand", "--bootstrap-server", servers, *words,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            said, _ = await process.communicate()
            assert process.returncode == 0, said


@pytest.mark.thorough
async def test_each_role_does_its_job_with_what_it_is_granted_and_no_more(inbox: Inbox, tmp_path: Path) -> None:
    authority = trustme.CA()
    broker = authority.issue_cert("127.0.0.1")
    key = load_pem_private_key(broker.private_key_pem.bytes(), None)
    secured = Secured(
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        chain=b"".join(blob.bytes() for blob in broker.cert_chain_pems).decode(),
        users=USERS,
        grants_only=True,
    )
    answer = {"response_id": "r-1", "survey_id": "s", "customer_id": "c-1", "score": 1}
    file = tmp_path / "responses.jsonl"
    file.write_text(json.dumps({**answer, "responded_at": "2025-06-01T10:00:00Z"}))
    async with EmbeddedKafka(secured=secured) as kafka:
        own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group=NAME)
        await grant(kafka.bootstrap_servers, Settings.model_construct(topic_prefix=NAME, kafka=own))
        envs = {
            user: {
                **environment(kafka.secured_servers("SASL_PLAINTEXT"), inbox, NAME, tmp_path),
                "NPS_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "NPS_KAFKA__SASL_USERNAME": user,
                "NPS_KAFKA__SASL_PASSWORD": password,
            }
            for user, password in USERS.items()
        }
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
