"""The words of the pages: both languages have the same placeholders. tests/test_french.py has French typography."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from string import Formatter
from typing import Any

import pytest

from worker.web.words.answers import ANSWER_WORDS
from worker.web.words.cases import CASE_WORDS
from worker.web.words.columns import COLUMNS
from worker.web.words.dead_letters import DEAD_LETTER_WORDS
from worker.web.words.deliveries import DELIVERY_WORDS
from worker.web.words.history import HISTORY_WORDS
from worker.web.words.incidents import INCIDENT_PAGE_WORDS
from worker.web.words.layout import LAYOUT_WORDS
from worker.web.words.login import LOGIN_WORDS
from worker.web.words.loop import LOOP_WORDS
from worker.web.words.overview import OVERVIEW_WORDS
from worker.web.words.scores import SCORE_WORDS
from worker.web.words.silences import SILENCE_WORDS
from worker.web.words.tree import TREE_WORDS
from worker.web.words.why import WHY_WORDS

#: Every text of the pages. Not the templates: they have no words of their own.
PAGES = {
    "answers": ANSWER_WORDS,
    "cases": CASE_WORDS,
    "dead_letters": DEAD_LETTER_WORDS,
    "deliveries": DELIVERY_WORDS,
    "history": HISTORY_WORDS,
    "incidents": INCIDENT_PAGE_WORDS,
    "layout": LAYOUT_WORDS,
    "login": LOGIN_WORDS,
    "loop": LOOP_WORDS,
    "overview": OVERVIEW_WORDS,
    "scores": SCORE_WORDS,
    "silences": SILENCE_WORDS,
    "tree": TREE_WORDS,
    "why": WHY_WORDS,
}


def texts(words: Any) -> Iterator[tuple[str, str]]:
    """Return the names of texts with the texts."""
    for field in fields(words):
        value = getattr(words, field.name)
        if isinstance(value, Mapping):
            yield from ((f"{field.name}.{key}", text) for key, text in value.items())
        elif isinstance(value, tuple):
            yield from ((f"{field.name}.{place}", text) for place, text in enumerate(value))
        else:
            yield field.name, value


def placeholders(text: str) -> set[str]:
    return {name for _, name, *_ in Formatter().parse(text) if name}


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_have_the_same_texts_with_the_same_placeholders(page: str) -> None:
    english, french = (
        # English keeps most expectations of dead letters as they are.
        {name: text for name, text in texts(PAGES[page][language]) if not name.startswith("expectations.")}
        for language in ("en", "fr")
    )
    assert {name: placeholders(text) for name, text in english.items()} == {
        name: placeholders(text) for name, text in french.items()
    }
    assert all(text.strip() == text != "" for text in (*english.values(), *french.values()))


def test_the_columns_of_tables_have_headings_in_both_languages() -> None:
    assert COLUMNS["en"].keys() == COLUMNS["fr"].keys()


@pytest.mark.parametrize("page", PAGES)
def test_english_has_typographic_apostrophes(page: str) -> None:
    for name, text in texts(PAGES[page]["en"]):
        assert "'" not in text, (name, text)
