"""docs/runbook.md has a section for each alarm, and what it names is there: commands, tests and faults."""

import contextlib
import io
import re

import pytest
from chaos.plan import FAULTS
from deploy.files import ROOT
from deploy.test_prometheus import anchor_of, rules

from worker import cli

RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
#: What each section has, in this order.
PARTS = ["What it means", "What to look at", "What to do", "When it ends", "Tried by"]
_ALARM = re.compile(r"^`(Nps[A-Za-z]+)` fires if ")
_COMMAND = re.compile(r"\bpython -m worker(?P<words>(?: [a-z][a-z-]*)+)")


def sections() -> dict[str, str]:
    """Return the text of the sections about alarms by their anchors."""
    headings = re.split(r"^## (NPS .+)$", RUNBOOK, flags=re.MULTILINE)
    return {
        heading.lower().replace(" ", "-"): text for heading, text in zip(headings[1::2], headings[2::2], strict=True)
    }


def parts(section: str) -> dict[str, str]:
    """Return the parts of a section by the words in bold that they begin with."""
    pieces = re.split(r"^\*\*([^*]+?)\.?\*\*\s", section.partition("\n## ")[0], flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def commands(text: str) -> set[tuple[str, ...]]:
    """Return the words of each command of the worker, without its arguments and options."""
    joined = " ".join(text.split())
    return {tuple(found["words"].split()) for found in _COMMAND.finditer(joined)}


def test_there_is_a_section_for_each_alarm_and_an_alarm_for_each_section() -> None:
    """They have the same order, and the table at the beginning has all of them with their severities."""
    alarms = [(rule["alert"], rule["labels"]["severity"], anchor_of(rule["alert"])) for rule in rules()]
    table = re.findall(r"^\| \[(Nps\w+)\]\(#([\w-]+)\) \| (\w+) \|", RUNBOOK, re.MULTILINE)

    assert [anchor for *_, anchor in alarms] == [*sections()]
    assert alarms == [(name, severity, anchor) for name, anchor, severity in table]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_section_says_what_the_alarm_means_what_to_do_and_what_has_tried_it(rule: dict[str, str]) -> None:
    found = parts(sections()[anchor_of(rule["alert"])])
    named = _ALARM.match(found["What it means"])

    assert [*found] == PARTS
    assert named is not None
    assert named[1] == rule["alert"]


@pytest.mark.parametrize("words", sorted(commands(RUNBOOK)), ids=" ".join)
def test_a_command_of_the_runbook_is_there(words: tuple[str, ...]) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])

    assert ended.value.code == 0
    assert said.getvalue().startswith(f"usage: python -m worker {' '.join(words)} ")


def test_what_has_tried_an_alarm_is_a_test_or_a_fault() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    known = {name for file in files for name in re.findall(r"^async def (test_\w+)", file.read_text(), re.MULTILINE)}
    known |= {fault.name for fault in FAULTS} | {
        "deploy/prometheus/rules_test.yml",
        "tests/integration/test_metrics.py",
    }
    named = {name for section in sections().values() for name in re.findall(r"`([^`]+)`", parts(section)["Tried by"])}

    assert sorted(named - known) == []
