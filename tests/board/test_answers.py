"""The latest answers: why somebody was told, or why nobody was."""

import pytest
from board.records import decision
from flow.records import NOW, Record

from worker.board import answers as module
from worker.board.answers import Answer, AnswerLog, AnswerQuery, Verdict
from worker.board.newest import Bounds
from worker.board.unreadable import UNREADABLE

_QUIET = [{"rule": "detractor_alert", "verdict": "none", "reason": "too_old"}]


def log(*records: Record, most: int = 1_000) -> AnswerLog:
    found = AnswerLog(Bounds(most))
    for one in records:
        found.take(one)
    return found


def responses(found: AnswerLog, **query: object) -> list[str]:
    return [one.response_id for one in found.latest(AnswerQuery(**query)).entries]  # type: ignore[arg-type]


def test_an_answer_has_what_each_rule_has_decided() -> None:
    (answer,) = log(decision(NOW, 3)).latest(AnswerQuery()).entries
    assert isinstance(answer, Answer)
    assert (answer.at, answer.outcome, answer.customer_id, answer.response_id) == (
        NOW,
        "accepted",
        "c-7f3a91",
        "r-20461",
    )
    assert (answer.score, answer.category, answer.segment, answer.told) == (2, "detractor", "fr/lyon/delivery", True)
    assert answer.verdicts == (
        Verdict("detractor_alert", "alert_opened", "detractor"),
        Verdict("review_invitation", "none", "not_promoter"),
        Verdict("suspect_gaming", "marked", "asked_by_whom_it_judges", (("minutes_after_contact", 12.0),)),
    )


def test_each_filter_takes_what_fits() -> None:
    found = log(
        decision(NOW, response_id="told"),
        decision(NOW + 1, response_id="quiet", rules=_QUIET),
        decision(NOW + 2, response_id="happy", category="promoter", score=10, segment="fr/paris", rules=_QUIET),
        decision(NOW + 3, response_id="twice", outcome="duplicate", category=None, segment=None, rules=[]),
    )
    assert responses(found) == ["twice", "happy", "quiet", "told"]
    assert responses(found, untold=True) == ["quiet"]
    assert responses(found, category="promoter") == ["happy"]
    assert responses(found, outcome="duplicate") == ["twice"]
    assert responses(found, reason="too_old") == ["happy", "quiet"]
    assert responses(found, segment="fr/paris") == ["happy"]
    assert responses(found, visible=("fr/lyon",)) == ["quiet", "told"]
    assert [one.response_id for one in found.of_customer("c-7f3a91", ("fr/paris",))] == ["happy"]
    assert [one.response_id for one in found.of_response("quiet")] == ["quiet"]
    assert found.of_response("other") == []


def test_a_repeat_of_an_answer_is_not_one_of_whom_nobody_was_told() -> None:
    found = log(
        decision(NOW, response_id="told"),
        decision(NOW + 1, decision_id="d-2", response_id="told", outcome="duplicate", rules=[]),
    )
    assert responses(found) == ["told", "told"]
    assert responses(found, untold=True) == []


def test_what_is_older_than_the_bounds_allow_is_found_nowhere() -> None:
    found = log(*(decision(NOW + number, response_id=f"r-{number}", customer_id="c") for number in range(30)), most=10)
    assert len(found) <= 11
    assert responses(found)[0] == "r-29"
    assert found.of_response("r-0") == []
    assert len(found.of_customer("c")) == len(found)


def test_what_rules_decide_is_shared_and_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_SHARED", 3)
    found = log(decision(NOW, rules=_QUIET), decision(NOW + 1, rules=_QUIET))
    one, other = found.latest(AnswerQuery()).entries
    assert one.verdicts is other.verdicts
    for number in range(20):
        found.take(decision(NOW + 2 + number, rules=[{**_QUIET[0], "reason": f"reason_{number}"}]))
        assert len(found._verdicts) <= 4
    assert [one.verdicts[0].reason for one in found.latest(AnswerQuery()).entries][:2] == ["reason_19", "reason_18"]


def test_the_answers_of_an_erased_customer_are_dropped() -> None:
    found = log(decision(NOW, response_id="r-1"), decision(NOW, response_id="r-2", customer_id="c-2"))
    found.take(decision(NOW + 1, outcome="erased", response_id=None, score=None, category=None, segment=None, rules=[]))
    assert [(one.outcome, one.response_id) for one in found.of_customer("c-7f3a91")] == [("erased", "")]
    assert found.of_response("r-1") == []
    assert responses(found) == ["", "r-2"]


def test_a_decision_that_is_published_again_is_shown_once() -> None:
    found = log(decision(decision_id="d"), decision(decision_id="d"), decision(decision_id="e"))
    assert [one.id for one in found.latest(AnswerQuery()).entries] == ["e", "d"]


def test_a_partition_can_be_forgotten() -> None:
    found = log(decision(NOW, 0, response_id="r-1"), decision(NOW, 1, response_id="r-2"))
    before = found.version
    found.forget(0)
    assert responses(found) == ["r-2"]
    assert found.version > before


def test_what_is_no_decision_is_refused() -> None:
    found = log()
    for value in (None, b"{}", b"noise"):
        with pytest.raises(UNREADABLE):
            found.take(Record(value))
    assert found.version == 0
