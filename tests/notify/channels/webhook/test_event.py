"""What a webhook posts, and how it is signed: the event follows its contract, and its receiver can verify it."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from flow.records import NOW
from notify.silencer import silence
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from schemas.alert import Alert
from schemas.digest import Digest
from schemas.erasure import Erasure
from schemas.export import texts
from schemas.incident import Incident
from schemas.ping import Ping
from worker.flow.timestamps import from_ms
from worker.links.signing import Links
from worker.notify import digest as notices
from worker.notify.channels.webhook import event
from worker.notify.digest import Item
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


def test_a_digest_lists_each_notice_as_an_event_of_its_own_reports_it(
    make_alert: Callable[..., Alert], make_incident: Callable[..., Incident]
) -> None:
    alert, incident = make_alert(alert_id="a-1"), make_incident(alert_id="i-1")
    items = [
        Item(alert, act_by=NOW + 60_000, silence="s-1", sent_id="d-2"),
        Item(incident, silence="s-forgotten", sent_id="d-3"),
    ]
    digest = notices.Digest("d-1", NOW, items, {"s-1": silence("s-1", reason="a strike")})
    body = event.digest_body(digest, "d-9", lambda one: LINKS.of(one, "crm") if isinstance(one, Alert) else {})
    posted = json.loads(body)
    data = posted["data"]

    assert (posted["id"], posted["type"], data["digest_id"]) == ("d-9", "nps.digest.v1", "d-1")
    assert posted["time"] == data["occurred_at"].replace("Z", "+00:00") == from_ms(NOW).isoformat()
    assert data["severity"] == "critical"
    assert data["silences"] == [{"silence_id": "s-1", "created_by": "anna", "reason": "a strike"}]
    of_alert, of_incident = data["entries"]
    for entry, notice, links in ((of_alert, alert, LINKS.of(alert, "crm")), (of_incident, incident, {})):
        alone = json.loads(event.body(notice, entry["id"], links))
        assert {key: entry[key] for key in ("id", "type", "data")} == {
            key: alone[key] for key in ("id", "type", "data")
        }
        assert [entry[key] for key in ("acknowledgeurl", "resolveurl")] == [*links.values(), None, None][:2]
    assert (of_alert["id"], of_alert["silence_id"]) == ("d-2", "s-1")
    assert of_alert["act_by"].replace("Z", "+00:00") == from_ms(NOW + 60_000).isoformat()
    assert (of_incident["act_by"], of_incident["silence_id"]) == (None, "s-forgotten")
    jsonschema.validate(data, json.loads(texts()["json/digest.schema.json"]))
    assert Digest.model_validate_json(json.dumps(data)).entries[0].data == alert
    assert verified(NEW, event.headers("d-9", body, [NEW], datetime.now(UTC)), body) == posted


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
