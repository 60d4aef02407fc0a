"""What a webhook posts: a CloudEvent in structured mode, and the headers that sign it. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://www.standardwebhooks.com
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from standardwebhooks.webhooks import Webhook

from schemas import cloudevents
from schemas.alert import Alert
from schemas.alert_command import CommandAction
from schemas.case import CaseStep
from schemas.digest import Digest, DigestEntry, DigestSilence
from schemas.erasure import Erasure
from schemas.ping import Ping
from worker.flow.timestamps import from_ms, rfc3339, to_ms
from worker.notify import digest as notices
from worker.notify.digest import Item
from worker.notify.notice import Sent

_CONTENT_TYPE = f"{cloudevents.STRUCTURED_CONTENT_TYPE.decode()}; charset=utf-8"

#: Returns the address of the page for each thing that a person can do about a notice.
LinksOf = Callable[[Sent], Mapping[CommandAction, str]]

#: The attributes of an event that have the addresses of its links: an extension of CloudEvents.
_LINKS: Mapping[CommandAction, str] = {
    CommandAction.ACKNOWLEDGE: "acknowledgeurl",
    CommandAction.RESOLVE: "resolveurl",
}


def body(notice: Sent | Ping, delivery_id: str, links: Mapping[CommandAction, str] = MappingProxyType({})) -> bytes:
    """Return the event about a notice. Its id is the delivery's, which is the same at each attempt.

    `links`: the address of the page for each thing that a person can do about it.
    """
    return _body(_type(notice), notice, delivery_id, {_LINKS[action]: url for action, url in links.items()})


def digest_body(digest: notices.Digest, delivery_id: str, links_of: LinksOf) -> bytes:
    """Return the event that lists many notices, each as an event of its own would report it."""
    entries = [_entry(item, links_of(item.notice)) for item in digest.items]
    silences = [
        DigestSilence(silence_id=one.silence_id, created_by=one.created_by, reason=one.reason)
        for one in digest.silences.values()
    ]
    data = Digest(
        digest_id=digest.digest_id,
        occurred_at=from_ms(digest.closed),
        severity=digest.severity,
        silences=silences,
        entries=entries,
    )
    return _body(cloudevents.DIGEST, data, delivery_id, {})


def _entry(item: Item, links: Mapping[CommandAction, str]) -> DigestEntry:
    return DigestEntry(
        id=item.sent_id,
        type=_type(item.notice),
        data=item.notice,
        act_by=from_ms(item.act_by) if item.act_by else None,
        silence_id=item.silence or None,
        acknowledgeurl=links.get(CommandAction.ACKNOWLEDGE),
        resolveurl=links.get(CommandAction.RESOLVE),
    )


def _body(event_type: str, data: Sent | Ping | Digest, event_id: str, more: Mapping[str, str]) -> bytes:
    attributes = {
        "specversion": cloudevents.SPEC_VERSION,
        "id": event_id,
        "source": cloudevents.SOURCE,
        "type": event_type,
        "time": rfc3339(to_ms(data.occurred_at)).decode(),
        "datacontenttype": "application/json",
        **more,
    }
    return f'{json.dumps(attributes)[:-1]}, "data": {data.model_dump_json()}}}'.encode()


def headers(delivery_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> Mapping[str, str]:
    """Return the headers of an attempt: its id, its time, and the signature by each secret. `now` is in UTC."""
    signatures = [Webhook(secret).sign(delivery_id, now, body.decode()) for secret in secrets]
    return {
        "Content-Type": _CONTENT_TYPE,
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _type(notice: Sent | Ping) -> str:
    if isinstance(notice, Erasure):
        return cloudevents.ERASURE
    if isinstance(notice, Ping):
        return cloudevents.PING
    if isinstance(notice, CaseStep):
        return cloudevents.CASE
    return cloudevents.ALERT if isinstance(notice, Alert) else cloudevents.INCIDENT
