"""Answers that no person gave: a mail scanner opens every link of a survey mail, a double click sends one answer twice.

A burst is judged by the answers' own times, never by when they arrive: a year that is imported within a second is none.
It is judged among one customer's answers to one survey and segment, from one person as far as names and addresses say.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from worker.flow.policy import BurstPolicy
from worker.flow.responses.customer import DOUBLE_CLICK, SCANNER, Answer

_SECOND = 1_000
#: A survey mail has eleven links, and a scanner opens each once or twice. More answers at the same time are an id that
#: many people share, or times that were never exact: all of them count.
_LONGEST = 22


class Burst(NamedTuple):
    """An answer and those given within moments of it, in the order in which they came.

    `held`: why each does not count from now on, 0 if it does.
    """

    answers: Sequence[Answer]
    held: Sequence[int]

    @property
    def is_shared(self) -> bool:
        """Whether so many answers cannot be one person's, nor a scanner's."""
        return len(self.answers) > _LONGEST

    @property
    def figures(self) -> dict[str, float]:
        """What the judgement rests on."""
        times = [answer.at for answer in self.answers]
        return {
            "answers": len(self.answers),
            "different_scores": len({answer.score for answer in self.answers}),
            "seconds": (max(times) - min(times)) / _SECOND,
        }


def burst_of(known: Sequence[Answer], new: Answer, policy: BurstPolicy) -> Burst | None:
    """Return the burst that an answer belongs to; None if it stands alone."""
    if not known:
        return None  # so it is with a customer's first answer, and to read the policy takes longer
    longest = max(policy.scanner_seconds, policy.double_click_seconds) * _SECOND
    near = [answer for answer in known if abs(answer.at - new.at) < longest and _is_alike(answer, new)]
    if not near:
        return None
    answers = [*near, new]
    return Burst(answers, [0] * len(answers) if len(answers) > _LONGEST else _judged(answers, new, policy))


def _is_alike(answer: Answer, new: Answer) -> bool:
    if answer.content is None or new.content is None or not (answer.counted or answer.is_held):
        return False
    asked = answer.survey_id == new.survey_id and answer.segment == new.segment
    return asked and answer.content.person == new.content.person


def _judged(answers: list[Answer], new: Answer, policy: BurstPolicy) -> list[int]:
    """Return why each answer does not count. What was held back stays so: a later answer may see less of a burst."""
    silent = [answer for answer in answers if not _comment(answer)]
    silent = [answer for answer in silent if abs(answer.at - new.at) < policy.scanner_seconds * _SECOND]
    scanned = len({answer.score for answer in silent}) >= policy.scanner_scores
    held = []
    for number, answer in enumerate(answers):
        if scanned and any(answer is other for other in silent):
            held.append(SCANNER)
        elif answer.held:
            held.append(answer.held)
        else:
            held.append(DOUBLE_CLICK if _is_double(answer, answers[:number], policy) else 0)
    return held


def _is_double(answer: Answer, earlier: Iterable[Answer], policy: BurstPolicy) -> bool:
    longest = policy.double_click_seconds * _SECOND
    said = answer.score, _comment(answer)
    return any((a.score, _comment(a)) == said and abs(a.at - answer.at) < longest for a in earlier)


def _comment(answer: Answer) -> int:
    return 0 if answer.content is None else answer.content.comment
