"""Every stable word by which the worker gives a reason has words on the page, in both languages."""

import pytest

from schemas.case import CaseAction
from schemas.dead_letter import Reason
from schemas.decision import Category, Outcome
from schemas.delivery import DeliveryStatus
from worker.metrics.words import DELIVERIES, OTHER, RULE_DECISIONS
from worker.routing.receiver import Language
from worker.web.pages.deliveries import reason_in_words
from worker.web.words.answers import ANSWER_WORDS
from worker.web.words.dead_letters import DEAD_LETTER_WORDS
from worker.web.words.deliveries import DELIVERY_WORDS

LANGUAGES: tuple[Language, ...] = ("en", "fr")


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_that_rules_decide_has_a_sentence(language: Language) -> None:
    words = ANSWER_WORDS[language]
    assert set(words.sentences) == set(RULE_DECISIONS)
    assert set(words.rules) == {rule for rule, _, _ in RULE_DECISIONS}
    assert set(words.outcomes) == set(words.outcome_sentences) == set(Outcome)
    assert set(words.categories) == set(Category)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_a_dead_letter_has_a_sentence(language: Language) -> None:
    assert set(DEAD_LETTER_WORDS[language].reasons) == set(Reason)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_of_the_delivery_log_has_words(language: Language) -> None:
    words = DELIVERY_WORDS[language]
    assert set(words.statuses) == set(DeliveryStatus)
    unknown = words.other.format(reason="")
    for status, reason in DELIVERIES:
        example = {"smtp_4xx": "smtp_450", "smtp_5xx": "smtp_550", "gave_up": "gave_up_smtp_450"}.get(reason, reason)
        said = reason_in_words(status, example.replace("xx", "04"), words)
        assert reason == OTHER or said.split()[:2] != unknown.split()[:2], (status, reason)
    assert {str(action) for action in CaseAction} <= set(words.reasons)


def test_a_word_of_another_version_is_shown_as_it_is() -> None:
    words = DELIVERY_WORDS["en"]
    assert reason_in_words("failed", "something_new", words) == "The reason is something_new."
    expected = "Given up after the last attempt. The mail server has refused it."
    assert reason_in_words("failed", "gave_up_smtp_550", words) == expected
