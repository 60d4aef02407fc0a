"""TLS with certificates from files that are renewed: a real server, asyncio's, whose clients have to show one."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from worker.errors import SettingsError
from worker.kafka.connection import ssl_context
from worker.settings import KafkaSettings
from worker.tls import trusting

HOST = "127.0.0.1"


@asynccontextmanager
async def server(tls: ssl.SSLContext) -> AsyncIterator[tuple[int, "asyncio.Queue[str]"]]:
    """Run a server; yield its port, and the names in the certificates that clients have shown."""
    shown: asyncio.Queue[str] = asyncio.Queue()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("peercert") or {}
        shown.put_nowait(certificate["subjectAltName"][0][1] if certificate else "")
        writer.close()

    async with await asyncio.start_server(accept, HOST, 0, ssl=tls) as listening:
        yield listening.sockets[0].getsockname()[1], shown


def server_context(authority: trustme.CA, *, asks: bool = False) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(tls)
    if asks:
        authority.configure_trust(tls)
        tls.verify_mode = ssl.CERT_REQUIRED
    return tls


async def connect(port: int, tls: ssl.SSLContext) -> None:
    _, writer = await asyncio.open_connection(HOST, port, ssl=tls)
    writer.close()


def replace(path: Path, content: bytes) -> None:
    """Replace a file as Kubernetes and cert-manager do: in one step."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)


def own_certificate(directory: Path, authority: trustme.CA, name: str) -> KafkaSettings:
    certificate = authority.issue_cert(name)
    replace(directory / "ca.pem", authority.cert_pem.bytes())
    replace(directory / "tls.crt", b"".join(part.bytes() for part in certificate.cert_chain_pems))
    replace(directory / "tls.key", certificate.private_key_pem.bytes())
    return KafkaSettings(
        security_protocol="SSL",
        ssl_cafile=directory / "ca.pem",
        ssl_certfile=directory / "tls.crt",
        ssl_keyfile=directory / "tls.key",
    )


async def test_a_new_connection_to_kafka_shows_the_certificate_that_the_file_has_then(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl_context(own_certificate(tmp_path, authority, "first.example"))
    assert tls is not None
    async with server(server_context(authority, asks=True)) as (port, shown):
        await connect(port, tls)
        own_certificate(tmp_path, authority, "second.example")
        await connect(port, tls)

        assert [await shown.get(), await shown.get()] == ["first.example", "second.example"]


async def test_until_both_files_fit_the_earlier_certificate_is_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = trustme.CA()
    tls = ssl_context(own_certificate(tmp_path, authority, "first.example"))
    assert tls is not None
    second = authority.issue_cert("second.example")
    async with server(server_context(authority, asks=True)) as (port, shown):
        replace(tmp_path / "tls.crt", second.cert_chain_pems[0].bytes())
        with caplog.at_level(logging.WARNING):
            await connect(port, tls)
            await connect(port, tls)
        replace(tmp_path / "tls.key", second.private_key_pem.bytes())
        await connect(port, tls)

        assert [await shown.get() for _ in range(3)] == ["first.example", "first.example", "second.example"]
    [line] = caplog.messages  # one for each change, not for each connection
    assert line.startswith("kafka.ssl_certfile: ")


async def test_an_authority_that_was_removed_is_not_trusted_any_more(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    replace(tmp_path / "ca.pem", old.cert_pem.bytes())
    tls = trusting(tmp_path / "ca.pem", "smtp.cafile")
    async with server(server_context(old)) as (of_old, _), server(server_context(new)) as (of_new, _):
        await connect(of_old, tls)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(of_new, tls)
        replace(tmp_path / "ca.pem", new.cert_pem.bytes())
        await connect(of_new, tls)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(of_old, tls)


async def test_the_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    authority = trustme.CA()
    replace(tmp_path / "ca.pem", authority.cert_pem.bytes())
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(other)
    async with server(other) as (port, _):
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(port, trusting(tmp_path / "ca.pem", "smtp.cafile"))


async def test_a_file_that_is_lost_is_missed_only_at_the_next_start(tmp_path: Path) -> None:
    authority = trustme.CA()
    replace(tmp_path / "ca.pem", authority.cert_pem.bytes())
    tls = trusting(tmp_path / "ca.pem", "smtp.cafile")
    (tmp_path / "ca.pem").unlink()
    async with server(server_context(authority)) as (port, _):
        await connect(port, tls)

    with pytest.raises(SettingsError, match=r"smtp\.cafile"):
        trusting(tmp_path / "ca.pem", "smtp.cafile")
