"""The entries of the HTTP server: what is known of each path to which deliveries are posted. Pure."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from worker.flow.responses.formats.outcome import Outcomes
from worker.receive.deliveries import Deliveries
from worker.receive.handshake import permission
from worker.receive.settings import ReceiveSettings
from worker.receive.signatures import SENT, Request, Unauthentic


class Entry(NamedTuple):
    """One path to which deliveries are posted."""

    #: Whether a delivery has the secret itself, so that it may not cross a network in plain text.
    has_secret: bool
    #: Returns why a request is not authentic, or None. The second argument is the time at which it arrived, in ms.
    verify: Callable[[Request, int], Unauthentic | None]
    #: Returns what an authentic request becomes. Its body is not compressed.
    read: Callable[[Request], Outcomes]
    #: Returns the headers that let a sender deliver which asks first; None if it may not. The argument: the headers of
    #: its question, whose names are in lower case.
    permission: Callable[[Mapping[str, str]], dict[str, str] | None]


def entries(settings: ReceiveSettings) -> dict[str, Entry]:
    """Return the entry of each source, by the source's name."""
    deliveries = Deliveries(settings)
    return {
        source.name: Entry(
            source.signing.scheme in SENT,
            partial(deliveries.verify, source.name),
            partial(deliveries.read_unverified, source.name),
            partial(permission, source),
        )
        for source in settings.sources
    }
