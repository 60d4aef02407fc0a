"""French typography in everything that people read: pages, mails, digests and messages of chats.

The words are found wherever a module of these rooms has them, so that new ones are checked as well.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from worker.notify.content.typography import NBSP, french

ROOT = Path(__file__).parent.parent
#: The packages that have words.
PACKAGES = ("worker.web", "worker.notify")
#: A sign without a no-break space before it, or with one that breaks; a guillemet without its space; an apostrophe of
#: programs. Placeholders, such as {n}, stand for words.
WRONG = re.compile(rf" [:;!?»%]|[^\s{NBSP}:;!?%(][:;!?%](?=[\s{NBSP}.,)]|$)|[^{NBSP}]»|«[^{NBSP}]|\w'\w", re.UNICODE)
#: A sign in a template, which would be the same in both languages.
IN_TEMPLATE = re.compile(r"\}\}\s?[:;!?%](?:\s|<|$)|\}\}\s?[:!?%]\s?\{\{", re.MULTILINE)


def modules() -> list[str]:
    """Return the names of the modules that may have words."""
    return [
        found.name
        for package in PACKAGES
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    ]


def texts(words: Any, name: str) -> Iterator[tuple[str, str]]:
    """Return every text in some words, with the name of its place."""
    if isinstance(words, str):
        yield name, words
    elif isinstance(words, Mapping):
        for key, value in words.items():
            yield from texts(value, f"{name}.{key}")
    elif is_dataclass(words) and not isinstance(words, type):
        for field in fields(words):
            yield from texts(getattr(words, field.name), f"{name}.{field.name}")
    elif isinstance(words, tuple | list):
        for place, value in enumerate(words):
            yield from texts(value, f"{name}.{place}")


def french_texts() -> dict[str, str]:
    """Return all French texts: those of each mapping by languages that a module has."""
    found: dict[str, str] = {}
    for module in modules():
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, Mapping) and value.keys() == {"fr", "en"}:
                found.update(texts(value["fr"], f"{module}.{name}"))
    return found


TEXTS = french_texts()


def test_the_words_of_pages_mails_digests_and_chats_are_found() -> None:
    for module in (
        *(f"worker.web.words.{name}" for name in ("links", "cases", "columns", "silences", "messages", "login")),
        *(f"worker.notify.content.{name}" for name in ("language", "case_words", "incident_words", "digest_page")),
        *(f"worker.notify.channels.chat.{name}" for name in ("message", "digest_message")),
    ):
        assert any(name.startswith(f"{module}.") for name in TEXTS), module
    assert len(TEXTS) > 500


def test_french_has_its_no_break_spaces_and_apostrophes() -> None:
    assert {name: text for name, text in TEXTS.items() if WRONG.search(text)} == {}


def test_titles_begin_with_a_capital_letter() -> None:
    titles = {name: text for name, text in TEXTS.items() if re.search(r"(^|[._])title(\.|$)", name)}
    assert len(titles) > 20
    assert {name: text for name, text in titles.items() if not (text[0].isupper() or text.startswith("{"))} == {}


def test_no_template_has_a_sign_that_french_writes_in_another_way() -> None:
    found = [
        (path.name, match.group())
        for package in PACKAGES
        for path in (ROOT / package.replace(".", "/")).rglob("*.j2")
        for match in IN_TEMPLATE.finditer(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize("text", ["Pourquoi?", "Vide: tous", "Vide : tous", "95%", "95 %", "«oui»", "« oui »", "l'un"])
def test_a_missing_space_is_found(text: str) -> None:
    assert WRONG.search(text)


@pytest.mark.parametrize("text", ["Pourquoi ?", "Vide : tous", "95 %", "« oui » ; non", "l’un", "https://x.test"])
def test_a_text_with_its_spaces_is_right(text: str) -> None:
    assert not WRONG.search(french(text))
