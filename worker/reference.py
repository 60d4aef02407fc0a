"""The reference of the settings: as a list for a table, and as a worker.toml with every default."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from worker.settings import Settings

#: An example of routes, in TOML, since by default there are none. The worker.toml has it as a comment.
ROUTES = """\
[[email.routes]]
name = "lyon"
segment = "fr/lyon"             # this segment and all below it; "" is every segment
kinds = ["detractor"]           # detractor, segment_drop, no_responses, too_many_segments; [] is every kind
min_severity = "error"          # this severity and above: warning, error, critical
to = ["lyon@example.com"]
then_continue = true            # the worker also tries the routes below, and email.to at the end

[[email.routes]]
name = "france"
segment = "fr"
to = ["france@example.com"]
"""


class Setting(NamedTuple):
    """One setting."""

    key: str
    #: The default in TOML; None if there is no default that could be written.
    default: str | None
    meaning: str


def settings() -> list[Setting]:
    """Return every setting in the order of the file."""
    return list(_walk(Settings, ""))


def example() -> str:
    """Return a worker.toml with every default as a comment. To set a key, a user removes the '#' before it."""
    lines = ["# Every setting with its default. A variable such as NPS_SMTP__HOST (for smtp.host) wins over this file."]
    table = ""
    # In TOML, keys that belong to no table come before all tables.
    for setting in sorted(settings(), key=lambda setting: "." in setting.key):
        section, _, name = setting.key.rpartition(".")
        if section != table:
            table = section
            lines += ["", f"[{section}]"]
        lines += [f"# {setting.meaning}", f"#{name} = {setting.default or '…'}"]
    lines += [
        "",
        "# An example of routes, which replaces the line 'routes' above. The worker uses the first route that matches,",
        "# or email.to if none does. The severity of an alert is critical for the scores 0 to 2, error for 3 and 4,",
        "# and warning for 5 and 6. It is one step higher if the customer's tier is one of alerts.priority_tiers.",
        *(f"# {line}".rstrip() for line in ROUTES.splitlines()),
    ]
    return "\n".join(lines) + "\n"


def _walk(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, f"{prefix}{name}.")
        else:
            default = field.get_default(call_default_factory=True, validated_data={})
            yield Setting(prefix + name, _toml(default), _meaning(field))


def _meaning(field: FieldInfo) -> str:
    """Return the description of a setting, with the values to choose from if there is a list of them."""
    words = [json.dumps(word) for word in get_args(field.annotation) if isinstance(word, str)]
    return " ".join([field.description or "", *([f"One of {', '.join(words)}."] if words else [])]).strip()


def _toml(value: Any) -> str | None:
    if value is None or isinstance(value, SecretStr):
        return None
    return json.dumps(value) if isinstance(value, str | bool | list) else str(value)
