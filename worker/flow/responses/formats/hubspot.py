"""HubSpot: a webhook with a list of events, which have ids only; the feedback submission is fetched from the CRM API.

https://developers.hubspot.com/docs/api/webhooks
https://developers.hubspot.com/docs/api/crm/feedback-submissions
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.messages.fetch_order import Get
from worker.flow.responses.formats.canonical import Draft, each_outcome, reading, respond
from worker.flow.responses.formats.outcome import Accepted, Fetch, Outcomes, Why, ignored, refused
from worker.flow.responses.formats.payload import as_object, at, path_part, read_json, read_object, seconds
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Tool

_SUBMISSION = "submission"
_CREATION = "feedback_submission.creation"
_CHANGE = "feedback_submission.propertyChange"
_PROPERTIES = (
    "hs_survey_type", "hs_value", "hs_content", "hs_submission_timestamp", "hs_survey_id", "hs_contact_email_rollup",
)  # fmt: skip
_USUAL = compiled_all({"customer.email": "properties.hs_contact_email_rollup"})


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Outcomes:
    """Return what has to be fetched for each event."""
    del headers, source
    found = read_json(body)
    if not isinstance(found, list):
        raise refused(Reason.WRONG_TYPE, "expected a list of events")
    return each_outcome([partial(_event, one) for one in found], "there are no events")


def _event(given: Any) -> Fetch:
    event = as_object(given)
    kind = event.get("subscriptionType")
    if kind not in (_CREATION, _CHANGE):
        raise ignored(Why.OTHER_EVENT, "subscriptionType is not that of a feedback submission")
    revision = 0 if kind == _CREATION else seconds(event.get("occurredAt"), "occurredAt")
    submission = path_part(event.get("objectId"), "objectId")
    wanted = ",".join(_PROPERTIES)
    return Fetch(
        {_SUBMISSION: Get(f"/crm/v3/objects/feedback_submissions/{submission}", {"properties": wanted})},
        {"revision": revision},
    )


@reading
def read_fetched(fetch: Fetch, bodies: Mapping[str, bytes], source: Source) -> Accepted:
    """Return the response of a feedback submission that was fetched."""
    submission = read_object(bodies[_SUBMISSION])
    properties = as_object(submission.get("properties"))
    if properties.get("hs_survey_type") != "NPS":
        raise ignored(Why.OTHER_SURVEY_TYPE, "hs_survey_type is not NPS")
    draft = Draft(
        tool=TOOL.name,
        response_id=submission.get("id"),
        survey_id=properties.get("hs_survey_id"),
        score=properties.get("hs_value"),
        comment=at(properties, "hs_content"),
        responded_at=properties.get("hs_submission_timestamp"),
        revision=int(fetch.known["revision"]),
        usual=_USUAL,
    )
    return respond(draft, submission, source)


TOOL = Tool("hubspot", "HubSpot", read, read_fetched, fetches={_SUBMISSION}, knows={"revision": int})
