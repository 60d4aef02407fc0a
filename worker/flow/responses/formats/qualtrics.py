"""Qualtrics: an event subscription, which posts a form with ids only; the answer is fetched from the survey API.

https://api.qualtrics.com/
The value of a question may be the index of a choice. So it counts as a score only if the answer also has the group that
Qualtrics computes for NPS questions (`…_NPS_GROUP`). `CompletedDate` is a local time without an offset, and not used.
The fetched answer is not known to have a time of its last change, so all revisions are 0.
"""

import re
from collections.abc import Mapping
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.messages.fetch_order import Get
from worker.flow.responses.formats.canonical import Draft, reading, respond
from worker.flow.responses.formats.forms import read_form
from worker.flow.responses.formats.outcome import Accepted, Fetch, Why, ignored, refused
from worker.flow.responses.formats.payload import as_object, at, path_part, read_object, word
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Questions, Tool

_RESPONSE = "response"
_TEXT, _GROUP = "_TEXT", "_NPS_GROUP"
#: How the tool names a question; what follows says which part of the answer it is.
_QUESTION = re.compile(r"QID[0-9]+")
_TESTS = {"preview", "test"}
_USUAL = compiled_all(
    {
        "customer_id": "result.values.customer_id",
        "customer.email": "result.values.email || result.values.recipientEmail",
        "segment": "result.values.segment",
    }
)


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Fetch:
    """Return what has to be fetched for an event."""
    del headers, source
    message = read_form(body).get("MSG")
    if not isinstance(message, str):
        raise refused(Reason.NOT_OF_THIS_TOOL, "MSG: is missing")
    event = read_object(message.encode(errors="surrogatepass"))
    if "ResponseID" not in event:
        raise ignored(Why.OTHER_EVENT, "MSG has no ResponseID")
    survey = path_part(event.get("SurveyID"), "SurveyID")
    answer = path_part(event.get("ResponseID"), "ResponseID")
    channel = word(event.get("DistributionChannel"))
    return Fetch(
        {_RESPONSE: Get(f"/API/v3/surveys/{survey}/responses/{answer}")},
        # Others say nothing that is needed, and may be texts of any length, which no order could have.
        {"survey_id": survey, "channel": channel if channel in _TESTS else ""},
    )


@reading
def read_fetched(fetch: Fetch, bodies: Mapping[str, bytes], source: Source) -> Accepted:
    """Return the response of an answer that was fetched."""
    known, whole = fetch.known, read_object(bodies[_RESPONSE])
    values = as_object(at(whole, "result", "values"))
    language = word(values.get("UserLanguage")).lower()
    draft = Draft(
        tool=TOOL.name,
        response_id=at(whole, "result", "responseId"),
        survey_id=known["survey_id"],
        score=None if "score" in source.mapping else _score(values, source.score_question),
        comment=_comment(values, source.comment_question),
        language=language,
        responded_at=values.get("endDate"),
        test=known["channel"] in _TESTS,
        usual=_USUAL,
        questions=[*dict.fromkeys(found[0] for name in values if (found := _QUESTION.match(name)))],
    )
    return respond(draft, whole, source)


def _score(values: dict[str, Any], question: str) -> Any:
    found = values.get(question)
    if found is not None and values.get(f"{question}{_GROUP}") is None:
        raise refused(Reason.NOT_NPS_SCALE, "score: the question is no NPS question, so its value may be an index")
    return found


def _comment(values: dict[str, Any], question: str) -> Any:
    if not question:
        return None
    text = values.get(f"{question}{_TEXT}")
    return values.get(question) if text is None else text


TOOL = Tool(
    "qualtrics",
    "Qualtrics",
    read,
    read_fetched,
    Questions.NEEDED,
    fetches={_RESPONSE},
    knows={"survey_id": str, "channel": str},
)
