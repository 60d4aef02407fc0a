"""The address of the client that has sent a request."""

from collections.abc import Sequence

from aiohttp import web

from worker.access.client import Network, client_of


def client_of_request(request: web.Request, proxies: Sequence[Network]) -> str:
    """Return the address of a client; empty if it is not known. `proxies`: the reverse proxies that are believed.

    A header that comes in several lines is one list (RFC 9110, 5.2): a proxy may add its line after the client's own.
    """
    return client_of(request.remote or "", ",".join(request.headers.getall("X-Forwarded-For", [])), proxies)
