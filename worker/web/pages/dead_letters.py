"""Dead letters: what was refused, why, and what it said; and sending an answer again, corrected.

They belong to no segment, so only people who may see all segments see them.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from worker.board.board import Board
from worker.board.dead_letters import Letter, LetterQuery
from worker.errors import Rejected
from worker.flow import events
from worker.flow.batch import MemoryRecord
from worker.flow.dead_letter import DELIVERED_TO
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.flow.responses.intake import validate
from worker.web.gate import Gate
from worker.web.layout import address_of
from worker.web.notation import Notation
from worker.web.pages.answers import DECISION
from worker.web.pages.why import AFTER, DONE, Choice, cursor_values, shown_id, what_became, why_values
from worker.web.view import NotFound, SeeOther, View
from worker.web.visit import Permission, Visit
from worker.web.words.dead_letters import DEAD_LETTER_WORDS, DeadLetterWords

#: The largest form: the largest payload that is kept of a dead letter, of which every character may have to be escaped.
LARGEST_FORM = 2_000_000
_SENT = "sent"
#: The largest number of problems of a record that the list names; its own page has all that the dead letter has.
_MOST_LISTED = 5
#: How a dead letter says that it does not name all problems.
_NUMBER = "[0-9][0-9,]{0,11}"
_MORE = re.compile(f"and (?P<number>{_NUMBER}) more")
#: Of a delivery with several answers, each problem may begin with the place of its answer.
_OF_ANSWER = re.compile(r"answer (?P<number>[0-9]+) of (?P<all>[0-9]+): (?P<problem>.*)")
_FIELD = re.compile(r"(?P<field>[\w.-]+): (?P<expected>.*)")
#: What separates the problems of a record in a dead letter. A semicolon before a word of the same problem is none.
_BETWEEN = re.compile(rf"; (?=(?:answer [0-9]+ of [0-9]+: )*[\w.-]+: |and {_NUMBER} more(?:; |$))")
#: The part of the query that says where the record lies that was sent again: its partition and its offset.
_PLACE = "place"
_PLACES = re.compile(r"(?P<partition>[0-9]{1,10})\.(?P<offset>[0-9]{1,19})")
#: An answer with nothing but what it needs.
EXAMPLE = json.dumps(
    {
        "response_id": "r-1",
        "survey_id": "after-delivery",
        "customer_id": "c-1",
        "score": 3,
        "responded_at": "2026-12-01T10:00:00+01:00",
    },
    indent=2,
)


class Row(NamedTuple):
    """A dead letter as the list shows it."""

    when: str
    reason: str
    problems: list[str]
    place: str
    address: str


def dead_letters(visit: Visit, board: Board) -> View | NotFound:
    """Return the latest dead letters."""
    if not visit.person.sees_all:
        return NotFound()
    words, notation = DEAD_LETTER_WORDS[visit.language], Notation(visit.language, visit.readers)
    reason = visit.query.get("reason", "")
    page = board.dead_letters.latest(LetterQuery(reason=reason, after=visit.query.get(AFTER, "")))
    reasons = [
        (one, f"{words.reasons.get(one, one)} ({notation.count(n)})") for one, n in board.dead_letters.reasons().items()
    ]
    return View(
        "dead_letters.html.j2",
        {
            **why_values(visit, "/dead-letters"),
            "words": words,
            "rows": [_row(one, words, notation) for one in page.entries],
            "filters": [Choice("reason", words.reason, [("", words.every_reason), *reasons], reason)],
            "cursor": cursor_values(visit, page.total, page.next),
            "is_filtered": bool(reason),
        },
    )


def dead_letter(visit: Visit, board: Board) -> View | NotFound:
    """Return one dead letter, and where to see what became of it if it was just sent again."""
    letter = _find(visit, board)
    if letter is None:
        return NotFound()
    became = _became(letter, visit.query.get(_PLACE, ""), board) if visit.query.get(DONE) == _SENT else ""
    return _view(visit, letter, became=became)


def _became(letter: Letter, place: str, board: Board) -> str:
    """Return the address of what became of a record that was sent again; empty if its place is not known.

    The ids of decisions and dead letters are made of the place. `place`: the partition and the offset, such as 1.9917.
    """
    found = _PLACES.fullmatch(place)
    if found is None:
        return ""
    partition, offset = map(int, found.groups())
    again = make_id("dead-letter", letter.topic, partition, offset)
    if board.dead_letters.find(again) is not None:
        return f"/dead-letters/{again}"
    return address_of("/answers", {DECISION: make_id("decision", partition, offset)})


async def send_again(visit: Visit, form: Mapping[str, str], board: Board, gate: Gate) -> SeeOther | View | NotFound:
    """Publish the corrected answer of a dead letter, if it would be accepted now."""
    letter = _find(visit, board)
    if letter is None or _obstacle(visit, letter):
        return NotFound()
    words, text = DEAD_LETTER_WORDS[visit.language], form.get("value", "")
    value = text.encode(errors="replace")
    try:
        key = key_of(value, visit.now)
    except Rejected as rejected:
        reason = words.reasons.get(rejected.reason, rejected.reason)
        detail = "; ".join(problems_of(rejected.detail, words))
        return _view(visit, letter, text, words.wrong.format(reason=reason, detail=detail))
    place = f"{letter.topic}/{letter.partition}/{letter.offset}"
    given = await gate.send_again(visit, letter=place, customer_id=key, value=value)
    if not given.is_done:
        return _view(visit, letter, text, what_became(visit, given))
    query = {DONE: _SENT, _PLACE: "" if given.place is None else "{}.{}".format(*given.place)}
    return SeeOther(address_of(f"/dead-letters/{letter.id}", query))


def key_of(value: bytes, now: int) -> str:
    """Return the key of the record of an answer: its customer's id. Raise Rejected if the answer would be refused.

    An anonymous answer has no customer; its key is the one that the worker would give it. `now`: in ms.
    """
    record = MemoryRecord("", 0, 0, now, b"", value, [])
    response, _ = validate(record, IntakePolicy())
    return response.customer_id


def text_of(payload: bytes) -> str:
    """Return the value of a refused answer as a person edits it: JSON over several lines, as far as it is JSON.

    Of a CloudEvent in structured mode, only the answer is returned, since its envelope need not be sent again.
    """
    text = payload.decode(errors="replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(body, dict) and "specversion" in body and isinstance(body.get("data"), dict):
        body = body["data"]
    return json.dumps(body, ensure_ascii=False, indent=2) if isinstance(body, dict) else text


def _find(visit: Visit, board: Board) -> Letter | None:
    return board.dead_letters.find(visit.parts.get("letter_id", "")) if visit.person.sees_all else None


def _view(visit: Visit, letter: Letter, text: str | None = None, problem: str = "", became: str = "") -> View:
    words, notation = DEAD_LETTER_WORDS[visit.language], Notation(visit.language, visit.readers)
    payload = b"" if letter.payload is None else letter.payload
    key = None if letter.key is None else letter.key.decode(errors="replace")
    obstacle = _obstacle(visit, letter)
    rows = [
        (words.when, notation.moment(letter.refused_at)),
        (words.reason, words.reasons.get(letter.reason, letter.reason)),
        (words.place, _place(letter, words, notation)),
        *([] if letter.was_delivered else [(words.key, words.no_key if key is None else shown_id(visit, key))]),
    ]
    return View(
        "dead_letter.html.j2",
        {
            **why_values(visit, ""),
            "words": words,
            "pairs": rows,
            "problems": problems_of(letter.detail, words),
            "done": words.sent if visit.query.get(DONE) == _SENT else "",
            "became": became,
            "payload": text_of(payload) if letter.payload is not None and visit.person.sees_customers else "",
            "missing": _missing(visit, letter, words),
            "cut": _cut(letter, words, notation),
            "obstacle": words.cannot.get(obstacle, ""),
            "text": (text_of(payload) if text is None else text) if not obstacle else "",
            "problem": problem,
            "example": EXAMPLE,
            "address": f"/dead-letters/{letter.id}",
        },
        status=422 if problem else 200,
    )


def _missing(visit: Visit, letter: Letter, words: DeadLetterWords) -> str:
    """Return why the value is not shown, as a sentence; empty if it is shown."""
    if not visit.person.sees_customers:
        return words.hidden
    return words.no_payload if letter.payload is None else ""


def _cut(letter: Letter, words: DeadLetterWords, notation: Notation) -> str:
    """Return how much of the value is kept, as a sentence; empty if it is all of it."""
    if not letter.truncated:
        return ""
    shown = notation.count(len(letter.payload or b""))
    return words.truncated.format(shown=shown, bytes=notation.count(letter.payload_bytes))


def _obstacle(visit: Visit, letter: Letter) -> str:
    """Return why a person cannot send a dead letter again: a key of the words `cannot`; empty if they can."""
    if letter.was_delivered:
        return "delivered"
    if letter.topic.rpartition(".")[2] != events.RESPONSES:
        return "not_response"
    if letter.payload is None:
        return "no_payload"
    if letter.truncated:
        return "truncated"
    may = visit.person.may(Permission.ADMIN) and visit.person.sees_customers
    return "" if may else "not_permitted"


def problems_of(detail: str, words: DeadLetterWords, most: int | None = None) -> list[str]:
    """Return what is wrong with a record, a text for each field, and how many more there are.

    `detail`: that of the dead letter; `most`: the largest number of fields.
    """
    parts = _BETWEEN.split(detail)
    more = _MORE.fullmatch(parts[-1])
    if more is not None:
        parts.pop()
    hidden = (0 if more is None else _number(more)) + len(parts[most:] if most else [])
    found = [_problem(part, words) for part in parts[:most]]
    return [*found, words.more.format(n=hidden)] if hidden else found


def _number(more: re.Match[str]) -> int:
    return int(more["number"].replace(",", ""))


def _problem(text: str, words: DeadLetterWords) -> str:
    """Return one problem in words of the language, as far as they are known."""
    more = _MORE.fullmatch(text)
    if more is not None:  # of one answer of a delivery
        return words.more.format(n=_number(more))
    places = list[re.Match[str]]()
    while (place := _OF_ANSWER.fullmatch(text)) is not None:
        places.append(place)
        text = place["problem"]
    found = _FIELD.fullmatch(text)
    known = None if found is None else words.expectations.get(found["expected"])
    said = text if found is None or known is None else f"{found['field']} {known}"
    for place in reversed(places):
        said = words.of_answer.format(number=place["number"], all=place["all"], problem=said)
    return said


def _row(letter: Letter, words: DeadLetterWords, notation: Notation) -> Row:
    return Row(
        notation.moment(letter.refused_at),
        words.reasons.get(letter.reason, letter.reason),
        problems_of(letter.detail, words, _MOST_LISTED),
        _place(letter, words, notation),
        f"/dead-letters/{letter.id}",
    )


def _place(letter: Letter, words: DeadLetterWords, notation: Notation) -> str:
    if letter.was_delivered:
        return words.delivery.format(source=letter.topic.removeprefix(DELIVERED_TO))
    offset = f"{words.offset} {notation.count(letter.offset)}"
    return f"{letter.topic}, {words.partition.lower()} {letter.partition}, {offset.lower()}"
