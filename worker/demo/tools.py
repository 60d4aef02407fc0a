"""Sample answers as survey tools deliver them: the role receive gets them by HTTP, with the tools' own signatures.

Two tools take turns: Typeform, and Formbricks, which signs as Standard Webhooks says. What no tool delivers stays a
record on Kafka: broken lines, corrections by a revision, and answers in another form. `delivery` says which it is.
"""

import base64
import contextlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zlib import crc32

from standardwebhooks.webhooks import Webhook

from worker.errors import Rejected
from worker.flow.responses.formats import bare
from worker.receive.settings import PATH, ReceiveSettings

TYPEFORM, FORMBRICKS, FORM = "typeform", "formbricks", "form"
#: The secret of the source to which somebody can post by hand. The demo listens on this machine only.
FORM_SECRET = "demo"  # noqa: S105 - no secret, since the screen shows it
_SURVEY = "after-purchase"
_SCORE_QUESTION, _COMMENT_QUESTION = "score", "why"
#: The fields that neither tool has a place of its own for. The samples have them as hidden fields of the form, and as
#: attributes of the contact.
_FURTHER = (
    "language", "segment", "customer.name", "customer.email", "customer.phone", "customer.tier", "customer.owner",
    "consent.callback", "consent.public_review", "consent.marketing", "origin.permalink", "test",
)  # fmt: skip
_HIDDEN, _ATTRIBUTES = "form_response.hidden", "data.contactAttributes"
#: What an answer by hand has: `curl -d "score=2&at=$(date +%s)"`.
_BY_HAND = {
    "response_id": "at",
    "customer_id": "join('-', ['by-hand', at])",
    "score": "score",
    "comment": "comment",
    "responded_at": "at",
}


def corrected(values: Iterable[bytes]) -> set[str]:
    """Return the ids of the answers that have a later revision among these values."""
    found = set()
    for value in values:
        with contextlib.suppress(Rejected):
            answer = bare.read(value)
            if answer.revision:
                found.add(answer.response_id)
    return found


class Delivery(NamedTuple):
    """A request to a path of the role receive."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Tools:
    """The tools of the demo, each with a secret of its own that is new at each start."""

    def __init__(self, corrected: Collection[str] = ()) -> None:
        """`corrected`: the ids of answers with a later revision, which stay records like their corrections."""
        self._corrected = frozenset(corrected)
        self._typeform_secret = secrets.token_urlsafe(24)
        self._formbricks_secret = f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"

    def settings(self, port: int) -> ReceiveSettings:
        """Return the settings of the role receive: a source for each tool, and one for answers by hand."""
        return ReceiveSettings.model_validate(
            {
                "port": port,
                "sources": [
                    {
                        "name": TYPEFORM,
                        "tool": "typeform",
                        "secrets": [self._typeform_secret],
                        "survey_id": _SURVEY,
                        "mapping": _mapping(_HIDDEN),
                    },
                    {
                        "name": FORMBRICKS,
                        "tool": "formbricks",
                        "secrets": [self._formbricks_secret],
                        "survey_id": _SURVEY,
                        "score_question": _SCORE_QUESTION,
                        "comment_question": _COMMENT_QUESTION,
                        "mapping": _mapping(_ATTRIBUTES),
                    },
                    {
                        "name": FORM,
                        "tool": "template",
                        "secrets": [FORM_SECRET],
                        "signature": "secret-path",
                        "survey_id": "by-hand",
                        "mapping": _BY_HAND,
                    },
                ],
            }
        )

    def delivery(self, value: bytes) -> Delivery | None:
        """Return the delivery of a sample, which is the value of a record; None if no tool would deliver it."""
        try:
            answer = bare.read(value)
        except Rejected:
            return None
        sample = json.loads(value)
        is_event = "response_id" not in sample  # a CloudEvent, which has the response inside
        if is_event or answer.revision or answer.response_id in self._corrected or answer.survey_id != _SURVEY:
            return None
        # A copy of an answer comes from the same tool.
        is_of_typeform = crc32(answer.response_id.encode()) % 2 == 0
        return self._of_typeform(sample) if is_of_typeform else self._of_formbricks(sample)

    def _of_typeform(self, sample: Mapping[str, Any]) -> Delivery:
        answers = [{"type": "number", "number": sample["score"], "field": {"id": _SCORE_QUESTION, "type": "nps"}}]
        if sample.get("comment"):
            field = {"id": _COMMENT_QUESTION, "type": "long_text"}
            answers.append({"type": "text", "text": sample["comment"], "field": field})
        form = {
            "form_id": "demo",
            "token": sample["response_id"],
            "submitted_at": sample["responded_at"],
            "hidden": {"customer_id": sample["customer_id"], **_further(sample)},
            "answers": answers,
        }
        body = _json({"event_type": "form_response", "form_response": form})
        digest = base64.b64encode(hmac.digest(self._typeform_secret.encode(), body, "sha256")).decode()
        return Delivery(f"{PATH}/{TYPEFORM}", {"Typeform-Signature": f"sha256={digest}"}, body)

    def _of_formbricks(self, sample: Mapping[str, Any]) -> Delivery:
        data = {
            "id": sample["response_id"],
            "surveyId": "demo",
            "updatedAt": sample["responded_at"],
            "data": {_SCORE_QUESTION: sample["score"], _COMMENT_QUESTION: sample.get("comment")},
            "contact": {"userId": sample["customer_id"]},
            "contactAttributes": _further(sample),
        }
        body, now = _json({"event": "responseFinished", "data": data}), datetime.now(UTC)
        message_id = sample["response_id"]
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self._formbricks_secret).sign(message_id, now, body.decode()),
        }
        return Delivery(f"{PATH}/{FORMBRICKS}", headers, body)


def _mapping(place: str) -> dict[str, Any]:
    """Return the mapping of a tool that has the further fields at a place, by names without dots."""
    found: dict[str, Any] = {}
    for path in _FURTHER:
        section, _, name = path.rpartition(".")
        inside = found.setdefault(section, {}) if section else found
        inside[name] = f"{place}.{_flat(path)}"
    return found


def _further(sample: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for path in _FURTHER:
        section, _, name = path.rpartition(".")
        value = (sample.get(section) or {}).get(name) if section else sample.get(name)
        if value is not None:
            found[_flat(path)] = value
    return found


def _flat(path: str) -> str:
    return path.replace(".", "_")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
