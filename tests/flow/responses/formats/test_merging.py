"""How several deliveries about one answer become one response, in every order."""

from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from worker.flow.responses.formats.canonical import checked
from worker.flow.responses.formats.merging import Known, merge
from worker.flow.responses.formats.outcome import Accepted, Ignored, Part, Refused, Why

BASE = {"response_id": "s:1", "survey_id": "s", "customer_id": "c-1", "responded_at": "2026-03-02T10:00:00Z"}


def response(revision: int, **changes: Any) -> Accepted:
    return checked({**BASE, "revision": revision, "score": 3, **changes})


def part(question: str, at: int, **changes: Any) -> Part:
    when = f"2026-03-02T10:00:{at:02}Z"
    return Part("s:1", question, at, {**BASE, "revision": 0, "responded_at": when, **changes})


def after(*new: Accepted | Part) -> tuple[Known, list[Accepted | Ignored | Refused]]:
    known, outcomes = Known(), []
    for one in new:
        known, outcome = merge(known, one)
        outcomes.append(outcome)
    return known, outcomes


def test_a_later_revision_keeps_the_first_time() -> None:
    _, [first, second] = after(response(0), response(1, comment="Bof.", responded_at="2026-03-02T10:05:00Z"))

    assert first == response(0)
    assert second == response(1, comment="Bof.")


def test_repeats_and_older_revisions_are_ignored() -> None:
    _, outcomes = after(response(5), response(5), response(4, score=9))

    assert outcomes[1:] == [Ignored(Why.ALREADY_RECEIVED), Ignored(Why.OLDER_REVISION)]


def test_the_same_revision_with_more_in_it_is_a_response() -> None:
    _, [_, second] = after(response(0), response(0, comment="Bof."))

    assert second == response(0, comment="Bof.")


def test_parts_become_one_response_in_every_order() -> None:
    parts = [part("12", 0, score=6), part("13", 30, comment="Prices."), part("14", 40, language="en")]
    for order in permutations(parts):
        known, outcomes = after(*order)
        last = outcomes[-1]
        assert isinstance(last, Accepted)
        assert last.fields == {**parts[0].fields, "comment": "Prices.", "language": "en", "revision": 2}
        assert known.fields == last.fields
        published = [outcome.revision for outcome in outcomes if isinstance(outcome, Accepted)]
        assert published == sorted(set(published))


def test_a_comment_alone_waits_for_the_score() -> None:
    _, outcomes = after(part("13", 30, comment="Prices."))

    assert outcomes == [Ignored(Why.NOT_YET_ANSWERED)]


def test_the_latest_answer_to_a_question_counts() -> None:
    _, outcomes = after(
        part("12", 10, score=6), part("12", 20, score=2), part("12", 10, score=6), part("12", 20, score=2)
    )

    assert isinstance(outcomes[1], Accepted)
    assert (outcomes[1].fields["score"], outcomes[1].revision) == (2, 1)
    assert outcomes[1].fields["responded_at"] == "2026-03-02T10:00:10Z"
    assert outcomes[2:] == [Ignored(Why.OLDER_REVISION), Ignored(Why.ALREADY_RECEIVED)]


def test_what_is_refused_does_not_change_what_is_known() -> None:
    known, [_, second] = after(part("12", 0, score=6), part("13", 1, anonymous="perhaps"))
    assert isinstance(second, Refused)
    assert (second.reason, known) == ("wrong_type", after(part("12", 0, score=6))[0])


@given(st.permutations(range(4)), st.data())
def test_repeats_change_nothing(order: list[int], data: st.DataObject) -> None:
    parts = [
        part("12", 0, score=6),
        part("13", 5, comment="a"),
        part("13", 6, comment="b"),
        part("14", 7, language="fr"),
    ]
    once = [parts[place] for place in order]
    places = data.draw(st.lists(st.integers(0, 3), max_size=4))
    known, _ = after(*once)

    again, outcomes = after(*once, *(parts[place] for place in places))
    assert again == known
    assert all(isinstance(outcome, Ignored) for outcome in outcomes[4:])
    assert (known.fields["score"], known.fields["comment"]) == (6, "b")
