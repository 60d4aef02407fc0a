"""How a delivery came to this machine: which proxies are believed, and who could read it on its way. Pure."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

_HTTPS = "https"


class Peer(NamedTuple):
    """The other end of a connection."""

    #: Whether it is this machine.
    is_local: bool
    #: Whether it is a proxy whose headers are believed.
    is_trusted: bool


class Proxies:
    """The proxies that are trusted."""

    def __init__(self, networks: tuple[IPv4Network | IPv6Network, ...]) -> None:
        self._networks = networks
        self.peer = lru_cache(maxsize=1_024)(self._peer)

    def _peer(self, text: str) -> Peer:
        """Return what is known of an address. A text that is no address, such as of a local socket, is not trusted."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return Peer(is_local=False, is_trusted=False)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return Peer(address.is_loopback, any(address in network for network in self._networks))


def is_private(peer: Peer, headers: Mapping[str, str], *, is_encrypted: bool) -> bool:
    """Say whether nobody between the sender and this machine could read a delivery.

    `headers`: by their names in lower case; `is_encrypted`: whether the connection to this machine uses TLS. A trusted
    proxy says how the delivery came to it; if it does not, only the last connection is known.
    """
    forwarded = headers.get("x-forwarded-proto", "") if peer.is_trusted else ""
    if forwarded:
        return all(each.strip().lower() == _HTTPS for each in forwarded.split(","))
    return is_encrypted or (peer.is_local and not peer.is_trusted)


def url_of(public_url: str | None, peer: Peer, headers: Mapping[str, str], raw_path: str) -> str:
    """Return the address to which the sender has posted. `raw_path`: the path and the query as they were sent."""
    if public_url is not None:
        return public_url + raw_path
    host = (headers.get("x-forwarded-host") if peer.is_trusted else None) or headers.get("host", "")
    return f"{_HTTPS}://{host}{raw_path}"
