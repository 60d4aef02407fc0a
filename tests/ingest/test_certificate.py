"""The server's own TLS: deliveries come by https, also with a certificate that has replaced another one."""

import asyncio
import os
import ssl
from pathlib import Path

import pytest
import trustme
import uvloop
from aiohttp import ClientSession
from ingest.sites import SECRET, Desk, settings_of, site_of
from ingest.test_site import BODY
from serving import listening
from test_tls import HOST, replace

from worker.errors import SettingsError
from worker.ingest.certificate import server_context
from worker.ingest.site import HEADERS
from worker.server import Server
from worker.service import Failure


def write(folder: Path, authority: trustme.CA) -> dict[str, str]:
    """Write a certificate and its key; return the settings that name them."""
    certificate = authority.issue_cert(HOST)
    replace(folder / "tls.crt", b"".join(part.bytes() for part in certificate.cert_chain_pems))
    replace(folder / "tls.key", certificate.private_key_pem.bytes())
    return {"tls_certfile": str(folder / "tls.crt"), "tls_keyfile": str(folder / "tls.key")}


async def status(port: int, authority: trustme.CA) -> int:
    """Return the status of a delivery over a new connection that trusts this authority only."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with ClientSession() as client:
        url = f"https://{HOST}:{port}/receive/by_header"
        async with client.post(url, data=BODY, headers={"Authorization": SECRET}, ssl=trusting) as response:
            return response.status


async def deliver_by_https(folder: Path) -> None:
    first, second = trustme.CA(), trustme.CA()
    settings = settings_of(**write(folder, first))
    desk = Desk()
    server = Server(
        site_of(desk, settings).application(), HOST, 0, Failure(), headers=HEADERS, tls=server_context(settings)
    )
    async with listening(server):
        assert 200 == await status(server.port, first)
        write(folder, second)
        assert 200 == await status(server.port, second)
        with pytest.raises(OSError, match="certificate"):
            await status(server.port, first)
    assert 2 == len(desk.published)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_deliveries_come_by_https_and_a_new_certificate_is_used(loop: type, tmp_path: Path) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(deliver_by_https(tmp_path))


def test_files_without_a_certificate_are_wrong_settings(tmp_path: Path) -> None:
    good = write(tmp_path, trustme.CA())
    other = tmp_path / "other"
    other.mkdir()
    foreign_key = write(other, trustme.CA())["tls_keyfile"]
    for wrong in ({"tls_certfile": os.devnull}, {"tls_keyfile": os.devnull}, {"tls_keyfile": foreign_key}):
        with pytest.raises(SettingsError, match=r"^receive\.tls_certfile, receive\.tls_keyfile: the files hold no"):
            server_context(settings_of(**good | wrong))

    assert server_context(settings_of()) is None
