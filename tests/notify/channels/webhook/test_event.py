"""What a webhook posts, and how it is signed: the event follows its contract, and its receiver can verify it."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from schemas.alert import Alert
from schemas.erasure import Erasure
from schemas.export import texts
from schemas.incident import Incident
from schemas.ping import Ping
from worker.links.signing import Links
from worker.notify.channels.webhook import event
from worker.notify.notice import Sent

OLD = f"whsec_{b64encode(b'the old secret, 24 bytes').decode()}"
NEW = f"whsec_{b64encode(b'the new secret, 24 bytes').decode()}"
LINKS = Links((SecretStr("k" * 32),), 30, "https://nps.example.com/care")
ERASED = Erasure(customer_id="c-42", occurred_at=datetime(2026, 8, 2, tzinfo=UTC))


def verified(secret: str, headers: Any, body: bytes) -> Any:
    return Webhook(secret).verify(body, dict(headers))


def test_the_event_has_the_attributes_of_a_cloudevent_and_the_data_of_its_contract(
    make_alert: Callable[..., Alert], make_incident: Callable[..., Incident]
) -> None:
    ping = Ping(occurred_at=datetime(2026, 8, 2, tzinfo=UTC))
    notices: dict[str, Sent | Ping] = {
        "alert": make_alert(),
        "incident": make_incident(),
        "erasure": ERASED,
        "ping": ping,
    }
    for name, notice in notices.items():
        posted = json.loads(event.body(notice, "d-1"))
        data = posted.pop("data")

        assert posted == {
            "specversion": "1.0",
            "id": "d-1",
            "source": "/detractor-worker",
            "type": f"nps.{name}.v1",
            "time": notice.occurred_at.isoformat(),
            "datacontenttype": "application/json",
        }
        jsonschema.validate(data, json.loads(texts()[f"json/{name}.schema.json"]))
        assert type(notice).model_validate_json(json.dumps(data)) == notice


def test_the_links_are_attributes_whose_names_fit_cloudevents(make_alert: Callable[..., Alert]) -> None:
    alert = make_alert()
    links = LINKS.of(alert, "crm")
    posted = json.loads(event.body(alert, "d-1", links))

    assert [posted["acknowledgeurl"], posted["resolveurl"]] == [*links.values()]
    added = posted.keys() - json.loads(event.body(alert, "d-1")).keys()
    assert added == {"acknowledgeurl", "resolveurl"}
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in added)
    assert posted["data"] == json.loads(event.body(alert, "d-1"))["data"]


def test_the_same_notice_is_the_same_bytes_at_each_attempt(make_alert: Callable[..., Alert]) -> None:
    assert event.body(make_alert(), "d-1") == event.body(make_alert(), "d-1")


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    body = b'{"test": 2432232314}'
    signed = event.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        body,
        ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        datetime.fromtimestamp(1614265330, UTC),
    )

    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signed["webhook-timestamp"] == "1614265330"


@pytest.mark.parametrize("known", [OLD, NEW])
def test_while_a_secret_is_replaced_a_receiver_may_know_either(known: str, make_alert: Callable[..., Alert]) -> None:
    body = event.body(make_alert(comment="“Été”, 😀"), "d-1")
    headers = event.headers("d-1", body, [OLD, NEW], datetime.now(UTC))

    assert verified(known, headers, body)["id"] == "d-1"


def test_a_receiver_refuses_another_body_another_id_another_secret_and_an_old_event(
    make_alert: Callable[..., Alert],
) -> None:
    body, now = event.body(make_alert(), "d-1"), datetime.now(UTC)
    headers = event.headers("d-1", body, [OLD], now)
    refused = [
        (OLD, headers, body + b" "),
        (OLD, {**headers, "webhook-id": "d-2"}, body),
        (OLD, {**headers, "webhook-timestamp": str(int(now.timestamp()) + 1)}, body),
        (NEW, headers, body),
        (OLD, event.headers("d-1", body, [OLD], now - timedelta(minutes=6)), body),
    ]
    for secret, sent, got in refused:
        with pytest.raises(WebhookVerificationError):
            verified(secret, sent, got)
