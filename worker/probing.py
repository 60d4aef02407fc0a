"""Asking a worker's probes, as Kubernetes does: by HTTP."""

from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address

from worker.metrics.settings import Bind

#: How long an answer may take, in seconds. It takes a few milliseconds, unless the event loop is blocked.
_PATIENCE_SECONDS = 2.0
#: The longest answer that is read, in bytes.
_LONGEST = 500


def problem(address: Bind) -> str | None:
    """Return what is wrong with the worker whose probes are served at an address; None if it is alive and ready."""
    try:
        for path, state in (("/livez", "alive"), ("/readyz", "ready")):
            status, text = _ask(address, path)
            if status != 200:
                return f"the worker is not {state}: {text}"
    except (OSError, HTTPException) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return f"the worker does not answer at {address.host}, port {address.port}: {why}"
    return None


def _ask(address: Bind, path: str) -> tuple[int, str]:
    connection = HTTPConnection(_reachable(address.host), address.port, timeout=_PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read(_LONGEST).decode(errors="replace").strip()
    finally:
        connection.close()
    return answer.status, "".join(c if c.isprintable() else " " for c in text)


def _reachable(host: str) -> str:
    """Return the address by which this machine reaches itself, if the host stands for all of its addresses."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"
