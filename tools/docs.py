"""The parts of the documents that follow from the code: `make docs` writes them, and a test holds them against it.

A generated part of a document stands between two comments: `<!-- NAME: made by `make docs` -->` and `<!-- end -->`.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from schemas.catalog import CONTRACTS, Contract
from worker import reference

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"

_PART = re.compile(r"(?P<begin><!-- (?P<name>[a-z-]+): [^>]*-->\n).*?(?P<end><!-- end -->)", re.DOTALL)
_DECISION = re.compile(r"# (?P<title>.+)\n\nDecided: (?P<date>\d{4}-\d\d-\d\d)\.\n\n\S")


def topics() -> str:
    """Return the table of topics, for a document in docs/."""
    lines = ["| topic | key | cleanup | what | schema |", "|---|---|---|---|---|"]
    for contract in (c for c in CONTRACTS if c.public):
        cleanup = "compact" if contract.compacted else "delete"
        schema = f"[{contract.name}](../schemas/json/{contract.name}.schema.json)"
        lines.append(f"| `nps.{contract.topic}` | {contract.key} | {cleanup} | {contract.summary} | {schema} |")
    return "\n".join(lines)


def examples() -> str:
    """Return an example of each event."""
    return "\n".join(_example(contract) for contract in CONTRACTS if contract.public)


def _example(contract: Contract) -> str:
    body = json.dumps(contract.example, ensure_ascii=False, indent=2)
    title = f"<code>nps.{contract.topic}</code>: {contract.event_type}"
    return f"<details><summary>{title}</summary>\n\n```json\n{body}\n```\n\n</details>"


def settings() -> str:
    """Return the table of settings."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for setting in reference.settings():
        default = f"`{setting.default}`" if setting.default is not None else ""
        lines.append(f"| `{setting.key}` | {default} | {setting.meaning.replace('|', '/')} |")
    return "\n".join(lines)


def decisions() -> str:
    """Return the table of decisions, for the index in docs/decisions/; raise ValueError for a file without a date."""
    lines = ["| decided | decision |", "|---|---|"]
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        head = _DECISION.match(path.read_text())
        if head is None:
            raise ValueError(f"{path} must begin with '# TITLE', an empty line, 'Decided: YYYY-MM-DD.', and a text")
        lines.append(f"| {head['date']} | [{head['title']}]({path.name}) |")
    return "\n".join(lines)


SECTIONS: dict[str, Callable[[], str]] = {
    "topics": topics,
    "examples": examples,
    "settings": settings,
    "decisions": decisions,
}


def documents() -> Iterator[Path]:
    """Yield each Markdown file that may have generated parts: README.md and all below docs/."""
    yield ROOT / "README.md"
    yield from sorted(DOCS.rglob("*.md"))


def parts(text: str) -> list[str]:
    """Return the names of the generated parts of a document, in its order."""
    return [found["name"] for found in _PART.finditer(text)]


def filled(text: str) -> str:
    """Return a document with its generated parts as the code has them now; raise KeyError for an unknown part."""
    return _PART.sub(lambda found: f"{found['begin']}{SECTIONS[found['name']]()}\n{found['end']}", text)


def main() -> int:
    """Write the generated parts of all documents."""
    for path in documents():
        text = path.read_text()
        made = filled(text)
        if made != text:
            path.write_text(made)
            print(f"{path.relative_to(ROOT)} was changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
