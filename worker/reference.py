"""The reference of the settings: as a list for a table, and as a worker.toml with every default."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from worker.receive.settings import SourceSettings, TopicSettings
from worker.routing.service_level import EscalationStep
from worker.routing.tree import Route
from worker.settings import Settings

#: An example of receivers and routes, in TOML, since by default there are none. The worker.toml has it as a comment.
ROUTES = """\
[receivers.support]
email = ["support@example.com"]

[receivers.lyon]
email = ["lyon@example.com", "shop@example.com"]
language = "fr"
calendar = "office"             # outside these hours, all but critical notices wait

[receivers.jean]
email = ["jean@example.com"]
owners = ["Jean Martin"]        # as responses name the account owner in customer.owner

[calendars.office]
time_zone = "Europe/Paris"
hours = ["mon-fri 08:30-12:00 13:30-18:00", "sat 09:00-12:00"]
holidays = "FR"                 # or a part of the country, such as "FR-57"
days_off = ["12-24"]

[service_levels.standard]       # docs/service-levels.md
acknowledge_within_minutes = 240
resolve_within_hours = 24
remind_before_minutes = 60

[[service_levels.standard.escalation]]
receivers = ["support"]

[route]                         # what no route below takes
receivers = ["support"]
service_level = "standard"      # of all alerts, unless a route has another one

[[route.routes]]
name = "key accounts"
tiers = ["vip"]
to_owner = true                 # if no receiver stands for the account owner: the receivers of [route]

[[route.routes]]
name = "lyon"
segment = "fr/lyon"             # this segment and all below it; "" is every segment
kinds = ["detractor"]           # detractor, segment_drop, no_responses, too_many_segments; [] is every kind
min_severity = "error"          # this severity and above: warning, error, critical
receivers = ["lyon"]
then_continue = true            # the worker also tries the routes below

[[route.routes]]
name = "lawyers"
comment_contains = ["avocat", "lawyer"]
receivers = ["support", "lyon"]
"""
#: An example of the endpoints of the webhook and the chat, in TOML. The worker.toml has it as a comment.
ENDPOINTS = """\
[webhook.endpoints.crm]         # its url and its secrets can also come from the environment:
url = "https://crm.example.com/hooks/nps"         # NPS_WEBHOOK__ENDPOINTS__CRM__URL
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]

[chat.endpoints.care]
url = "https://chat.example.com/hooks/9f8b7c6d"   # NPS_CHAT__ENDPOINTS__CARE__URL
format = "mattermost"           # slack, mattermost, rocketchat, teams
"""
#: An example of a survey tool that delivers to the worker, in TOML. The worker.toml has it as a comment.
SOURCES = """\
[[receive.sources]]
name = "after_delivery"         # a part of the path: /receive/after_delivery
tool = "typeform"
secrets_file = "/run/secrets/typeform"
comment_question = "why"

[[receive.sources]]
name = "care"
tool = "template"               # any tool that posts JSON or a form
secrets_file = "/run/secrets/care"
survey_id = "after-call"

[receive.sources.mapping]       # expressions of JMESPath
response_id = "ticket.id"
score = "rating.value"
responded_at = "rating.time"
customer_id = "caller.id"
customer.email = "caller.email"
segment = "[country, shop]"
only_if = "rating.kind == 'nps'"
"""
#: The part of a key that stands for a name that the user chooses, and the one that stands for any place in a list.
_NAME, _PLACE = "NAME", "N"
#: How the keys of sources begin, and those of topics.
_SOURCES, _TOPICS = f"receive.sources.{_PLACE}.", f"receive.topics.{_PLACE}."
#: The tables of which an example says more than defaults would.
_BY_EXAMPLE = {"receivers", "calendars", "service_levels", "route"}


class Setting(NamedTuple):
    """One setting."""

    key: str
    #: The default in TOML; None if there is no default that could be written.
    default: str | None
    meaning: str


def settings() -> list[Setting]:
    """Return every setting in the order of the file."""
    # The mapping of a topic is that of a source, so its thirty keys are not listed twice.
    return [setting for setting in _walk(Settings, "") if not setting.key.startswith(f"{_TOPICS}mapping.")]


def example() -> str:
    """Return a worker.toml with every default as a comment. To set a key, a user removes the '#' before it."""
    lines = ["# Every setting with its default. A variable such as NPS_SMTP__HOST (for smtp.host) wins over this file."]
    table = ""
    # In TOML, keys that belong to no table come before all tables.
    by_example = [setting for setting in settings() if setting.key.partition(".")[0] in _BY_EXAMPLE]
    of_sources = [setting for setting in settings() if setting.key.startswith((_SOURCES, _TOPICS))]
    shown_apart = [*by_example, *of_sources]
    fixed = [setting for setting in settings() if setting not in shown_apart and _NAME not in setting.key.split(".")]
    for setting in sorted(fixed, key=lambda setting: "." in setting.key):
        section, _, name = setting.key.rpartition(".")
        if section != table:
            table = section
            lines += ["", f"[{section}]"]
        lines += [f"# {setting.meaning}", f"#{name} = {setting.default or '…'}"]
    lines += [
        "",
        "# Receivers, calendars, service levels and routes replace email.to. NAME is a name of your choice, and N the",
        "# place in a list.",
        *(f"# {one.key}{f' = {one.default}' if one.default else ''}: {one.meaning}" for one in by_example),
        "",
        "# An example of them. The first route that matches takes a notice, or [route] itself if none does;",
        "# `python -m worker routes test` shows how. The severity of an alert is critical for the scores 0 to 2, error",
        "# for 3 and 4, and warning for 5 and 6. It is one step higher if the customer's tier is one of",
        "# alerts.priority_tiers.",
        *(f"# {line}".rstrip() for line in ROUTES.splitlines()),
        "",
        "# An example of endpoints, which get alerts and incidents in addition to mails. docs/channels.md says more.",
        *(f"# {line}".rstrip() for line in ENDPOINTS.splitlines()),
        "",
        "# Survey tools that deliver to the worker, and topics with deliveries. N is the place in the list.",
        "# docs/sources.md says more.",
        *(f"# {one.key}{f' = {one.default}' if one.default else ''}: {one.meaning}" for one in of_sources),
        "",
        "# An example of them.",
        *(f"# {line}".rstrip() for line in SOURCES.splitlines()),
    ]
    return "\n".join(lines) + "\n"


def _walk(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _walk(kind, f"{prefix}{name}.")
            continue
        default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
        yield Setting(prefix + name, _toml(default), _meaning(field))
        if get_origin(kind) is dict:
            yield from _walk(get_args(kind)[1], f"{prefix}{name}.{_NAME}.")
        elif kind in (list[EscalationStep], list[SourceSettings], list[TopicSettings]):
            yield from _walk(get_args(kind)[0], f"{prefix}{name}.{_PLACE}.")
        elif kind == list[Route] and _PLACE not in prefix:  # of the routes below routes nothing else can be said
            yield from _walk(Route, f"{prefix}{name}.{_PLACE}.")


def _meaning(field: FieldInfo) -> str:
    """Return the description of a setting, with the values or the numbers to choose from if these are limited."""
    words = [json.dumps(word) for word in get_args(field.annotation) if isinstance(word, str)]
    said = [field.description or "", f"One of {', '.join(words)}." if words else "", _range(field)]
    return " ".join(filter(None, said))


def _range(field: FieldInfo) -> str:
    """Return the numbers that a setting may have, as a sentence; empty if there is no limit."""
    limits = [
        f"{words} {_number(getattr(limit, name))}"
        for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))
        for limit in field.metadata
        if getattr(limit, name, None) is not None
    ]
    return f"{' and '.join(limits)}.".capitalize() if limits else ""


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,}"


def _toml(value: Any) -> str | None:
    if value is None or isinstance(value, SecretStr):
        return None
    return json.dumps(value) if isinstance(value, str | bool | list) else str(value)
