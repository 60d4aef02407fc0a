"""How a delivery came: only trusted proxies are believed, and a secret is not accepted that others could read."""

from ipaddress import ip_network

import pytest

from worker.receive.proxies import Peer, Proxies, is_private, url_of

STRANGER = Peer(is_local=False, is_trusted=False)
LOCAL = Peer(is_local=True, is_trusted=False)
PROXY = Peer(is_local=False, is_trusted=True)
LOCAL_PROXY = Peer(is_local=True, is_trusted=True)


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("127.0.0.1", LOCAL),
        ("::1", LOCAL),
        ("::ffff:127.0.0.1", LOCAL),
        ("10.1.2.3", PROXY),
        ("::ffff:10.1.2.3", PROXY),
        ("fd00::7", PROXY),
        ("fe80::1%eth0", STRANGER),
        ("11.1.2.3", STRANGER),
        ("", STRANGER),
        ("/run/socket", STRANGER),
    ],
)
def test_an_address_is_that_of_a_proxy_if_the_settings_name_it(address: str, peer: Peer) -> None:
    proxies = Proxies((ip_network("10.0.0.0/8"), ip_network("fd00::7")))

    assert peer == proxies.peer(address)


@pytest.mark.parametrize(
    ("peer", "forwarded", "encrypted", "private"),
    [
        (STRANGER, None, False, False),
        (STRANGER, "https", False, False),  # anybody can write this header
        (STRANGER, None, True, True),
        (STRANGER, "http", True, True),
        (LOCAL, None, False, True),
        (LOCAL, "http", False, True),
        (PROXY, "https", False, True),
        (PROXY, " HTTPS , https", False, True),
        (PROXY, "http", False, False),
        (PROXY, "http, https", False, False),  # the first of two proxies got it by http
        (PROXY, "http", True, False),
        (PROXY, None, False, False),
        (PROXY, None, True, True),
        (LOCAL_PROXY, "https", False, True),
        (LOCAL_PROXY, None, False, False),
    ],
)
def test_a_delivery_is_private_if_nobody_on_its_way_could_read_it(
    peer: Peer, forwarded: str | None, encrypted: bool, private: bool
) -> None:
    headers = {} if forwarded is None else {"x-forwarded-proto": forwarded}

    assert private is is_private(peer, headers, is_encrypted=encrypted)


def test_the_address_of_a_delivery_is_that_at_which_the_tool_knows_the_worker() -> None:
    headers = {"host": "10.0.0.1:8090", "x-forwarded-host": "nps.example.com"}

    assert "https://a.example/b/receive/x?y=%2F" == url_of("https://a.example/b", LOCAL, headers, "/receive/x?y=%2F")
    assert "https://nps.example.com/receive/x" == url_of(None, PROXY, headers, "/receive/x")
    assert "https://10.0.0.1:8090/receive/x" == url_of(None, STRANGER, headers, "/receive/x")
    assert "https:///receive/x" == url_of(None, STRANGER, {}, "/receive/x")
