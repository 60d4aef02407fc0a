"""The parts of the documents that follow from the code: `make docs` writes them, and a test holds them against it.

A generated part of a document stands between two comments: `<!-- NAME: made by `make docs` -->` and `<!-- end -->`.
"""

import ast
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby, product
from pathlib import Path
from textwrap import fill
from typing import Any

from grimp import ImportGraph, build_graph
from pydantic import BaseModel

from schemas import examples as examples_of_events
from schemas.catalog import CONTRACTS, Contract
from schemas.response import Response
from worker import reference
from worker.flow.responses.formats.tools import TOOLS
from worker.metrics.catalogue import METRICS, Metric
from worker.receive.settings import usual_signing
from worker.receive.setup import address, easier, steps_in

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"

#: The longest line of a text, in characters.
_WIDTH = 120

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
    """Return an example of each event, and of some later steps."""
    return "\n".join(
        _example(contract, what, example)
        for contract in CONTRACTS
        if contract.public
        for what, example in (("", contract.example), *contract.later_examples.items())
    )


def _example(contract: Contract, what: str, example: dict[str, Any]) -> str:
    body = json.dumps(example, ensure_ascii=False, indent=2)
    title = f"<code>nps.{contract.topic}</code>: {contract.event_type}{what and f', {what}'}"
    return f"<details><summary>{title}</summary>\n\n```json\n{body}\n```\n\n</details>"


def settings() -> str:
    """Return the table of settings."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for setting in reference.settings():
        default = f"`{setting.default}`" if setting.default is not None else ""
        lines.append(f"| `{setting.key}` | {default} | {setting.meaning.replace('|', '/')} |")
    return "\n".join(lines)


def fields() -> str:
    """Return the table of the fields of a response, those of the objects in it included."""
    lines = ["| field | example | meaning |", "|---|---|---|"]
    return "\n".join([*lines, *_fields(Response, examples_of_events.RESPONSE, "")])


def _fields(model: type[BaseModel], example: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        value = example.get(name, field.default)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, value, f"{prefix}{name}.")
            continue
        if not field.description:
            raise ValueError(f"{prefix}{name} needs a description")
        needed = " **It must be there.**" if field.is_required() else ""
        shown = json.dumps(value, ensure_ascii=False)
        yield f"| `{prefix}{name}` | `{shown}` | {field.description.replace('|', '/')}{needed} |"


def producer() -> str:
    """Return the code of the producer in examples/, without its docstring."""
    code = (ROOT / "examples/producer.py").read_text().partition('"""\n\n')[2]
    return f"```python\n{code}```"


def decisions() -> str:
    """Return the table of decisions, for the index in docs/decisions/; raise ValueError for a file without a date."""
    lines = ["| decided | decision |", "|---|---|"]
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        head = _DECISION.match(path.read_text())
        if head is None:
            raise ValueError(f"{path} must begin with '# TITLE', an empty line, 'Decided: YYYY-MM-DD.', and a text")
        lines.append(f"| {head['date']} | [{head['title']}]({path.name}) |")
    return "\n".join(lines)


def rooms() -> str:
    """Return the packages of the code as a table, and as a Mermaid graph in which an arrow says 'imports'.

    An import that follows from the other arrows is left out of the graph.
    """
    graph = build_graph("worker", "schemas", cache_dir=None)
    packages = ["schemas", *sorted(room for room in graph.find_children("worker") if graph.find_children(room))]
    shown = [*packages, "worker.app", "worker.cli"]
    lines = ["| room | what it holds |", "|---|---|"]
    lines += [f"| `{room.replace('.', '/')}/` | {_purpose(room)} |" for room in packages]
    lines += ["", "```mermaid", "flowchart TD"]
    lines += [f"    {_node(importer)} --> {_node(imported)}" for importer, imported in _arrows(graph, shown)]
    return "\n".join([*lines, "```"])


def _purpose(package: str) -> str:
    """Return the first line of a package's docstring."""
    source = ROOT / package.replace(".", "/") / "__init__.py"
    said = ast.get_docstring(ast.parse(source.read_text()))
    if not said:
        raise ValueError(f"{source} needs a docstring, whose first line says what the room holds")
    return said.splitlines()[0]


def _node(room: str) -> str:
    return room.rpartition(".")[2]


def _arrows(graph: ImportGraph, shown: list[str]) -> list[tuple[str, str]]:
    """Return the imports between what is shown, without those that a path of other imports implies."""
    direct = {
        importer: {
            imported
            for imported in shown
            if imported != importer
            and graph.direct_import_exists(importer=importer, imported=imported, as_packages=True)
        }
        for importer in shown
    }

    def below(room: str) -> set[str]:
        return direct[room].union(*(below(imported) for imported in direct[room]))

    return [
        (importer, imported)
        for importer in shown
        for imported in sorted(direct[importer])
        if not any(imported in below(other) for other in direct[importer] - {imported})
    ]


def metrics() -> str:
    """Return the table of metrics."""
    lines = ["| metric | type | labels | role | meaning |", "|---|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.scope} | {metric.meaning} |")
    return "\n".join(lines)


def label_values() -> str:
    """Return the values of the labels that are the same in every worker, for each metric that has such labels."""
    return "\n".join(line for metric in METRICS if metric.known != ((),) for line in _label_values(metric))


def _label_values(metric: Metric) -> Iterator[str]:
    """Yield the items of a list: the values of each label, or the sets of values if not all combinations are known."""
    labels = metric.labels[len(metric.place) :]
    columns = [tuple(dict.fromkeys(column)) for column in zip(*metric.known, strict=True)]
    if set(metric.known) == set(product(*columns)):
        values = "; ".join(f"`{label}`: {_words(column)}" for label, column in zip(labels, columns, strict=True))
        yield f"- `{metric.name}`, {values}"
        return
    yield f"- `{metric.name}`, {', '.join(f'`{label}`' for label in labels)}:"
    for before, group in groupby(metric.known, key=lambda values: values[:-1]):
        yield f"  - {_words(before)} with {_words([values[-1] for values in group])}"


def _words(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def steps(tool: str) -> str:
    """Return what somebody enters in a survey tool, as a numbered list."""
    signing = usual_signing(tool)
    lines = steps_in(tool, signing, f"`{address('NAME', signing)}`")
    filled_to = partial(fill, width=_WIDTH, break_long_words=False, break_on_hyphens=False)
    numbered = [
        filled_to(line, initial_indent=f"{number}. ", subsequent_indent="   ") for number, line in enumerate(lines, 1)
    ]
    return "\n".join([f"{filled_to(hint)}\n", *numbered] if (hint := easier(tool)) else numbered)


SECTIONS: dict[str, Callable[[], str]] = {
    "topics": topics,
    "examples": examples,
    "settings": settings,
    "fields": fields,
    "producer": producer,
    "rooms": rooms,
    "decisions": decisions,
    "metrics": metrics,
    "label-values": label_values,
    # The template is any tool, so that nobody knows its steps.
    **{f"steps-{tool}": partial(steps, tool) for tool in TOOLS if tool != "template"},
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
