"""Plain clients and Faust's get the same options, and certificates and host names are always checked."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from worker.errors import SettingsError
from worker.kafka.connection import client_options, ssl_context
from worker.settings import KafkaSettings
from worker.streams.faust_app import credentials

PASSWORD = "canary-2718"
LOGIN = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": "nps", "sasl_plain_password": PASSWORD}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def cafile(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def settings(protocol: str, **changes: Any) -> KafkaSettings:
    login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "nps", "sasl_password": PASSWORD}
    if not protocol.startswith("SASL"):
        login = {}
    return KafkaSettings.model_validate({"security_protocol": protocol, **login, **changes})


@pytest.mark.parametrize(
    ("protocol", "encrypted", "login"),
    [("PLAINTEXT", False, {}), ("SSL", True, {}), ("SASL_PLAINTEXT", False, LOGIN), ("SASL_SSL", True, LOGIN)],
)
def test_plain_clients_and_fausts_are_told_the_same(
    cafile: Path, protocol: str, encrypted: bool, login: dict[str, str]
) -> None:
    kafka = settings(protocol, ssl_cafile=cafile, bootstrap_servers="a:1, b:2", group="g")
    ours = client_options(kafka)
    fausts = dict(credentials_to_aiokafka_auth(credentials(kafka)))
    contexts = [options.pop("ssl_context", None) for options in (ours, fausts)]

    assert ours == {"bootstrap_servers": ["a:1", "b:2"], "client_id": "g", "security_protocol": protocol, **login}
    assert fausts == {"security_protocol": protocol, **login}
    assert [context is not None for context in contexts] == [encrypted, encrypted]


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_certificates_and_names_are_checked_against_the_authority(cafile: Path, protocol: str) -> None:
    context = ssl_context(settings(protocol, ssl_cafile=cafile))

    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1


def test_without_an_authority_the_systems_are_taken(cafile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(cafile))
    context = ssl_context(settings("SSL"))

    assert context is not None
    assert len(context.get_ca_certs()) >= 1


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_files_that_the_protocol_does_not_need_are_not_read(tmp_path: Path, protocol: str) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()

    assert ssl_context(settings(protocol, ssl_cafile=empty)) is None


def test_a_file_without_a_certificate_is_named_by_its_key(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()

    with pytest.raises(SettingsError, match=r"^kafka.ssl_cafile: the file holds no certificate \(PEM\)$"):
        ssl_context(settings("SSL", ssl_cafile=empty))


@pytest.mark.parametrize("flaw", ["another's key", "an encrypted key", "no key"])
def test_a_client_certificate_without_its_key_is_told_so_and_no_passphrase_asked_for(
    authority: trustme.CA, tmp_path: Path, flaw: str
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued = authority.issue_cert("worker@example.com")
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    text = {
        "another's key": authority.issue_cert("other@example.com").private_key_pem.bytes(),
        "an encrypted key": load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase")
        ),
        "no key": b"",
    }
    key.write_bytes(text[flaw])

    with pytest.raises(
        SettingsError, match=r"^kafka.ssl_certfile: the file holds no certificate that fits the unencrypted key"
    ):
        ssl_context(settings("SSL", ssl_certfile=certificate, ssl_keyfile=key))
    key.write_bytes(issued.private_key_pem.bytes())
    assert ssl_context(settings("SSL", ssl_certfile=certificate, ssl_keyfile=key)) is not None
