"""Wootric (InMoment): a form-encoded webhook.

https://docs.wootric.com/webhooks/
An answer that is created has the revision 0. If it is updated, the minutes between its creation and the update serve as
the revision, and at least 1: the tool moves `updated_at` at an update, but it may be later than `created_at` before.
"""

from collections.abc import Mapping
from typing import Any

from worker.flow.responses.formats.canonical import Draft, reading, respond
from worker.flow.responses.formats.outcome import Accepted, Why, ignored
from worker.flow.responses.formats.payload import as_object, content_type_of, read_body, seconds
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Tool

_USUAL = compiled_all(
    {
        "customer_id": "response.external_id",
        "customer.email": "response.email",
    }
)
_MINUTE = 60


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Accepted:
    """Return the response of an event."""
    event = as_object(read_body(body, content_type_of(headers)))
    if "decline" in event:
        raise ignored(Why.DECLINED)
    if "response" not in event:
        raise ignored(Why.OTHER_EVENT, "there is no response")
    if event.get("survey_mode") not in (None, "NPS"):
        raise ignored(Why.OTHER_SURVEY_TYPE, "survey_mode is not NPS")
    answer = as_object(event["response"])
    draft = Draft(
        tool=TOOL.name,
        response_id=answer.get("id"),
        survey_id=answer.get("survey_id") or "nps",
        score=answer.get("score"),
        comment=answer.get("text"),
        responded_at=answer.get("created_at"),
        revision=_revision(event, answer),
        # The tool leaves such answers out of its own score, which is how people try a survey.
        test=answer.get("excluded_from_calculations") in ("true", True),
        usual=_USUAL,
    )
    return respond(draft, event, source)


def _revision(event: dict[str, Any], answer: dict[str, Any]) -> int:
    if event.get("event_name") != "updated":
        return 0
    created, updated = (seconds(answer.get(name), name) for name in ("created_at", "updated_at"))
    return max((updated - created) // _MINUTE, 1)


TOOL = Tool("wootric", "Wootric (InMoment)", read)
