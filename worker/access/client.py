"""Where a request comes from: the client's address, and whether a page of this site has sent it."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from worker.address import is_loopback

Network = IPv4Network | IPv6Network
_SAME = "same-origin"


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0].strip("[]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def is_trusted(peer: str, proxies: Iterable[Network]) -> bool:
    """Say whether the other end of a connection is one of these proxies."""
    address = _address(peer)
    return address is not None and any(address in network for network in proxies)


def client_of(peer: str, forwarded: str, proxies: Sequence[Network]) -> str:
    """Return the address of a client. `peer`: the other end of the connection; `forwarded`: X-Forwarded-For.

    What a proxy that is not trusted says does not count. Each proxy adds the address of its client at the end, so the
    last address that is no trusted proxy is that of the client. Addresses of IPv6 count by their /64 networks, since a
    client has all addresses of one. The text is empty if the address is not known: an address of this machine may be
    that of a proxy that is not trusted.
    """
    found = _address(peer)
    for hop in reversed(forwarded.split(",")[-20:] if forwarded else []):
        if found is None or not any(found in network for network in proxies):
            break
        found = _address(hop)
    if found is None or found.is_loopback:
        return ""
    return str(IPv6Network((found, 64), strict=False).network_address if isinstance(found, IPv6Address) else found)


def is_local_host(host: str) -> bool:
    """Say whether the header Host names this machine: other names may lead here as well (DNS rebinding)."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


def is_own(headers: Mapping[str, str], origin: str) -> bool:
    """Say whether a page of this site has sent a form. `headers`: those of the request; `origin`: that of the site.

    Browsers say it by Sec-Fetch-Site; older ones by Origin. Programs that are no browsers say neither, and nobody can
    make them send a form against their will. Since the pages let browsers send no referrer, new browsers write 'null'
    as the Origin of their forms.
    """
    site, sent = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None:
        return site == _SAME and sent in {None, "null", origin}
    return sent in {None, origin}
