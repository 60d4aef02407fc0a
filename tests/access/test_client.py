"""Where a request comes from: only trusted proxies are believed, and only a page of this site may send a form."""

from ipaddress import ip_network

import pytest

from worker.access.client import client_of, is_local_host, is_own, is_trusted

PROXIES = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1"), ip_network("fd00::/8"))
ORIGIN = "https://nps.example.com"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),  # nobody trusts this peer
        ("127.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("127.0.0.1", "198.51.100.9, 10.1.2.3", "198.51.100.9"),
        ("127.0.0.1", "1.2.3.4, 198.51.100.9", "198.51.100.9"),  # what the client itself has sent
        ("127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("::ffff:127.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("127.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("127.0.0.1", "[2001:db8:1:2::9]", "2001:db8:1:2::"),
        ("fd00::1%eth0", "198.51.100.9", "198.51.100.9"),
        ("127.0.0.1", "nonsense", ""),
        ("", "198.51.100.9", ""),
        ("127.0.0.1", "", ""),
        ("::1", "198.51.100.9", ""),
        ("127.0.0.1", ",".join(["1.2.3.4", *["10.0.0.1"] * 50]), "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy(peer: str, forwarded: str, client: str) -> None:
    assert client == client_of(peer, forwarded, PROXIES)


def test_a_proxy_is_trusted_by_its_address() -> None:
    assert is_trusted("10.200.0.1", PROXIES)
    assert is_trusted("::ffff:10.0.0.1", PROXIES)
    assert not is_trusted("11.0.0.1", PROXIES)
    assert not is_trusted("", PROXIES)
    assert not is_trusted("10.0.0.1", ())


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("localhost:8080", True),
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("127.9.9.9", True),
        ("nps.example.com", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com:80", False),
        ("192.0.2.1", False),
        ("127.0.0.1@example.com", False),
        ("", False),
        ("[", False),
    ],
)
def test_only_names_of_this_machine_are_local(host: str, local: bool) -> None:
    assert local is is_local_host(host)


@pytest.mark.parametrize(
    ("site", "origin", "own"),
    [
        ("same-origin", None, True),
        ("same-origin", "null", True),
        ("same-origin", ORIGIN, True),
        ("same-origin", "https://evil.test", False),
        ("same-site", ORIGIN, False),
        ("cross-site", None, False),
        ("none", None, False),
        (None, None, True),
        (None, ORIGIN, True),
        (None, "null", False),
        (None, "https://evil.test", False),
        (None, "http://nps.example.com", False),
    ],
)
def test_only_a_page_of_this_site_sends_a_form(site: str | None, origin: str | None, own: bool) -> None:
    headers = {"Sec-Fetch-Site": site, "Origin": origin}

    assert own is is_own({name: value for name, value in headers.items() if value is not None}, ORIGIN)
