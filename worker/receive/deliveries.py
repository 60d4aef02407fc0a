"""What a delivery becomes: its signature is verified, and then its tool's adapter reads it. Pure.

This is what the HTTP server, the fetching of answers and `python -m worker receive test` share:

    deliveries = Deliveries(settings.receive)
    found = deliveries.read("typeform_lyon", Request(body, headers), now)

`found` is the reason why the request is not authentic (`Unauthentic`), or a tuple of outcomes
(worker/flow/responses/formats/outcome.py), which is never empty. For an outcome `Fetch`, the caller asks the tool's
API for each of its `gets`, and hands the bodies to `read_fetched`, which again returns outcomes. `merge` in
worker/flow/responses/formats/merging.py puts a `Part` together with what is known of the answer
(worker/flow/responses/merged). An outcome `Accepted` repeats everything that is known, so it needs nothing of what was
before. If the tool gives later deliveries another time, `Accepted` has it, and the role process keeps the first one
(worker/flow/responses/road.py). `admitted` in worker/flow/responses/admission.py says whether the worker's intake would
accept it, which knows the time and the size limit.
Nothing here raises because of what a tool sends.
"""

from collections.abc import Mapping
from typing import NamedTuple

from worker.flow.responses.formats.outcome import Fetch, Outcomes
from worker.flow.responses.formats.source import Source
from worker.flow.responses.formats.tool import Tool
from worker.receive.settings import ReceiveSettings
from worker.receive.signatures import Request, Signing, Unauthentic, verify


class _Prepared(NamedTuple):
    """What the deliveries of a source are read by."""

    tool: Tool
    source: Source
    signing: Signing
    secrets: tuple[str, ...]


class Deliveries:
    """The deliveries of all sources of the settings."""

    def __init__(self, settings: ReceiveSettings) -> None:
        self._sources = {
            source.name: _Prepared(
                source.of_tool,
                settings.reading_of(source),
                source.signing,
                tuple(secret.get_secret_value() for secret in source.secrets),
            )
            for source in settings.sources
        }

    def read(self, name: str, request: Request, now: int) -> Unauthentic | Outcomes:
        """Return what a request to a source becomes, or why it is not authentic. `now`: when it arrived, in ms.

        Raise KeyError if there is no such source.
        """
        return self.verify(name, request, now) or self.read_unverified(name, request._replace(arrived_at=now))

    def verify(self, name: str, request: Request, now: int) -> Unauthentic | None:
        """Return why a request to a source is not authentic; None if it is. Otherwise as `read`."""
        one = self._sources[name]
        return verify(one.signing, one.secrets, request, now)

    def read_unverified(self, name: str, request: Request) -> Outcomes:
        """Return what a request becomes whose signature is not verified. Raise KeyError if there is no such source."""
        one = self._sources[name]
        return one.tool.read(request.body, request.headers, one.source.arriving(request.arrived_at))

    def has_made(self, name: str, fetch: Fetch) -> bool:
        """Return whether an outcome can be one of a source as it is now. The methods below need one that is.

        Raise KeyError if there is no such source.
        """
        return self._sources[name].tool.has_made(fetch)

    def narrowed(self, name: str, fetch: Fetch, known_until: int) -> Fetch:
        """Return what has to be fetched if all answers up to a time are known, which is in ms.

        Raise KeyError if there is no such source.
        """
        listing = self._sources[name].tool.listing
        return fetch if listing is None else listing.since(fetch, known_until)

    def known_until(self, name: str, fetch: Fetch, bodies: Mapping[str, bytes]) -> int | None:
        """Return up to which time all answers are known after some bodies, in ms; None if that is not known.

        Raise KeyError if there is no such source.
        """
        listing = self._sources[name].tool.listing
        return None if listing is None else listing.known_until(fetch, bodies)

    def read_fetched(self, name: str, fetch: Fetch, bodies: Mapping[str, bytes]) -> Outcomes:
        """Return what the bodies become that were fetched for an outcome; they have the names of its `gets`.

        Raise KeyError if there is no such source, or if a body is missing.
        """
        one = self._sources[name]
        assert one.tool.read_fetched is not None, "only tools whose answers are fetched have this outcome"
        return one.tool.read_fetched(fetch, bodies, one.source)
