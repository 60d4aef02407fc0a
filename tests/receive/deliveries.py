"""The made-up deliveries of survey tools in upstream/, and settings with which their sources are read."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from worker.flow.timestamps import to_ms
from worker.receive.deliveries import Deliveries
from worker.receive.settings import ReceiveSettings
from worker.receive.signatures import Request

UPSTREAM = Path(__file__).parent / "upstream"
#: When the signatures of the fixtures were made, in ms.
AT = to_ms(datetime(2026, 3, 2, 11, tzinfo=UTC))
#: What makes pseudonyms.
KEY = "0123456789abcdef0123456789abcdef"

#: What the settings of each source need besides its secret.
SOURCES: Mapping[str, Mapping[str, Any]] = {
    "cloudevents": {},
    "delighted": {},
    "formbricks": {"score_question": "q_nps", "comment_question": "q_why"},
    "google-forms": {"score_question": "0a1b", "signature": "secret-path"},
    "hubspot": {},
    "posthog": {"score_question": "q1", "comment_question": "q2", "signature_header": "X-Token"},
    "qualtrics": {"score_question": "QID1", "comment_question": "QID2"},
    "surveymonkey": {"score_question": "11", "comment_question": "12"},
    "survicate": {"score_question": "12", "comment_question": "13", "signature": "secret-path"},
    "template": {},
    "typeform": {"comment_question": "why"},
    "wootric": {"mapping": {"segment": "response.end_user_properties.agency"}},
}
#: The secrets of tools whose fixture has none in the form of the setting.
SECRETS = {
    "google-forms": "path-of-google",
    "posthog": "demo",
    "surveymonkey": "demo-api-key&demo-api-secret",
    "survicate": "path-of-survicate",
    "template": "demo",
}
#: The form of the fixture's answer, which Google has.
GOOGLE_FORM = {
    "items": [
        {"questionItem": {"question": {"questionId": "ffff", "textQuestion": {"paragraph": True}}}},
        {"questionItem": {"question": {"questionId": "0a1b", "scaleQuestion": {"low": 0, "high": 10}}}},
    ]
}


class Delivery(NamedTuple):
    """A delivery of a fixture, and what it must become."""

    tool: str
    number: int
    request: Request
    expect: Any


def fixture(tool: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((UPSTREAM / f"{tool}.json").read_text())
    return found


def settings(tool: str, **changes: Any) -> ReceiveSettings:
    """Return settings with one source, which is called `source`."""
    secret = SECRETS.get(tool) or fixture(tool)["secret"]
    source = {"name": "source", "tool": tool, "secrets": [secret], **SOURCES[tool], **changes}
    return ReceiveSettings.model_validate({"pseudonym_key": KEY, "sources": [source]})


def reader(tool: str, **changes: Any) -> Deliveries:
    return Deliveries(settings(tool, **changes))


def deliveries(tool: str) -> Iterator[Delivery]:
    """Yield the deliveries of a tool in their order."""
    for number, one in enumerate(fixture(tool)["deliveries"], 1):
        headers = {name.lower(): value for name, value in one["headers"].items()}
        path_secret = SECRETS.get(tool, "") if SOURCES[tool].get("signature") == "secret-path" else ""
        request = Request(one["raw_body"].encode(), headers, url=one.get("uri", ""), path_secret=path_secret)
        yield Delivery(tool, number, request, one["expect"])


def fetched(tool: str) -> dict[str, bytes]:
    """Return what the tool's API answers to the requests of the fixture, by their names."""
    body = json.dumps(fixture(tool)["fetch_example"]).encode()
    if tool == "google-forms":
        return {"responses": body, "form": json.dumps(GOOGLE_FORM).encode()}
    return {{"surveymonkey": "details", "hubspot": "submission", "qualtrics": "response"}[tool]: body}
