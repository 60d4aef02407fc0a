"""A Kafka that demands TLS, a login, or both: what gets in does the whole job; what does not is told why."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from integration.processes import environment, worker_process

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.embedded.secured import Secured
from worker.errors import Refused, Unreachable
from worker.kafka.preflight import preflight
from worker.settings import KafkaSettings

USER = "nps"
PASSWORD = "canary-6150"
WRONG = "canary-9034"


@dataclass
class Door:
    """The secured Kafka, and the files that open it."""

    kafka: EmbeddedKafka
    authority: Path
    stranger: Path
    certificate: Path

    def settings(self, protocol: str, listener: str | None = None, **changes: Any) -> KafkaSettings:
        """Return settings that fit, but for the changes."""
        fitting = {
            "bootstrap_servers": self.kafka.secured_servers(listener or protocol),
            "security_protocol": protocol,
            "sasl_mechanism": "PLAIN",
            "ssl_cafile": self.authority,
            "ssl_certfile": self.certificate if protocol == "SSL" else None,
        }
        if protocol.startswith("SASL"):
            fitting |= {"sasl_username": USER, "sasl_password": PASSWORD}
        return KafkaSettings.model_validate(fitting | changes)

    def variables(self, protocol: str, **changes: Any) -> dict[str, str]:
        """Return the same as variables of the environment."""
        kafka = self.settings(protocol, **changes)
        named = {name: str(value) for name in kafka.model_fields_set if (value := getattr(kafka, name)) is not None}
        if kafka.sasl_password is not None:
            named["sasl_password"] = kafka.sasl_password.get_secret_value()
        return {f"NPS_KAFKA__{name.upper()}": value for name, value in named.items()} | {"NPS_LOG_LEVEL": "DEBUG"}


@pytest.fixture(scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    broker = authority.issue_cert("127.0.0.1")  # and not for localhost
    key = load_pem_private_key(broker.private_key_pem.bytes(), None)
    secured = Secured(
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        chain=b"".join(blob.bytes() for blob in broker.cert_chain_pems).decode(),
        users={USER: PASSWORD},
        client_authority=authority.cert_pem.bytes().decode(),
    )
    files = {name: folder / f"{name}.pem" for name in ("authority", "stranger", "certificate")}
    authority.cert_pem.write_to_path(str(files["authority"]))
    trustme.CA().cert_pem.write_to_path(str(files["stranger"]))
    authority.issue_cert("worker@example.com").private_key_and_cert_chain_pem.write_to_path(str(files["certificate"]))
    async with EmbeddedKafka(secured=secured) as kafka:
        yield Door(kafka, **files)


@pytest.mark.parametrize(
    ("protocol", "mechanism"),
    [("SASL_SSL", "PLAIN"), ("SASL_SSL", "SCRAM-SHA-512"), ("SSL", "PLAIN")],
    ids=["password", "scram", "certificate"],
)
async def test_whoever_is_let_in_does_the_whole_job(
    door: Door, inbox: Inbox, tmp_path: Path, protocol: str, mechanism: str
) -> None:
    answer = {"response_id": "r-1", "survey_id": "s", "customer_id": "c-1", "score": 1}
    file = tmp_path / "responses.jsonl"
    file.write_text(json.dumps({**answer, "responded_at": "2025-06-01T10:00:00Z"}))
    name = f"{protocol}-{mechanism}"
    env = environment(door.kafka.bootstrap_servers, inbox, name, tmp_path) | door.variables(
        protocol, sasl_mechanism=mechanism
    )
    async with worker_process("run", env=env) as working:
        await working.said("started")
        async with worker_process("publish", str(file), env=env) as publishing:
            assert await publishing.exited() == 0
        [mail] = await inbox.wait_for(1)
        assert await working.end() == 0
    assert mail.message["To"] == "support@example.com"
    assert [line.strip() for line in publishing.lines] == [f"1 published to {name}.responses"]
    assert "all batches are finished, and their offsets are committed" in working.lines[-1]
    assert PASSWORD not in "".join(working.lines + publishing.lines)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_login_that_is_refused_is_called_that_and_ends_it(door: Door, tmp_path: Path, mechanism: str) -> None:
    env = door.variables("SASL_SSL", sasl_mechanism=mechanism, sasl_password=WRONG)
    async with worker_process("run", env=env) as process:
        assert await process.exited() == 1
    server = env["NPS_KAFKA__BOOTSTRAP_SERVERS"]
    [line] = process.lines
    assert json.loads(line)["level"] == "critical"
    assert json.loads(line)["message"] == (
        f"stopped: Kafka at {server}: the login is refused: check kafka.sasl_username, sasl_password and sasl_mechanism"
    )
    assert WRONG not in line


async def test_a_certificate_of_an_unknown_authority_is_called_that_and_ends_it(door: Door) -> None:
    env = door.variables("SASL_SSL", ssl_cafile=door.stranger)
    async with worker_process("run", env=env) as process:
        assert await process.exited() == 1
    [line] = process.lines
    assert "its certificate is not trusted (unable to get local issuer certificate): check kafka.ssl_cafile" in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sasl_password": WRONG}, "the login is refused"),
        ({"ssl_cafile": "stranger"}, "its certificate is not trusted"),
    ],
    ids=["login", "certificate"],
)
async def test_a_publisher_is_told_the_same(door: Door, tmp_path: Path, changes: dict[str, str], said: str) -> None:
    file = tmp_path / "responses.jsonl"
    file.write_text("{}")
    if "ssl_cafile" in changes:
        changes = {"ssl_cafile": str(door.stranger)}
    async with worker_process("publish", str(file), env=door.variables("SASL_SSL", **changes)) as process:
        assert await process.exited() == 1
    [line] = process.lines
    assert said in line
    assert WRONG not in line


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
async def test_every_login_that_fits_is_let_in(door: Door, protocol: str, mechanism: str) -> None:
    await preflight(door.settings(protocol, sasl_mechanism=mechanism))


async def test_a_name_that_the_certificate_is_not_for_is_refused(door: Door) -> None:
    named = door.kafka.secured_servers("SASL_SSL").replace("127.0.0.1", "localhost")
    with pytest.raises(Refused, match=r"certificate is not valid for 'localhost'.*: check kafka.bootstrap_servers"):
        await preflight(door.settings("SASL_SSL", bootstrap_servers=named))


@pytest.mark.parametrize(
    ("protocol", "listener"),
    [
        ("PLAINTEXT", "SSL"),
        ("PLAINTEXT", "SASL_PLAINTEXT"),
        ("PLAINTEXT", "SASL_SSL"),
        ("SSL", "SASL_PLAINTEXT"),
        ("SSL", "SASL_SSL"),
        ("SASL_PLAINTEXT", "SASL_SSL"),
        ("SASL_SSL", "SASL_PLAINTEXT"),
    ],
)
async def test_another_protocol_is_guessed_where_the_server_hangs_up(door: Door, protocol: str, listener: str) -> None:
    with pytest.raises(Unreachable, match=r"closes the connection; perhaps it needs another kafka.security_protocol"):
        await preflight(door.settings(protocol, listener))


async def test_a_client_certificate_that_is_wanted_is_guessed_as_well(door: Door) -> None:
    with pytest.raises(Unreachable, match=r"or a kafka.ssl_certfile"):
        await preflight(door.settings("SSL", ssl_certfile=None))


async def test_a_login_where_none_is_taken_is_told_so(door: Door) -> None:
    with pytest.raises(Refused, match=r"does not accept logins: check kafka.security_protocol"):
        await preflight(door.settings("SASL_PLAINTEXT", bootstrap_servers=door.kafka.bootstrap_servers))


async def test_one_server_that_lets_in_is_enough(door: Door) -> None:
    there = door.kafka.secured_servers("SASL_SSL")
    await preflight(door.settings("SASL_SSL", bootstrap_servers=f"127.0.0.1:1, {there}"))


async def test_of_several_servers_each_is_named_and_a_refusal_counts(door: Door) -> None:
    there = door.kafka.secured_servers("SASL_SSL")
    each = "at 127.0.0.1:1: not reachable, at 127.0.0.1:2: not reachable"
    with pytest.raises(Unreachable, match=rf"^Kafka {each} \(kafka.bootstrap_servers\)$"):
        await preflight(door.settings("SASL_SSL", bootstrap_servers="127.0.0.1:1,127.0.0.1:2"))
    with pytest.raises(Refused, match=f"^Kafka at {re.escape(there)}: the login is refused"):
        await preflight(door.settings("SASL_SSL", bootstrap_servers=f"127.0.0.1:1,{there}", sasl_password=WRONG))
