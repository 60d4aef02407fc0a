"""What a change of a JSON Schema would break for those who rely on the published one.

Theory: one side writes and the other reads. Whatever may be *written* must be something the reader was promised.

    emitted    the worker writes by the current schema, others read by the published one
    consumed   others write by the published schema, the worker reads by the current one

So the writer's schema is checked to be inside the reader's: its types, values and bounds, and no field missing that the
reader requires. Two things are judged by convention, as JSON objects are open: a field that was added is harmless
(readers ignore what they do not know), and a field that was removed is not.

Enumerations are closed: a new value of an emitted one breaks consumers that list them all, so it belongs to a new
version; words that are meant to grow, such as a decision's reason, are plain strings. A default is a promise too: it
says what an absent field means. Anything that is not understood here counts as breaking when it differs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]
_Seen = frozenset[tuple[str, str]]

#: Words for people: they promise nothing.
_ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "deprecated"})
#: Bounds that grow stricter upwards, and those that grow stricter downwards.
_LOWER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_RESTRICTIONS = _LOWER | _UPPER | {"pattern", "format", "uniqueItems", "multipleOf"}
#: Compared one by one, not as a constraint.
_STRUCTURE = frozenset({"type", "enum", "const", "default", "properties", "required", "items", "additionalProperties"})


def breaking_changes(published: Schema, current: Schema, *, consumed: bool) -> list[str]:
    """Return a line per breaking change, each beginning with its JSON path; none means that the change is harmless."""
    writer, reader = (published, current) if consumed else (current, published)
    return list(_Comparison(writer, reader, consumed).values("$", writer, reader, frozenset()))


@dataclass(frozen=True)
class _Comparison:
    """Both documents, to look up references in, and the direction, for the words."""

    writer: Schema
    reader: Schema
    consumed: bool

    def values(self, path: str, writer: Schema, reader: Schema, seen: _Seen) -> Iterator[str]:
        """Compare two schemas: each alternative of the writer's must be one of the reader's."""
        pair = (repr(writer), repr(reader))
        if pair in seen:  # a tree that contains itself
            return
        seen |= {pair}
        published, current = (writer, reader) if self.consumed else (reader, writer)
        if "default" in published and published["default"] != current.get("default", ...):
            yield f"{path}: {self._became('default', writer, reader)}"
        readers = list(_alternatives(reader, self.reader))
        for one in _alternatives(writer, self.writer):
            fitting = [other for other in readers if _type_fits(one.get("type"), other.get("type"))]
            if fitting:
                yield from min((list(self._same_type(path, one, other, seen)) for other in fitting), key=len)
            else:
                yield f"{path}: {self._may_be(one.get('type', 'anything'))}"

    def _same_type(self, path: str, writer: Schema, reader: Schema, seen: _Seen) -> Iterator[str]:
        yield from self._listed_values(path, writer, reader)
        yield from self._constraints(path, writer, reader)
        yield from self._fields(path, writer, reader, seen)
        yield from self._other_fields(path, writer, reader, seen)
        if "items" in reader:
            yield from self.values(f"{path}[*]", writer.get("items", {}), reader["items"], seen)

    def _listed_values(self, path: str, writer: Schema, reader: Schema) -> Iterator[str]:
        allowed = _listed(reader)
        if allowed is None:
            return
        written = _listed(writer)
        if written is None:
            yield f"{path}: {self._may_be('any value')}"
            return
        for value in written:
            if value not in allowed:
                yield f"{path}: {self._may_be(repr(value))}"

    def _constraints(self, path: str, writer: Schema, reader: Schema) -> Iterator[str]:
        for keyword in sorted((writer.keys() | reader.keys()) - _ANNOTATIONS - _STRUCTURE):
            if not _is_inside(keyword, writer.get(keyword), reader.get(keyword)):
                yield f"{path}: {self._became(keyword, writer, reader)}"

    def _fields(self, path: str, writer: Schema, reader: Schema, seen: _Seen) -> Iterator[str]:
        written, read = writer.get("properties", {}), reader.get("properties", {})
        published, current = (written, read) if self.consumed else (read, written)
        for name in published:
            if name in current:
                yield from self.values(f"{path}.{name}", written[name], read[name], seen)
            else:
                yield f"{path}.{name}: {'is no longer read' if self.consumed else 'was removed'}"
        for name in reader.get("required", []):
            if name not in writer.get("required", []) and name in current:
                yield f"{path}.{name}: {'is now required' if self.consumed else 'may now be absent'}"

    def _other_fields(self, path: str, writer: Schema, reader: Schema, seen: _Seen) -> Iterator[str]:
        """Compare what is said about fields without a name of their own."""
        written, read = (side.get("additionalProperties", True) for side in (writer, reader))
        if not self.consumed and read is not True:
            named = reader.get("properties", {})
            for name in [name for name in writer.get("properties", {}) if name not in named]:
                yield from self.values(f"{path}.{name}", writer["properties"][name], _as_schema(read), seen)
        if written is not False and read is not True:
            yield from self.values(f"{path}.*", _as_schema(written), _as_schema(read), seen)

    def _may_be(self, what: str) -> str:
        return f"may no longer be {what}" if self.consumed else f"may now be {what}"

    def _became(self, keyword: str, writer: Schema, reader: Schema) -> str:
        before, after = (writer, reader) if self.consumed else (reader, writer)
        return f"{keyword} {before.get(keyword, 'none')!s} became {after.get(keyword, 'none')!s}"


def _alternatives(schema: Schema, document: Schema) -> Iterator[Schema]:
    """Yield the schemas, each of one type, that this one is a choice of; references are followed."""
    schema = _resolved(schema, document)
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            beside = {key: value for key, value in schema.items() if key != keyword}
            for one in schema[keyword]:
                yield from _alternatives(beside | _resolved(one, document), document)
            return
    types = schema.get("type")
    if isinstance(types, list):
        for one in types:
            yield schema | {"type": one}
    else:
        yield schema


def _resolved(schema: Schema, document: Schema) -> Schema:
    """Return the schema that a reference `#/a/b` names, with what stands beside the reference."""
    while "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    return schema


def _type_fits(written: str | None, read: str | None) -> bool:
    return read in (None, written) or (written == "integer" and read == "number")


def _listed(schema: Schema) -> list[Any] | None:
    """Return the values a schema lists; None if it lists none and so leaves them open."""
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _as_schema(additional: Schema | bool) -> Schema:
    """Return what `additionalProperties` says as a schema: true is anything, false is nothing."""
    if isinstance(additional, dict):
        return additional
    return {} if additional else {"type": "nothing"}


def _is_inside(keyword: str, written: Any, read: Any) -> bool:
    """Say whether what the writer keeps to is at least as strict as what the reader keeps to."""
    if written == read:
        return True
    if read is None:
        return keyword in _RESTRICTIONS
    if written is None:
        return False
    if keyword in _LOWER:
        return bool(written >= read)
    return keyword in _UPPER and bool(written <= read)
