"""The documents say what is so: their links lead somewhere, and what follows from the code is as the code has it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tools import docs

ROOT = docs.ROOT
#: What a reader may read first is short.
_README_LINES = 180
_DOCUMENTS = [*docs.documents(), ROOT / "CHANGELOG.md", ROOT / "bench/README.md"]
_FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\[[^\]\n]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_document = pytest.mark.parametrize("path", _DOCUMENTS, ids=name)


class Link(NamedTuple):
    """A link to a file of the repository; `anchor` is empty for the file as a whole."""

    file: Path
    anchor: str


def links(path: Path, text: str) -> Iterator[Link]:
    """Yield the relative links of a document; code is no text."""
    for target in _LINK.findall(_CODE.sub("code", _FENCED.sub("", text))):
        if "://" not in target and not target.startswith("mailto:"):
            file, _, anchor = target.partition("#")
            yield Link((path.parent / file).resolve() if file else path, anchor)


def anchors(text: str) -> set[str]:
    """Return what can stand behind '#' in links to a document, as GitHub makes it of the headings."""
    counts: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{slug}-{counts[slug]}" if counts[slug] else slug)
        counts[slug] += 1
    return found


def wrong_links(path: Path, text: str) -> list[str]:
    """Return the links of a document that lead nowhere."""
    wrong = []
    for link in links(path, text):
        if not link.file.exists():
            wrong.append(f"{link.file} does not exist")
        elif link.anchor and link.anchor not in anchors(link.file.read_text() if link.file != path else text):
            wrong.append(f"{link.file} has no heading #{link.anchor}")
    return wrong


@every_document
def test_every_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    assert wrong_links(path, path.read_text()) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = "# One `two`: three\n[a](none.md) [b](#one-two-three) [c](#one) [`d`](gone.md#x) ![e](no.png) `[f](f.md)`"

    wrong = wrong_links(ROOT / "README.md", text)

    assert [f"{ROOT / 'none.md'} does not exist", f"{ROOT / 'README.md'} has no heading #one"] == wrong[:2]
    assert [f"{ROOT / 'gone.md'} does not exist", f"{ROOT / 'no.png'} does not exist"] == wrong[2:]


@every_document
def test_the_generated_parts_are_up_to_date(path: Path) -> None:
    text = path.read_text()
    assert docs.filled(text) == text, "run: make docs"


def test_every_part_that_can_be_generated_is_in_one_document() -> None:
    found = [part for path in docs.documents() for part in docs.parts(path.read_text())]
    assert sorted(docs.SECTIONS) == sorted(found)


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= _README_LINES


def test_every_document_can_be_found_from_readme() -> None:
    found: set[Path] = set()
    to_read = [ROOT / "README.md"]
    while to_read:
        path = to_read.pop()
        if path not in found and path.suffix == ".md":
            found.add(path)
            to_read += [link.file for link in links(path, path.read_text())]

    assert [name(path) for path in _DOCUMENTS if path not in found] == []
