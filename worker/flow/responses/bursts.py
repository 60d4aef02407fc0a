"""Answers that no person gave: a mail scanner opens every link of a survey mail, a double click sends one answer twice.

Answers whose times lie close together are a burst. These are the answers' own times, not those of their arrival: a year
of answers that is imported within a second is no burst. The answers of a burst have one customer, one survey, one
segment, and the same name and addresses.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from worker.flow.policy import BurstPolicy
from worker.flow.responses.customer import DOUBLE_CLICK, SCANNER, Answer

_SECOND = 1_000
#: The largest number of answers that one person or a scanner gives. A survey mail has eleven links, and a scanner opens
#: each once or twice. If there are more answers, many people share one id, or the times are not exact: all of them
#: count.
_LONGEST = 22


class Burst(NamedTuple):
    """An answer, and those that the same customer gave shortly before or after it."""

    #: In the order in which they arrived; the newest is the last one.
    answers: Sequence[Answer]
    #: Why each answer does not count (customer.py); 0 if it counts.
    exclusions: Sequence[int]

    @property
    def is_shared(self) -> bool:
        """Whether there are more answers than one person or a scanner gives, so that many people share the id."""
        return len(self.answers) > _LONGEST

    @property
    def figures(self) -> dict[str, float]:
        """The figures that the decision depends on."""
        times = [answer.at for answer in self.answers]
        return {
            "answers": len(self.answers),
            "different_scores": len({answer.score for answer in self.answers}),
            "seconds": (max(times) - min(times)) / _SECOND,
        }


def burst_of(known: Sequence[Answer], new: Answer, policy: BurstPolicy) -> Burst | None:
    """Return the burst that a new answer belongs to; None if no other answer is close to it.

    `known`: the customer's earlier answers.
    """
    if not known:
        return None  # this is a customer's first answer, and to read the policy would take longer
    longest = max(policy.scanner_seconds, policy.double_click_seconds) * _SECOND
    near = [answer for answer in known if abs(answer.at - new.at) < longest and _is_alike(answer, new)]
    if not near:
        return None
    answers = [*near, new]
    return Burst(answers, [0] * len(answers) if len(answers) > _LONGEST else _exclusions(answers, new, policy))


def _is_alike(answer: Answer, new: Answer) -> bool:
    if answer.content is None or new.content is None or not (answer.counted or answer.is_excluded_in_burst):
        return False
    is_same_survey = answer.survey_id == new.survey_id and answer.segment == new.segment
    return is_same_survey and answer.content.person_checksum == new.content.person_checksum


def _exclusions(answers: list[Answer], new: Answer, policy: BurstPolicy) -> list[int]:
    """Return why each answer does not count; 0 if it counts.

    An answer that did not count stays so, since the burst of a later answer may have fewer answers.
    """
    silent = [answer for answer in answers if not _comment_checksum(answer)]
    silent = [answer for answer in silent if abs(answer.at - new.at) < policy.scanner_seconds * _SECOND]
    is_scanned = len({answer.score for answer in silent}) >= policy.scanner_scores
    found = []
    for place, answer in enumerate(answers):
        if is_scanned and any(answer is other for other in silent):
            found.append(SCANNER)
        elif answer.exclusion:
            found.append(answer.exclusion)
        else:
            found.append(DOUBLE_CLICK if _is_double(answer, answers[:place], policy) else 0)
    return found


def _is_double(answer: Answer, earlier: Iterable[Answer], policy: BurstPolicy) -> bool:
    longest = policy.double_click_seconds * _SECOND
    score, comment = answer.score, _comment_checksum(answer)
    same = [other for other in earlier if other.score == score and _comment_checksum(other) == comment]
    return any(abs(other.at - answer.at) < longest for other in same)


def _comment_checksum(answer: Answer) -> int:
    return 0 if answer.content is None else answer.content.comment_checksum
