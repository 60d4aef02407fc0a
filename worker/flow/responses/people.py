"""Which answer is each customer's latest, by segment: the differences that a response makes for the customer's others.

A segment counts an answer as if it were its customer's only one. Most customers answer once to a segment; then there is
no difference. Answers are in the order of their own times, or of the response's ids if the times are equal. So the
order does not depend on when they arrive. Answers that were counted by version 0.1.0, which did not count by customer,
are left out.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from worker.flow.messages.tally import AnswerKey, Differences
from worker.flow.responses.customer import Answer
from worker.lineage import SEPARATOR, paths_of

_order = attrgetter("at", "response_id")
_NONE: dict[str, Differences] = {}


def differences(known: Iterable[Answer], previous: Answer | None, answer: Answer) -> dict[str, Differences]:
    """Return the differences that an answer makes, by the path of each segment and survey.

    `known`: the customer's answers until now; `previous`: the previous revision of the answer, which is one of them, or
    None; `answer`: the new answer. In any case a segment takes `previous` out and puts `answer` in.
    """
    others = [one for one in known if one.counted and one is not previous and one.offset >= 0]
    if previous is not None and previous.counted:
        return _corrected(others, previous, answer) if others or previous.offset < 0 else _NONE
    return _added(others, answer) if others and answer.counted else _NONE


def _added(others: list[Answer], answer: Answer) -> dict[str, Differences]:
    """Return the differences of a new answer: either it or the latest answer so far does not count, the older one.

    The answers of a segment are also answers of the segment above it. So the latest ones are looked for from the root
    down, and an answer that is the latest of a segment is the latest of each segment below it that it belongs to.
    """
    paths: Sequence[str] = paths_of(answer.segment, answer.survey_id)
    latest = _newest(others)
    older = [_older(latest, answer)]
    found = dict[str, Differences]()
    if answer.survey_id:
        *paths, survey = paths
        if latest.survey_id == answer.survey_id:
            found[survey] = older
        elif in_survey := [one for one in others if one.survey_id == answer.survey_id]:
            found[survey] = [_older(_newest(in_survey), answer)]
    for path in reversed(paths):
        beginning = path + SEPARATOR
        if path and not (latest.segment + SEPARATOR).startswith(beginning):
            others = [one for one in others if (one.segment + SEPARATOR).startswith(beginning)]
            if not others:
                break
            latest = _newest(others)
            older = [_older(latest, answer)]
        found[path] = older
    return found


def _newest(answers: Sequence[Answer]) -> Answer:
    """Return the latest of some answers."""
    newest = answers[0]
    for one in answers:  # `max` with a key takes twice as long
        if one.at > newest.at or (one.at == newest.at and one.response_id > newest.response_id):
            newest = one
    return newest


def _older(known: Answer, answer: Answer) -> tuple[AnswerKey, int]:
    """Return the difference that the older one of two answers no longer counts, because of the new `answer`."""
    return _difference(known if _order(known) < _order(answer) else answer, answer.offset, -1)


def _corrected(others: list[Answer], previous: Answer, answer: Answer) -> dict[str, Differences]:
    """Return the differences of a correction. Before it and after it, any of the answers may be the latest."""
    taken_from = paths_of(previous.segment, previous.survey_id)
    put_to = paths_of(answer.segment, answer.survey_id) if answer.counted else ()
    touched = dict.fromkeys((*taken_from, *put_to))
    latest, found = _latest(others, touched), dict[str, Differences]()
    for path in touched:
        other = latest.get(path)
        taken = previous if path in taken_from else None
        put = answer if path in put_to else None
        before = _later(other, taken if taken is not None and taken.offset >= 0 else None)
        after = _later(other, put)
        # How the latest answer changes, less what the segment does anyway.
        signs = {
            id(one): (one, (one is after) - (one is before) + (one is taken) - (one is put))
            for one in (other, taken, put)
            if one is not None
        }
        if changed := [_difference(one, answer.offset, sign) for one, sign in signs.values() if sign]:
            found[path] = changed
    return found


def _latest(answers: list[Answer], paths: Iterable[str]) -> dict[str, Answer]:
    """Return the latest of the answers by path, for those of the paths that have one."""
    missing = set(paths)
    found: dict[str, Answer] = {}
    if len(answers) > 1:
        answers.sort(key=_order, reverse=True)
    for answer in answers:
        for path in paths_of(answer.segment, answer.survey_id):
            if path in missing:
                missing.remove(path)
                found[path] = answer
        if not missing:
            break
    return found


def _later(one: Answer | None, other: Answer | None) -> Answer | None:
    if one is None or other is None:
        return one or other
    return one if _order(one) > _order(other) else other


def _difference(answer: Answer, offset: int, sign: int) -> tuple[AnswerKey, int]:
    return (offset, answer.at, answer.score, answer.offset), sign
