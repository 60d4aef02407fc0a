"""Google Forms: Cloud Pub/Sub pushes that a form has new answers; the answers and the form are fetched.

https://developers.google.com/workspace/forms/api/guides/push-notifications
A linear scale may begin at 1, so the form has to show that the question goes from 0 to 10. `lastSubmittedTime` in
seconds serves as the revision. A notification does not say which answers are new. So all are asked for, or, once they
are known, those that were submitted since shortly before the newest one. A repeated answer changes nothing.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from schemas.dead_letter import Reason
from worker.flow.messages.fetch_order import Get
from worker.flow.responses.formats.canonical import Draft, each_outcome, reading, respond
from worker.flow.responses.formats.outcome import (
    Accepted,
    Fetch,
    NoResponse,
    Outcomes,
    Why,
    ignored,
    refused,
)
from worker.flow.responses.formats.payload import (
    at,
    milliseconds,
    names,
    objects,
    path_part,
    read_object,
    seconds,
    word,
)
from worker.flow.responses.formats.source import Source, compiled_all
from worker.flow.responses.formats.tool import Listing, Questions, Tool
from worker.flow.timestamps import from_ms

_RESPONSES, _FORM = "responses", "form"
#: Google allows 5,000 answers on a page. An answer to 40 questions has about 10,000 bytes, and the worker reads at most
#: 8,000,000 bytes of a page (ingest/tool_api.py), so an answer may have 80,000.
_PAGE_SIZE = "100"
#: The pages of answers that were fetched before: the time of their newest answer, in ms.
_NEWEST = "newest"
#: How much earlier than the newest known answer others may have been submitted that are not known yet, in ms.
_OVERLAP = 300_000
_HIGHEST = 10
_USUAL = compiled_all({"customer.email": "respondentEmail"})


@reading
def read(body: bytes, headers: Mapping[str, str], source: Source) -> Fetch:
    """Return what has to be fetched for a notification."""
    del headers, source
    attributes = at(read_object(body), "message", "attributes")
    if at(attributes, "eventType") != "RESPONSES":
        raise ignored(Why.OTHER_EVENT, "eventType is not RESPONSES")
    form = path_part(at(attributes, "formId"), "formId")
    return Fetch(
        {
            _RESPONSES: Get(f"/v1/forms/{form}/responses", {"pageSize": _PAGE_SIZE}),
            _FORM: Get(f"/v1/forms/{form}"),
        },
        {"form_id": form},
    )


@reading
def read_fetched(fetch: Fetch, bodies: Mapping[str, bytes], source: Source) -> Outcomes:
    """Return the responses of a form, and a further Fetch if there are more pages of them."""
    listed = read_object(bodies[_RESPONSES])
    problem = None if "score" in source.mapping else _scale_problem(read_object(bodies[_FORM]), source)
    answers = objects(listed.get("responses"))
    reads = [partial(_one, answer, fetch, source, problem) for answer in answers]
    found = each_outcome(reads, "there are no answers")
    if token := word(listed.get("nextPageToken")):
        return (*found, _with(fetch, {"pageToken": token}, {_NEWEST: _newest(fetch, listed)}))
    return found


def _with(fetch: Fetch, query: Mapping[str, str], known: Mapping[str, int]) -> Fetch:
    first = fetch.gets[_RESPONSES]
    more = replace(first, query={**first.query, **query})
    return Fetch({**fetch.gets, _RESPONSES: more}, {**fetch.known, **known})


def _newest(fetch: Fetch, listed: dict[str, Any]) -> int:
    """Return when the newest answer of this page and of those before it was submitted, in ms; 0 if there is none."""
    before = fetch.known.get(_NEWEST)
    times = [before if isinstance(before, int) else 0]
    for answer in objects(listed.get("responses")):
        with contextlib.suppress(NoResponse):  # such an answer is refused
            times.append(milliseconds(answer.get("lastSubmittedTime"), "lastSubmittedTime"))
    return max(times)


def _since(fetch: Fetch, known_until: int) -> Fetch:
    """Return what has to be fetched if the answers up to a time are known. A further page stays as it is."""
    if "pageToken" in fetch.gets[_RESPONSES].query:
        return fetch
    earliest = from_ms(known_until - _OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _with(fetch, {"filter": f"timestamp >= {earliest}"}, {})


def _known_until(fetch: Fetch, bodies: Mapping[str, bytes]) -> int | None:
    """Return up to which time all answers are known after this page; None if others follow, or if it has no answers."""
    try:
        listed = read_object(bodies[_RESPONSES])
    except NoResponse:
        return None
    return None if listed.get("nextPageToken") else _newest(fetch, listed) or None


def _one(answer: dict[str, Any], fetch: Fetch, source: Source, problem: str | None) -> Accepted:
    score = _text(answer, source.score_question)
    if score is not None and problem is not None:
        raise refused(Reason.NOT_NPS_SCALE, problem)
    draft = Draft(
        tool=TOOL.name,
        response_id=answer.get("responseId"),
        survey_id=fetch.known["form_id"],
        score=score,
        comment=_text(answer, source.comment_question),
        responded_at=answer.get("createTime"),
        revision=seconds(answer.get("lastSubmittedTime"), "lastSubmittedTime"),
        usual=_USUAL,
        questions=names(answer.get("answers")),
    )
    return respond(draft, answer, source)


def _text(answer: dict[str, Any], question: str) -> Any:
    texts = objects(at(answer, "answers", question, "textAnswers", "answers"))
    return texts[0].get("value") if question and texts else None


def _scale_problem(form: dict[str, Any], source: Source) -> str | None:
    """Return why the answers to the question are no scores from 0 to 10; None if the form shows that they are."""
    questions = [at(item, "questionItem", "question") for item in objects(form.get("items"))]
    found = [one for one in questions if at(one, "questionId") == source.score_question]
    scale = at(found[0], "scaleQuestion") if found else None
    if not isinstance(scale, dict):
        return "score: the form has no linear scale with the id score_question"
    # Google leaves numbers out that are 0.
    if scale.get("low") not in (None, 0) or scale.get("high") != _HIGHEST:
        return "score: the linear scale does not go from 0 to 10"
    return None


TOOL = Tool(
    "google-forms",
    "Google Forms",
    read,
    read_fetched,
    Questions.NEEDED,
    Listing(_since, _known_until),
    fetches={_RESPONSES, _FORM},
    knows={"form_id": str},
)
