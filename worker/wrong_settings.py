"""Messages about wrong settings: they name the key or variable, and what it should be, and repeat no value."""

import difflib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from worker.expectations import expectation

PREFIX = "NPS_"

#: The last part of the path of an error that is about a name in a table, and not about what it stands for.
_OF_KEY = "[key]"
#: The largest number of keys that are suggested.
_MOST_SUGGESTED = 3
#: What to set in place of settings that earlier versions had.
_REPLACED = {
    "incidents.answers_per_false_alarm": "incidents.false_alarms_per_year, the number of false alarms in a year of the "
    "whole tree",
}
#: Examples of lists whose defaults say nothing, by the names of the settings.
_EXAMPLES = {
    "to": ["care@example.com"],
    "email": ["care@example.com"],
    "owners": ["Jean Martin"],
    "group_by": ["segment"],
    "receivers": ["care"],
    "hours": ["mon-fri 09:00-17:00"],
    "days_off": ["12-24"],
    "working_days": ["2026-05-08"],
    "escalation": [{"receivers": ["managers"]}],
    "secrets": ["whsec_…"],
    "keys": ["…"],
}
#: Examples of tables whose keys are names that the user chooses.
_EXAMPLE_TABLES: dict[str, dict[str, Any]] = {
    "endpoints": {"crm": {"url": "https://crm.example.com/hooks/nps"}},
    "receivers": {"care": {"email": ["care@example.com"]}},
    "service_levels": {"vip": {"acknowledge_within_minutes": 30}},
    "calendars": {"office": {"time_zone": "Europe/Paris", "hours": ["mon-fri 09:00-17:00"]}},
    "users": {"anna": {"permission": "act", "password_hash_file": "/run/secrets/anna"}},
    "groups": {"nps-admins": {"permission": "admin"}},
}


def known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the key of every setting as it is written in the file, such as kafka.group."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from known_keys(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def variable(key: str) -> str:
    """Return the name of a setting's environment variable."""
    return PREFIX + key.upper().replace(".", "__")


def unknown_variable(name: str, model: type[BaseModel]) -> str:
    """Return the message that a variable is not a setting, with a suggestion."""
    return f"{name}: is not a setting{_suggestion(name, map(variable, known_keys(model)))}"


def wrong_key(problem: Any, model: type[BaseModel], noun: str = "setting") -> str:
    """Return the message about a problem that pydantic found: its key as in the file, and the variable that set it.

    `noun`: what an entry of the file is.
    """
    path = [part for part in problem["loc"] if part != _OF_KEY]
    key = ".".join(map(str, path)) or f"{noun}s"
    name = _variable_of(path)
    origin = f" (from the environment: {name})" if name else ""
    if problem["type"] == "extra_forbidden" and key in _REPLACED:
        return f"{key}: is not a {noun} any more; set {_REPLACED[key]}{origin}"
    if problem["type"] == "extra_forbidden":
        return f"{key}: is not a {noun}{_key_suggestion(path, model)}{origin}"
    return f"{key}: {expectation(problem)}{_such_as(problem['type'], path, model)}{origin}"


def no_json(model: type[BaseModel]) -> list[str]:
    """Return a message for each variable that must hold JSON and does not, with an example of a right value."""
    return [
        f"{name}: must be JSON, such as {name}='{json.dumps(example, ensure_ascii=False)}'"
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX)
        and (example := _example(name.upper().removeprefix(PREFIX).lower().split("__"), model)) is not None
        and _parsed(os.environ[name]) is None
    ]


def _such_as(kind: str, path: Sequence[Any], model: type[BaseModel]) -> str:
    """Return an example of a right value as worker.toml has it; empty if the message needs none."""
    outer, name = path[:-1], path[-1] if path else ""
    is_in_list = isinstance(name, int)
    if kind in {"list_type", "too_short"} and (listed := _list_example(path, model)):
        return f"{', such as' if kind == 'list_type' else '; an example is'} {listed}"
    if kind == "dict_type":
        return f", such as [{'.'.join(map(str, path))}.{next(iter(_EXAMPLE_TABLES[name]))}]"
    if kind in {"model_type", "model_attributes_type"} and path:
        return f": {_table([*outer] if is_in_list else path, of_list=is_in_list)}"
    if kind == "string_type" and is_in_list and (example := _example([str(part) for part in outer], model)):
        return f", such as {json.dumps(example[0], ensure_ascii=False)}"
    return ""


def _table(path: Sequence[Any], *, of_list: bool) -> str:
    """Return the head of a table as worker.toml has it; that of a table in a list has two brackets."""
    key = ".".join(str(part) for part in path if not isinstance(part, int))
    return f"[[{key}]]" if of_list else f"[{key}]"


def _key_suggestion(path: Sequence[Any], model: type[BaseModel]) -> str:
    """Return a suggestion for an unknown key: a similar field at the same place, or else a similar key anywhere."""
    *outer, unknown = map(str, path)
    inside = _model_of(_kind_at(path[:-1], model))
    fields = [] if inside is None else list(inside.model_fields)
    like = difflib.get_close_matches(unknown, fields, n=1)
    elsewhere = [key for key in known_keys(model) if key.rpartition(".")[2] == unknown]
    if not outer and elsewhere:
        alike = sorted(elsewhere, key=lambda key: _likeness(key.rpartition(".")[0], unknown), reverse=True)
        return f"; did you mean {' or '.join(_written(key, model) for key in alike[:_MOST_SUGGESTED])}?"
    return (
        f"; did you mean {'.'.join([*outer, like[0]])}?"
        if like
        else _suggestion(".".join(map(str, path)), known_keys(model))
    )


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _written(key: str, model: type[BaseModel]) -> str:
    """Return a key as worker.toml has it: with two brackets if its value is a list of tables."""
    kind = _kind_at(key.split("."), model)
    is_list_of_tables = get_origin(kind) is list and _model_of(get_args(kind)[0]) is not None
    return f"[[{key}]]" if is_list_of_tables else key


def _suggestion(unknown: str, known: Iterable[str]) -> str:
    """Return a question that names the most similar known name; an empty text if no known name is similar."""
    like = difflib.get_close_matches(unknown, list(known), n=1)
    return f"; did you mean {like[0]}?" if like else ""


def _kind_at(path: Sequence[Any], model: type[BaseModel]) -> Any:
    """Return the type of the setting at a path; None if there is no such setting."""
    kind: Any = model
    for part in path:
        inside = _model_of(kind)
        if isinstance(part, int) and get_origin(kind) is list:
            [kind] = get_args(kind)
        elif get_origin(kind) is dict:
            _, kind = get_args(kind)
        elif inside is not None and part in inside.model_fields:
            kind = inside.model_fields[part].annotation
        else:
            return None
    return kind


def _model_of(kind: Any) -> type[BaseModel] | None:
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _variable_of(path: Sequence[Any]) -> str | None:
    """Return the variable that has set the value at a path; None if no variable has, or if that is not known."""
    names = {name.upper(): name for name in os.environ}
    for length in range(len(path), 0, -1):
        key = variable(".".join(map(str, path[:length])))
        name = names.get(key) or names.get(f"{key}_FILE")  # the file of a secret (secret_files.py)
        if name is None:
            continue
        # A variable that holds a whole table may set only some of its keys; the others come from the file.
        inside = path[length] if length < len(path) else None
        value = _parsed(os.environ[name])
        if inside is None or not isinstance(value, dict) or inside in value:
            return name
    return None


def _parsed(text: str) -> Any:
    """Return the value of a JSON text; None if the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _example(path: Sequence[str], model: type[BaseModel]) -> Any:
    """Return an example of a value at a path, if a list or a table belongs there; otherwise None."""
    kind = _kind_at(path, model)
    if get_origin(kind) in {Union, UnionType}:
        kind = next((one for one in get_args(kind) if one is not type(None)), None)
    if get_origin(kind) is list:
        [one] = get_args(kind)
        if (inside := _model_of(one)) is not None:
            return [_required(inside)]
        return _EXAMPLES.get(path[-1]) or _default(path, model)
    if get_origin(kind) is dict:
        return _EXAMPLE_TABLES[path[-1]]
    if (inside := _model_of(kind)) is not None:
        name, field = next(iter(inside.model_fields.items()))
        return {name: field.get_default(call_default_factory=True, validated_data={})}
    return None


def _list_example(path: Sequence[Any], model: type[BaseModel]) -> str:
    """Return an example of a list as worker.toml has it; empty if none is known."""
    example = _example([str(part) for part in path], model)
    if example and isinstance(example[0], dict):
        return _table(path, of_list=True)
    return "" if example is None else json.dumps(example, ensure_ascii=False)


def _required(model: type[BaseModel]) -> dict[str, Any]:
    """Return an example of a model with its required fields, which are texts and lists of addresses."""
    return {
        name: ["care@example.com"] if get_origin(field.annotation) is list else name
        for name, field in model.model_fields.items()
        if field.is_required()
    }


def _default(path: Sequence[str], model: type[BaseModel]) -> Any:
    table = _model_of(_kind_at(path[:-1], model)) or model
    return table.model_fields[path[-1]].get_default(call_default_factory=True, validated_data={})
