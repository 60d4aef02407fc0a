"""What a webhook posts: a CloudEvent in structured mode, and the headers that sign it. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://www.standardwebhooks.com
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from standardwebhooks.webhooks import Webhook

from schemas import cloudevents
from schemas.alert import Alert
from schemas.alert_command import CommandAction
from schemas.case import CaseStep
from schemas.erasure import Erasure
from schemas.ping import Ping
from worker.flow.timestamps import rfc3339, to_ms
from worker.notify.notice import Sent

_CONTENT_TYPE = f"{cloudevents.STRUCTURED_CONTENT_TYPE.decode()}; charset=utf-8"


#: The attributes of an event that have the addresses of its links: an extension of CloudEvents.
_LINKS: Mapping[CommandAction, str] = {
    CommandAction.ACKNOWLEDGE: "acknowledgeurl",
    CommandAction.RESOLVE: "resolveurl",
}


def body(notice: Sent | Ping, delivery_id: str, links: Mapping[CommandAction, str] = MappingProxyType({})) -> bytes:
    """Return the event about a notice. Its id is the delivery's, which is the same at each attempt.

    `links`: the address of the page for each thing that a person can do about it.
    """
    attributes = {
        "specversion": cloudevents.SPEC_VERSION,
        "id": delivery_id,
        "source": cloudevents.SOURCE,
        "type": _type(notice),
        "time": rfc3339(to_ms(notice.occurred_at)).decode(),
        "datacontenttype": "application/json",
        **{_LINKS[action]: url for action, url in links.items()},
    }
    return f'{json.dumps(attributes)[:-1]}, "data": {notice.model_dump_json()}}}'.encode()


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
