"""How a sender of CloudEvents asks whether it may deliver, before it does. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md, "Abuse Protection"
The sender asks by OPTIONS, so that nobody can have it deliver to a server that does not want its events. The answer is
no proof of who the sender is: each delivery still needs the source's secret.
"""

from collections.abc import Mapping

from worker.receive.settings import ANY_ORIGIN, SourceSettings

_ORIGIN = "webhook-request-origin"


def permission(source: SourceSettings, headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return the headers that let a sender deliver; None if it did not ask, or may not.

    `headers`: those of the request, whose names are in lower case.
    """
    origin = headers.get(_ORIGIN, "").strip()
    if not origin or not {origin.lower(), ANY_ORIGIN} & {*source.allowed_origins}:
        return None
    # The source's own limits hold whatever rate is asked for, so no other one is named.
    return {"Allow": "POST", "WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"}
