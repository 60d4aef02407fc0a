"""The parts of README.md that the code decides: `make readme` writes them, a test holds them against it."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from schemas.catalog import CONTRACTS, Contract
from worker import reference

README = Path(__file__).parents[1] / "README.md"


def topics() -> str:
    """Return the table of topics."""
    lines = ["| topic | key | cleanup | what | schema |", "|---|---|---|---|---|"]
    for contract in (c for c in CONTRACTS if c.public):
        cleanup = "compact" if contract.compacted else "delete"
        schema = f"[{contract.name}](schemas/json/{contract.name}.schema.json)"
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


SECTIONS: dict[str, Callable[[], str]] = {"topics": topics, "examples": examples, "settings": settings}


def filled(text: str) -> str:
    """Return the README with its generated parts made anew."""
    for name, make in SECTIONS.items():
        pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end -->)", re.DOTALL)
        found = pattern.search(text)
        assert found is not None, f"README.md has no part called {name}"
        text = f"{text[: found.start()]}{found[1]}{make()}\n{found[2]}{text[found.end() :]}"
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
    sys.exit(0)
