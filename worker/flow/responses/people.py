"""Which answer is each customer's latest, by segment: what an event changes there beyond adding and taking out answers.

To most segments a customer answers once: then there is nothing to say. Order is by the answers' own times, ties by the
response's id, so that it does not depend on the order of arrival. An answer that the version before has counted is left
out: it did not count by customer.
"""

from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter

from worker.flow.lineage import paths_of
from worker.flow.messages.tally import AnswerKey, Differences
from worker.flow.responses.customer import Answer

_order = attrgetter("at", "response_id")
_NONE: dict[str, Differences] = {}


def differences(known: Iterable[Answer], previous: Answer | None, answer: Answer) -> dict[str, Differences]:
    """Return the differences by segment and survey.

    `known`: the customer's answers before the event; `previous`: the earlier revision among them, if there is one;
    `answer`: what the event makes of it. A segment counts the event as one that takes `previous` out and puts `answer`
    in.
    """
    others = [one for one in known if one.counted and one is not previous and one.offset >= 0]
    if previous is not None and previous.counted:
        return _corrected(others, previous, answer) if others or previous.offset < 0 else _NONE
    return _added(others, answer) if others and answer.counted else _NONE


def _added(others: list[Answer], answer: Answer) -> dict[str, Differences]:
    """Return the differences of a new answer: of it and the latest until then, the older one does not count."""
    order, offset = _order(answer), answer.offset
    segment, survey_id = answer.segment, answer.survey_id
    if len(others) == 1:
        other = others[0]
        told = [_difference(other if _order(other) < order else answer, offset, -1)]
        return dict.fromkeys(_shared(segment, survey_id, other.segment, other.survey_id), told)
    found = dict[str, Differences]()
    paths = len(paths_of(segment, survey_id))
    others.sort(key=_order, reverse=True)
    for other in others:
        difference: Differences = []
        for path in _shared(segment, survey_id, other.segment, other.survey_id):
            if path not in found:
                if not difference:
                    difference.append(_difference(other if _order(other) < order else answer, offset, -1))
                found[path] = difference
        if len(found) == paths:
            break
    return found


@lru_cache(maxsize=65_536)
def _shared(segment: str, survey_id: str, other_segment: str, other_survey_id: str) -> tuple[str, ...]:
    """Return everything that two answers both count for."""
    others = paths_of(other_segment, other_survey_id)
    return tuple(path for path in paths_of(segment, survey_id) if path in others)


def _corrected(others: list[Answer], previous: Answer, answer: Answer) -> dict[str, Differences]:
    """Return the differences of a correction, of which any answer may be the latest before or after."""
    gone = paths_of(previous.segment, previous.survey_id)
    come = paths_of(answer.segment, answer.survey_id) if answer.counted else ()
    touched = dict.fromkeys((*gone, *come))
    latest, found = _latest(others, touched), dict[str, Differences]()
    for path in touched:
        other = latest.get(path)
        taken = previous if path in gone else None
        put = answer if path in come else None
        before = _later(other, taken if taken is not None and taken.offset >= 0 else None)
        after = _later(other, put)
        # What is so by customer, less what the segment does anyway.
        signs = {
            id(one): (one, (one is after) - (one is before) + (one is taken) - (one is put))
            for one in (other, taken, put)
            if one is not None
        }
        if told := [_difference(one, answer.offset, sign) for one, sign in signs.values() if sign]:
            found[path] = told
    return found


def _latest(answers: list[Answer], paths: Iterable[str]) -> dict[str, Answer]:
    """Return the latest answer to each of some paths, of those that have one."""
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
