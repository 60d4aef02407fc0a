"""Silences: which messages are held back, until when and why; adding silences, and ending them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import to_json

from schemas.alert import Severity
from schemas.silence import Silence, SilenceState
from schemas.silence_command import LONGEST_REASON, SilenceAction
from worker.board.board import Board
from worker.errors import Rejected
from worker.flow.ids import make_id
from worker.flow.messages import silence_command
from worker.flow.timestamps import from_ms, to_ms
from worker.lineage import SEPARATOR, canonical_path
from worker.notify.silenced import Known
from worker.web.gate import Gate
from worker.web.layout import address_of
from worker.web.notation import DAY, HOUR, Notation
from worker.web.pages.why import DONE, what_became, why_values
from worker.web.view import NotFound, SeeOther, View
from worker.web.visit import Permission, Visit
from worker.web.words.silences import SILENCE_WORDS, SilenceWords

_ADDRESS = "/silences"
#: How many of the silences that are over are shown.
_MOST_PAST = 20
#: The matchers that a form has as a text, several of them separated by commas.
_LISTS = ("receivers", "surveys", "tiers", "languages")
_KIND, _SEVERITY = "kind_", "severity_"
#: The field by which a person confirms a segment that is not known, and the most names that the form offers.
_SURE, _MOST_NAMES = "sure", 200
#: The field that says which silences the person has seen.
_SEEN = "seen"
#: What became of a form, as the address has it.
_ADDED, _ENDED = "added", "ended"
#: How long a silence is if a person presses the button for it, by the value of the button, in ms.
_LENGTHS: Mapping[str, int] = {"hour": HOUR, "day": DAY}


class Row(NamedTuple):
    """A silence as the page shows it."""

    silence_id: str
    #: Until when, or since when and by whose hand it is over.
    until: str
    matchers: Sequence[tuple[str, str]]
    reason: str
    added: str
    held: str
    may_end: bool


class Box(NamedTuple):
    """A box to tick in the form."""

    name: str
    label: str
    is_ticked: bool


def silences(visit: Visit, board: Board) -> View:
    """Return the silences that hold messages back now, and the latest of those that are over."""
    return _view(visit, board)


async def add_silence(visit: Visit, form: Mapping[str, str], board: Board, gate: Gate) -> SeeOther | View:
    """Add a silence."""
    words = SILENCE_WORDS[visit.language]
    wanted = _wanted(visit, form)
    problem = _problem(visit, wanted, words)
    segment = wanted["match"]["segment"]
    if not problem and segment and board.scores.get(segment) is None and form.get(_SURE) != segment:
        return _view(visit, board, form, words.unknown_segment.format(segment=segment), unknown=segment)
    if problem:
        return _view(visit, board, form, problem)
    given = await gate.on_silence(
        visit, {"silence_id": _id_of(visit, form, wanted), "action": SilenceAction.ADD, **wanted}
    )
    if given.is_done or given.outcome == "unanswered":
        return SeeOther(address_of(_ADDRESS, {DONE: _ADDED if given.is_done else given.outcome}))
    return _view(visit, board, form, what_became(visit, given))


def _id_of(visit: Visit, form: Mapping[str, str], wanted: Mapping[str, Any]) -> str:
    """Return the id of the silence that a form asks for.

    It follows from the form, so a form that is sent twice adds one silence. A button for an hour means another end each
    time, so the id has the button in place of the end.
    """
    until = form.get("for", "") if form.get("for") in _LENGTHS else wanted["until"]
    what = to_json(wanted["match"]).decode()
    return make_id("page silence", visit.person.name, form.get(_SEEN, ""), what, wanted["reason"], until)


async def end_silence(visit: Visit, form: Mapping[str, str], board: Board, gate: Gate) -> SeeOther | View | NotFound:
    """End a silence before its time."""
    known = board.silences.find(form.get("silence", ""))
    if known is None or not _may_see(known, visit):
        return NotFound()
    given = await gate.on_silence(visit, {"silence_id": known.state.silence_id, "action": SilenceAction.END})
    if given.is_done or given.outcome == "unanswered":
        return SeeOther(address_of(_ADDRESS, {DONE: _ENDED if given.outcome == "applied" else given.outcome}))
    return _view(visit, board, problem=what_became(visit, given))


def _view(
    visit: Visit, board: Board, form: Mapping[str, str] | None = None, problem: str = "", unknown: str = ""
) -> View:
    """Return the page. `unknown`: a segment without answers; sending the form again adds the silence nevertheless."""
    words, given = SILENCE_WORDS[visit.language], form or {}
    active, past = (
        [one for one in found if _may_see(one, visit)]
        for found in (board.silences.active(visit.now), board.silences.past(visit.now))
    )
    zone, done = visit.readers.time_zone, visit.query.get(DONE, "")
    shared = why_values(visit, _ADDRESS)
    return View(
        "silences.html.j2",
        {
            **shared,
            "done": words.done.get(done, shared["done"]),
            "unknown": unknown,
            # The same content for the same silences, so that an open page is not renewed because of it.
            "seen": max((to_ms(one.state.changed_at) for one in (*active, *past)), default=0),
            "segments": _segments(visit, board),
            "words": words,
            "active": [_row(one, visit, board) for one in active],
            "past": [_row(one, visit, board) for one in past[:_MOST_PAST]],
            "may_change": visit.person.may(Permission.ADMIN),
            "problem": problem,
            "form": {name: given.get(name, "") for name in ("segment", "until", "reason", *_LISTS)},
            "kinds": [Box(_KIND + kind, words.kinds[kind], _KIND + kind in given) for kind in words.kinds],
            "severities": [
                Box(_SEVERITY + one, words.severities[one], _SEVERITY + one in given) for one in words.severities
            ],
            "lists": [(name, getattr(words, name)) for name in _LISTS],
            "has_more": any(given.get(name) for name in _LISTS),
            "until_hint": words.until_hint.format(zone="UTC" if zone is None else str(zone)),
            "lengths": [(value, words.lengths[value]) for value in _LENGTHS],
            "longest_reason": LONGEST_REASON,
        },
        status=422 if problem else 200,
    )


def _wanted(visit: Visit, form: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form asks for, as a command has it."""
    words = SILENCE_WORDS[visit.language]
    match: dict[str, Any] = {"segment": canonical_path(form.get("segment", ""))}
    match["kinds"] = [kind for kind in words.kinds if _KIND + kind in form]
    match["severities"] = [one for one in words.severities if _SEVERITY + one in form]
    for name in _LISTS:
        match[name] = [text.strip() for text in form.get(name, "").split(",") if text.strip()]
    return {"match": match, "until": _until(visit, form), "reason": form.get("reason", "").strip()}


def _until(visit: Visit, form: Mapping[str, str]) -> str:
    """Return when the silence ends: as the person has written, or after the time of a button."""
    length = _LENGTHS.get(form.get("for", ""))
    return _moment(visit, form.get("until", "")) if length is None else from_ms(visit.now + length).isoformat()


def _segments(visit: Visit, board: Board) -> list[str]:
    """Return names of segments that the form offers: the first levels of the tree that the person may see."""
    found, level = dict[str, None](), list(visit.person.segments)
    while level and len(found) < _MOST_NAMES:
        found |= dict.fromkeys(path for path in level if path)
        level = [below for path in level for below in board.scores.children(path)]
    return sorted(found, key=lambda path: (path.count(SEPARATOR), path))[:_MOST_NAMES]


def _moment(visit: Visit, text: str) -> str:
    """Return a moment of the browser's form with its offset from UTC; empty if it is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=visit.readers.time_zone or UTC)).isoformat()


def _problem(visit: Visit, wanted: Mapping[str, Any], words: SilenceWords) -> str:
    """Return why a silence cannot be added, as a sentence; empty if it can, as far as is known here."""
    match = wanted["match"]
    if not any(match.values()):
        return words.no_match
    if not visit.person.may_see(match["segment"]):
        return words.not_yours
    for name, text in (("until", words.no_until), ("reason", words.no_reason)):
        if not wanted[name]:
            return text
    command = {"command_id": "c", "silence_id": "s", "action": SilenceAction.ADD, "actor": "a", **wanted}
    try:
        silence_command.read(to_json(command))
    except Rejected as rejected:
        return words.wrong.format(detail=rejected.detail)
    return ""


def _may_see(known: Known, visit: Visit) -> bool:
    return visit.person.may_see(known.silencing.match.segment)


def _row(known: Known, visit: Visit, board: Board) -> Row:
    words, notation, state = SILENCE_WORDS[visit.language], Notation(visit.language, visit.readers), known.state
    is_over = known.hold.until <= visit.now
    if not is_over:
        until = notation.moment(state.until)
    elif state.state == SilenceState.ENDED and state.ended_at is not None:
        until = words.ended.format(who=state.changed_by, when=notation.moment(state.ended_at))
    else:
        until = words.over_since.format(when=notation.moment(state.until))
    held = 0 if is_over or not visit.person.sees_all else board.deliveries.held_by(state.silence_id)
    return Row(
        state.silence_id,
        until,
        _matchers(state, words, notation),
        state.reason,
        words.added.format(who=state.created_by, when=notation.moment(state.created_at)),
        "" if not held else words.held[0] if held == 1 else words.held[1].format(n=notation.count(held)),
        not is_over and visit.person.may(Permission.ADMIN),
    )


def _matchers(state: Silence, words: SilenceWords, notation: Notation) -> list[tuple[str, str]]:
    """Return what a silence holds back: pairs of a label and a text."""
    match = state.match
    severities = [words.severities.get(Severity(one), one) for one in match.severities]
    found = [
        (words.segment, notation.whole_name(match.segment) if match.segment else words.everything),
        (words.kind, ", ".join(words.kinds.get(kind, kind) for kind in match.kinds)),
        (words.severity, ", ".join(severities) or words.usual_severities),
        *((getattr(words, name), ", ".join(getattr(match, name))) for name in _LISTS),
    ]
    return [(label, text) for label, text in found if text]
