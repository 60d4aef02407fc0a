"""The documents say what is so: their links lead somewhere, and what they name is there."""

from pathlib import Path

import pytest
from documents import ALL, PRESENT, ROOT, links, name, wrong_links, wrong_names

from tools import docs

README = ROOT / "README.md"
#: README.md is what a reader begins with, so it is short.
README_LINES = 180


@pytest.mark.parametrize("path", ALL, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    assert wrong_links(path, path.read_text()) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = "# One `two`: three\n[a](none.md) [b](#one-two-three) [c](#one) [`d`](gone.md#x) ![e](no.png) `[f](f.md)`"

    assert wrong_links(README, text) == [
        f"{ROOT / 'none.md'} does not exist",
        f"{README} has no heading #one",
        f"{ROOT / 'gone.md'} does not exist",
        f"{ROOT / 'no.png'} does not exist",
    ]


@pytest.mark.parametrize("path", PRESENT, ids=name)
def test_every_command_option_setting_and_file_that_is_named_is_there(path: Path) -> None:
    assert wrong_names(path.read_text()) == []


COMMANDS = [
    "make readme",
    "python -m worker resume",
    "python -m worker scores --depth 2",
    "python -m worker run --role postman",
    'make demo ARGS="--only soak"',
    'make chaos ARGS="--mails DIR"',
]
OTHERS = ["--no-such-option", "kafka.grup", "NPS_KAFKA__GRUP", "worker/streams/gone.py"]


@pytest.mark.parametrize("code", COMMANDS + OTHERS)
def test_a_name_of_what_is_not_there_is_found(code: str) -> None:
    assert len(wrong_names(f"This is `{code}`.")) == 1


@pytest.mark.parametrize("code", COMMANDS)
def test_a_command_that_is_not_there_is_found_in_a_block(code: str) -> None:
    assert len(wrong_names(f"```sh\nexport A=1\n{code}  # a comment\n```\n")) == 1


def test_names_of_what_is_there_are_right() -> None:
    text = """
    make demo    # a comment about `nothing else`

`make demo ARGS="--once --input FILE
--json"`, `make chaos ARGS="--only soak"`, `--mail-newer-than-days`, `python -m worker run --role process | notify`,
`kafka.group`, `kafka`, `email.retry`, `NPS_KAFKA__GROUP`, `NPS_CONFIG`, `nps.alerts`, `worker/app.py`.
"""
    assert wrong_names(text) == []


@pytest.mark.parametrize("path", PRESENT, ids=name)
def test_the_generated_parts_are_up_to_date(path: Path) -> None:
    text = path.read_text()
    assert docs.filled(text) == text, "run: make docs"


def test_every_part_that_can_be_generated_is_in_one_document() -> None:
    found = [part for path in docs.documents() for part in docs.parts(path.read_text())]
    assert sorted(docs.SECTIONS) == sorted(found)


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= README_LINES


def test_every_document_can_be_found_from_readme() -> None:
    found: set[Path] = set()
    to_read = [README]
    while to_read:
        path = to_read.pop()
        if path not in found and path.suffix == ".md" and path.exists():
            found.add(path)
            to_read += [link.file for link in links(path, path.read_text())]

    assert [name(path) for path in ALL if path not in found] == []
