"""What the pages about "Why?" share: the links between them, pages of lists, and what may be shown of customers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from worker.web.gate import Given
from worker.web.layout import address_of
from worker.web.notation import Notation
from worker.web.visit import Visit
from worker.web.words.why import WHY_WORDS

#: The part of the query that says where a page of a list begins, and the one that says what became of a form.
AFTER, DONE = "after", "done"


class Choice(NamedTuple):
    """Something to choose from in a form of filters: its name, its label, the choices, and what is chosen."""

    name: str
    label: str
    choices: list[tuple[str, str]]
    chosen: str


def why_values(visit: Visit, current: str) -> dict[str, Any]:
    """Return the values that every page of these has. `current`: the address of the page in the navigation."""
    words = WHY_WORDS[visit.language]
    entries = [
        (words.answers, "/answers"),
        (words.incidents, "/incidents"),
        (words.deliveries, "/deliveries"),
        (words.silences, "/silences"),
    ]
    if visit.person.sees_all:  # these are about no segment
        entries += [(words.digests, "/digests"), (words.dead_letters, "/dead-letters")]
    done = visit.query.get(DONE, "")
    return {
        "why": words,
        "notation": Notation(visit.language, visit.readers),
        "views": [(label, address, address == current) for label, address in entries],
        "done": words.outcomes.get(done, ""),
    }


def cursor_values(visit: Visit, total: int, after: str) -> dict[str, str]:
    """Return what the macro `cursor` shows. `after`: where the next page begins; empty if this is the last one."""
    words, notation = WHY_WORDS[visit.language], Notation(visit.language, visit.readers)
    query = without(visit.query, DONE)
    return {
        "rows": words.rows[0] if total == 1 else words.rows[1].format(n=notation.count(total)),
        "newer": address_of(visit.path, query, after=None) if visit.query.get(AFTER) else "",
        "older": address_of(visit.path, query, after=after) if after else "",
    }


def without(query: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return a query without some of its parts."""
    return {name: value for name, value in query.items() if name not in names}


def shown_id(visit: Visit, text: str) -> str:
    """Return a customer's or an answer's number, or a word in its place if the person may not see it."""
    return text if visit.person.sees_customers or not text else WHY_WORDS[visit.language].hidden


def what_became(visit: Visit, given: Given) -> str:
    """Return what became of a form, as a sentence."""
    words = WHY_WORDS[visit.language]
    if given.outcome != "refused":
        return words.outcomes[given.outcome]
    return words.reasons.get(given.reason or "", words.refused.format(reason=given.reason or "?"))
