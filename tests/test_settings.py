"""Where settings come from, which wins, and what is said about those that are wrong."""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from schemas.examples import INCIDENT
from schemas.incident import Incident
from worker.errors import SettingsError
from worker.flow.policy import Policy
from worker.settings import Settings, load

SECRET = "kanarienvogel"


pytestmark = pytest.mark.usefixtures("nothing_set")


def set_all(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(f"NPS_{name}", text)


def problems() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load()
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert all(problem and "\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


def toml(text: str | bytes, name: str = "worker.toml") -> None:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())


# Where they come from


def test_the_header_of_traces_needs_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    endpoint = {"url": "https://crm.example.org/hook", "secrets": [secret], "traceparent": True}
    set_all(monkeypatch, WEBHOOK__ENDPOINTS=json.dumps({"crm": endpoint}))
    assert problems() == ["webhook.endpoints.crm.traceparent: needs tracing.enabled"]
    set_all(monkeypatch, TRACING__ENABLED="true")
    assert load().webhook.endpoints["crm"].traceparent


def test_without_anything_the_defaults_hold() -> None:
    settings = load()

    assert Settings() == settings
    assert (settings.topic_prefix, settings.log_level) == ("nps", "INFO")
    assert (settings.kafka.bootstrap_servers, settings.kafka.security_protocol) == ("localhost:9092", "PLAINTEXT")
    assert (settings.smtp.host, settings.smtp.port, settings.smtp.tls) == ("localhost", 25, "starttls")
    assert [("default", ["support@localhost"])] == [(route.name, route.to) for route in settings.email.all_routes()]


def test_a_worker_toml_in_the_folder_is_read() -> None:
    toml(
        """
        topic_prefix = "acme"
        [smtp]
        host = "mail.example.org"
        [[email.routes]]
        name = "shop"
        segment = "fr/shop-3/"
        to = ["shop@example.org"]
        [invitations.platform]
        name = "g2"
        selective = "forbidden"
        """
    )
    settings = load()

    assert (settings.topic_prefix, settings.smtp.host) == ("acme", "mail.example.org")
    assert ["shop", "default"] == [route.name for route in settings.email.all_routes()]
    assert settings.email.routes[0].segment == "fr/shop-3"
    assert settings.policy.invitations.platform.selective == "forbidden"


def test_a_file_that_is_named_is_read_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('topic_prefix = "here"')
    toml('topic_prefix = "there"', "other.toml")
    monkeypatch.setenv("NPS_CONFIG", "other.toml")

    assert load().topic_prefix == "there"


def test_an_empty_name_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('topic_prefix = "here"')
    monkeypatch.setenv("NPS_CONFIG", "")

    assert load().topic_prefix == "here"


def test_the_environment_wins_key_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('[smtp]\nhost = "file.example"\nport = 26\n[email.retry]\nfirst_seconds = 7')
    set_all(monkeypatch, SMTP__HOST="env.example", EMAIL__RETRY__LONGEST_SECONDS="9")
    settings = load()

    assert (settings.smtp.host, settings.smtp.port) == ("env.example", 26)
    assert (settings.email.retry.first_seconds, settings.email.retry.longest_seconds) == (7, 9)


def test_overrides_win_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, TOPIC_PREFIX="env")

    assert load(topic_prefix="given").topic_prefix == "given"


@pytest.mark.parametrize(
    ("name", "text", "path", "expected"),
    [
        ("LOG_LEVEL", "DEBUG", "log_level", "DEBUG"),
        ("KAFKA__PARTITIONS", "12", "kafka.partitions", 12),
        ("kafka__partitions", "12", "kafka.partitions", 12),
        ("EMAIL__TO", '["a@example.org", "b@example.org"]', "email.to", ["a@example.org", "b@example.org"]),
        ("EMAIL__ACTIONS", '["opened", "withdrawn"]', "email.actions", ["opened", "withdrawn"]),
        ("ALERTS__PRIORITY_TIERS", "[]", "alerts.priority_tiers", []),
        ("SMTP", '{"host": "mail.example"}', "smtp.host", "mail.example"),
        ("INVITATIONS__PLATFORM", '{"name": "g2", "url": "https://g2.example/x"}', "invitations.platform.name", "g2"),
        ("INTAKE__MAX_AHEAD_HOURS", "0.5", "intake.max_ahead_hours", 0.5),
        ("TOPIC_PREFIX", "acme.nps.", "topic_prefix", "acme.nps"),
        ("KAFKA__BOOTSTRAP_SERVERS", "a:1, [::1]:65535", "kafka.bootstrap_servers", "a:1, [::1]:65535"),
        ("SMTP__TLS", "none", "smtp.tls", "none"),
        ("STATUS_FILE", "/run/x", "status_file", Path("/run/x")),
    ],
)
def test_a_variable_names_its_key_by_two_underscores(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, path: str, expected: Any
) -> None:
    set_all(monkeypatch, **{name: text})
    found: Any = load()
    for part in path.split("."):
        found = getattr(found, part)

    assert expected == found


def test_routes_can_be_given_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, EMAIL__ROUTES=json.dumps([{"name": "shop", "to": ["a@example.org"], "min_severity": "error"}]))

    assert [("shop", "error")] == [(route.name, str(route.min_severity)) for route in load().email.routes]


def test_a_route_may_be_for_some_kinds_only() -> None:
    toml('[[email.routes]]\nname = "region"\nkinds = ["segment_drop", "no_responses"]\nto = ["region@example.org"]')

    assert [["segment_drop", "no_responses"], []] == [route.kinds for route in load().email.all_routes()]


def test_what_is_opened_and_what_is_resolved_is_mailed_by_default() -> None:
    assert load().email.actions == ["opened", "withdrawn", "resolved", "wider", "deeper", "worse", "mix_changed"]


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(load(), "topic_prefix", "x")  # noqa: B010 - mypy knows it too


# What is wrong is said in one line each, by key, without its value.


@pytest.mark.parametrize(
    ("variables", "key"),
    [
        ({"SMTP__PORT": SECRET}, "smtp.port"),
        ({"SMTP__PORT": "0"}, "smtp.port"),
        ({"SMTP__PORT": "65536"}, "smtp.port"),
        ({"SMTP__TLS": SECRET}, "smtp.tls"),
        ({"SMTP__TLS": "true"}, "smtp.tls"),
        ({"SMTP__HOST": ""}, "smtp.host"),
        ({"SMTP__HOST": f"{SECRET} x"}, "smtp.host"),
        ({"SMTP__TIMEOUT_SECONDS": "nan"}, "smtp.timeout_seconds"),
        ({"SMTP__PASSWORD": SECRET}, "smtp"),
        ({"SMTP__USERNAME": SECRET}, "smtp"),
        ({"SMTP__CAFILE": f"/{SECRET}"}, "smtp"),
        ({"SMTP__USERNAME": "u", "SMTP__PASSWORD": SECRET, "SMTP__TLS": "none", "SMTP__HOST": "m.example"}, "smtp"),
        ({"SMTP": SECRET}, "NPS_SMTP"),
        ({"SMTP": f'["{SECRET}"]'}, "smtp"),
        ({"SMTP": f'"{SECRET}"', "SMTP__PORT": "25"}, "smtp"),
        ({"KAFKA__BOOTSTRAP_SERVERS": SECRET}, "kafka.bootstrap_servers"),
        ({"KAFKA__BOOTSTRAP_SERVERS": ""}, "kafka.bootstrap_servers"),
        ({"KAFKA__BOOTSTRAP_SERVERS": "a:1,b"}, "kafka.bootstrap_servers"),
        ({"KAFKA__BOOTSTRAP_SERVERS": "a:70000"}, "kafka.bootstrap_servers"),
        ({"KAFKA__BOOTSTRAP_SERVERS": f"kafka://{SECRET}"}, "kafka.bootstrap_servers"),
        ({"KAFKA__SECURITY_PROTOCOL": "SASL_SSL"}, "kafka"),
        ({"KAFKA__SECURITY_PROTOCOL": "SASL_SSL", "KAFKA__SASL_USERNAME": SECRET}, "kafka"),
        ({"KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA__SASL_PASSWORD": SECRET}, "kafka"),
        ({"KAFKA__SECURITY_PROTOCOL": "TLS"}, "kafka.security_protocol"),
        ({"KAFKA__SSL_CAFILE": f"/{SECRET}"}, "kafka"),
        ({"KAFKA__GROUP": f"{SECRET}/x"}, "kafka.group"),
        ({"KAFKA__GROUP": ""}, "kafka.group"),
        ({"KAFKA__PARTITIONS": "0"}, "kafka.partitions"),
        ({"KAFKA__SESSION_TIMEOUT_SECONDS": "5"}, "kafka.session_timeout_seconds"),
        ({"KAFKA__BATCH_RECORDS": "1e3"}, "kafka.batch_records"),
        ({"TOPIC_PREFIX": f"{SECRET}/"}, "topic_prefix"),
        ({"TOPIC_PREFIX": ""}, "topic_prefix"),
        ({"TOPIC_PREFIX": "..."}, "topic_prefix"),
        ({"TOPIC_PREFIX": "é"}, "topic_prefix"),
        ({"TOPIC_PREFIX": "a" * 81}, "topic_prefix"),
        ({"LOG_LEVEL": "CRITICAL"}, "log_level"),
        ({"LOG_LEVEL": SECRET}, "log_level"),
        ({"EMAIL__TO": f"{SECRET}@example.org"}, "NPS_EMAIL__TO"),
        ({"EMAIL__TO": "[]"}, "email.to"),
        ({"EMAIL__TO": f'["{SECRET}"]'}, "email.to"),
        ({"EMAIL__TO": '["a@example.org> AUTH=<x@y"]'}, "email.to"),
        ({"EMAIL__SENDER": SECRET}, "email.sender"),
        ({"EMAIL__ACTIONS": f'["{SECRET}"]'}, "email.actions.0"),
        ({"EMAIL__DEFAULT_LANGUAGE": "de"}, "email.default_language"),
        ({"EMAIL__ROUTES": f'[{{"name": "{SECRET}"'}, "NPS_EMAIL__ROUTES"),
        ({"EMAIL__ROUTES": '[{"name": "x"}]'}, "email.routes.0.to"),
        ({"EMAIL__ROUTES": f'[{{"name": "x", "to": ["{SECRET}"]}}]'}, "email.routes.0.to"),
        (
            {"EMAIL__ROUTES": f'[{{"name": "x", "to": ["a@b.example"], "kinds": ["{SECRET}"]}}]'},
            "email.routes.0.kinds.0",
        ),
        ({"EMAIL__ROUTES": '[{"name": "default", "to": ["a@example.org"]}]'}, "email.routes"),
        (
            {"EMAIL__ROUTES": '[{"name": "x", "to": ["a@b.example"]}, {"name": "x", "to": ["a@b.example"]}]'},
            "email.routes",
        ),
        ({"EMAIL__ROUTES": f'[{{"name": "x", "to": ["a@b.example"], "{SECRET[0]}": 1}}]'}, "email.routes.0.k"),
        ({"EMAIL__RETRY__FIRST_SECONDS": "0"}, "email.retry.first_seconds"),
        ({"HISTORY__ANSWERS": "0"}, "history.answers"),
        ({"HISTORY__DAYS": "0"}, "history.days"),
        ({"INTAKE__MAX_BYTES": "999"}, "intake.max_bytes"),
        ({"INTAKE__MAX_AHEAD_HOURS": "nan"}, "intake.max_ahead_hours"),
        ({"INVITATIONS__QUARANTINE_DAYS": "-1"}, "invitations.quarantine_days"),
        ({"INVITATIONS__PLATFORM__NAME": ""}, "invitations.platform.name"),
        ({"INVITATIONS__PLATFORM": f'{{"name": "x", "url": "http://{SECRET}"}}'}, "invitations.platform.url"),
        ({"INVITATIONS__PLATFORM": f'{{"name": "x", "url": "https://[{SECRET}"}}'}, "invitations.platform.url"),
        ({"INVITATIONS__PLATFORM__URL": f"http://{SECRET}"}, "invitations.platform.url"),
        ({"SMTP__HOSTT": SECRET}, "smtp.hostt"),
        ({"EMAIL__RETRY__X": SECRET}, "email.retry.x"),
        ({"SMTPP__HOST": SECRET}, "NPS_SMTPP__HOST"),
        ({"FOO": SECRET}, "NPS_FOO"),
        ({"": SECRET}, "NPS_"),
    ],
    ids=str,
)
def test_what_is_wrong_in_the_environment_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], key: str
) -> None:
    set_all(monkeypatch, **variables)

    (problem,) = problems()
    assert problem.startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("INVITATIONS__PLATFORM", f'{{"name": "x", "url": "https://{SECRET}\u2100.example"}}'),
        ("KAFKA__BOOTSTRAP_SERVERS", "a:²"),
    ],
)
def test_a_value_that_the_library_chokes_on_is_not_repeated_either(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    set_all(monkeypatch, **{name: text})
    (problem,) = problems()

    assert "²" not in problem


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("INVITATIONS__QUARANTINE_DAYS", "9999999"),
        ("EMAIL__RETRY__GIVE_UP_DAYS", "inf"),
        ("INTAKE__DEAD_LETTER_PAYLOAD_BYTES", "1000000"),
        ("INTAKE__MAX_BYTES", "20000000"),
        ("INTAKE__MAX_AHEAD_HOURS", "inf"),
        ("HISTORY__ANSWERS", "501"),
        ("HISTORY__DAYS", "36501"),
        ("EMAIL__RETRY__FIRST_SECONDS", "1e300"),
        ("EMAIL__RETRY__LONGEST_SECONDS", "inf"),
        ("KAFKA__RETENTION_DAYS", "1000000000000"),
        ("KAFKA__BATCH_RECORDS", "20001"),
        ("KAFKA__PARTITIONS", "1001"),
    ],
)
def test_a_number_that_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    set_all(monkeypatch, **{name: text})

    assert len(problems()) == 1


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("EMAIL__TIME_ZONE", "Europe/Lyon", "email.time_zone: is not a time zone of the IANA database"),
        ("EMAIL__TIME_ZONE", "../../etc/passwd", "email.time_zone: is not a time zone of the IANA database"),
        ("EMAIL__TIME_ZONE", "", "email.time_zone: is not a time zone of the IANA database"),
        ("EMAIL__SENDER_NAME", "Support\r\nBcc: x@evil.example", "email.sender_name: must be plain text on one line"),
        ("EMAIL__SENDER_NAME", "=?utf-8?q?=0D=0ABcc:_x?=", "email.sender_name: must be plain text on one line"),
        ("EMAIL__REPLY_TO", "a@b.c> AUTH=<x@y", "email.reply_to: is not a plain mail address"),
    ],
)
def test_what_cannot_stand_in_a_mail_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, problem: str
) -> None:
    set_all(monkeypatch, **{name: text})

    [said] = problems()
    assert said.startswith(problem)


def test_the_letterhead_comes_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, EMAIL__TIME_ZONE="Europe/Paris", EMAIL__SENDER_NAME="Zoë", EMAIL__REPLY_TO="desk@example.org")
    letterhead = load().email.letterhead

    assert (letterhead.sender_name, letterhead.reply_to) == ("Zoë", "desk@example.org")
    assert str(letterhead.time_zone) == "Europe/Paris"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("KAFKA_GROUP", "NPS_KAFKA_GROUP: is not a setting; did you mean NPS_KAFKA__GROUP?"),
        ("SMPT__HOST", "NPS_SMPT__HOST: is not a setting; did you mean NPS_SMTP__HOST?"),
        (
            "KAFKA__GRUOP",
            "kafka.gruop: is not a setting; did you mean kafka.group? (from the environment: NPS_KAFKA__GRUOP)",
        ),
        ("FOO", "NPS_FOO: is not a setting"),
        (
            "INCIDENTS__ANSWERS_PER_FALSE_ALARM",
            (
                "incidents.answers_per_false_alarm: is not a setting any more; set incidents.false_alarms_per_year, "
                "the number of false alarms in a year of the whole tree "
                "(from the environment: NPS_INCIDENTS__ANSWERS_PER_FALSE_ALARM)"
            ),
        ),
    ],
)
def test_an_unknown_name_is_answered_by_the_one_that_is_most_like_it(
    monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    set_all(monkeypatch, **{name: "x"})

    assert problems() == [problem]


@pytest.mark.parametrize(
    ("protocol", "mechanism", "servers", "problem"),
    [
        ("PLAINTEXT", "SCRAM-SHA-512", "localhost:9092", "are not used with PLAINTEXT"),
        ("SSL", "SCRAM-SHA-512", "localhost:9092", "are not used with SSL"),
        ("SASL_PLAINTEXT", "PLAIN", "kafka.example.org:9092", "sends the password in plain text"),
        ("SASL_PLAINTEXT", "PLAIN", "localhost:9092,kafka.example.org:9092", "sends the password in plain text"),
        ("SASL_PLAINTEXT", "PLAIN", "localhost:9092, [::1]:9092", None),
        ("SASL_PLAINTEXT", "SCRAM-SHA-512", "kafka.example.org:9092", None),
        ("SASL_SSL", "PLAIN", "kafka.example.org:9092", None),
    ],
)
def test_a_login_is_neither_ignored_nor_shown_to_the_network(
    monkeypatch: pytest.MonkeyPatch, protocol: str, mechanism: str, servers: str, problem: str | None
) -> None:
    set_all(
        monkeypatch,
        KAFKA__SECURITY_PROTOCOL=protocol,
        KAFKA__SASL_MECHANISM=mechanism,
        KAFKA__BOOTSTRAP_SERVERS=servers,
        KAFKA__SASL_USERNAME="nps",
        KAFKA__SASL_PASSWORD=SECRET,
    )

    if problem is None:
        assert load().kafka.sasl_username == "nps"
    else:
        [said] = problems()
        assert problem in said
        assert SECRET not in said


def test_the_expectation_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, SMTP__PORT="0", SMTP__TLS=SECRET, EMAIL__SENDER=SECRET)

    assert problems() == [
        "smtp.port: must be at least 1 (from the environment: NPS_SMTP__PORT)",
        "smtp.tls: must be 'starttls', 'implicit' or 'none' (from the environment: NPS_SMTP__TLS)",
        "email.sender: is not a plain mail address (from the environment: NPS_EMAIL__SENDER)",
    ]


def places(kind: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each setting, also of those in lists and in tables with names, and of the lists and tables."""
    if path:
        yield path
    if get_origin(kind) in {Union, UnionType}:
        kind = get_args(kind)[0]
    if get_origin(kind) is list:
        yield from places(get_args(kind)[0], (*path, 0)) if len(path) < 8 else ()
    elif get_origin(kind) is dict:
        yield from places(get_args(kind)[1], (*path, "care"))
        yield (*path, "Room-1")
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield from places(field.annotation, (*path, name))


def nested(path: tuple[str | int, ...], found: Any) -> Any:
    """Return what has a value at a path."""
    for part in reversed(path):
        found = [found] if isinstance(part, int) else {part: found}
    return found


#: What TOML can have. Each setting accepts only some of it.
VALUES = [
    *(True, -1, 0, 1.5, 10**30, float("inf"), float("nan"), "", "\x00", "x" * 5_000, "é", date(2026, 12, 24)),
    *(datetime(2026, 12, 24, tzinfo=UTC), [], [1], [""], [{}], {}, {"": 1}, {"Room-1": {}}, ["x"] * 1_000),
]


def test_no_message_has_words_of_the_library() -> None:
    words = re.compile("should|Input|String|List|valid |Unable|instance|[Ff]ield|dictionary|pattern|integer|\\[key")
    wrong = set()
    for path in places(Settings):
        for found in VALUES:
            try:
                load(**nested(path, found))
            except SettingsError as error:
                wrong |= {problem for problem in error.problems if words.search(problem) or "\\u" in problem}

    assert wrong == set()


@pytest.mark.parametrize(
    ("name", "example"), [("WEB__KEYS", '["…"]'), ("WEBHOOK__ENDPOINTS__CRM__SECRETS", '["whsec_…"]')]
)
def test_an_example_of_a_secret_is_shown_as_it_is_written(
    monkeypatch: pytest.MonkeyPatch, name: str, example: str
) -> None:
    set_all(monkeypatch, **{name: SECRET})

    assert problems() == [f"NPS_{name}: must be JSON, such as NPS_{name}='{example}'"]


ROOM_1 = "must have a name of at most 63 small letters (a to z), digits and underscores, the first of them a letter"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[receivers]]\nname = 'x'", "receivers: must be a table of names, such as [receivers.care]"),
        ("[receivers]\ncare = 'x'", "receivers.care: must be a table: [receivers.care]"),
        ("[[route]]\nreceivers = ['x']", "route: must be a table: [route]"),
        ("[route]\nroutes = ['x']", "route.routes.0: must be a table: [[route.routes]]"),
        ("[[routes]]\nname = 'x'", "routes: is not a setting; did you mean [[route.routes]] or [[email.routes]]?"),
        (
            "[chat.endpoints.Room-1]\nurl = 'https://chat.example.org/'",
            f"chat.endpoints.Room-1: {ROOM_1}",
        ),
        ("[[email.routes]]\nto = ['a@example.org']", "email.routes.0.name: is missing"),
        ("[calendars.o]\ntime_zone = 'UTC'\nhours = [7]",
         'calendars.o.hours.0: must be a text, such as "mon-fri 09:00-17:00"'),
        ("[calendars.o]\ntime_zone = 'UTC'\nhours = []",
         'calendars.o.hours: must not be empty; an example is ["mon-fri 09:00-17:00"]'),
        ("web.keys = 'abc'", 'web.keys: must be a list, such as ["…"]'),
        ("webhook.endpoints.crm.url = 'https://crm.example.org/'\nwebhook.endpoints.crm.secrets = 'whsec_abc'",
         'webhook.endpoints.crm.secrets: must be a list, such as ["whsec_…"]'),
        ("[kafka]\ngroup = 'a b'",
         "kafka.group: must be 1 to 80 letters (a to z), digits, dots, dashes or underscores"),
        ("[smtp]\nhost = 'a b'", "smtp.host: must be a name or an address of 1 to 255 characters, without blanks"),
    ],
)  # fmt: skip
def test_a_message_says_what_to_write(text: str, problem: str) -> None:
    toml(text)

    assert problems() == [problem]


def test_a_date_of_toml_is_a_day_of_a_calendar() -> None:
    toml(
        "[receivers.a]\nemail = ['a@example.org']\ncalendar = 'o'\n[route]\nreceivers = ['a']\n[calendars.o]\n"
        "time_zone = 'UTC'\nhours = ['mon-fri 09:00-17:00']\ndays_off = [2026-12-24, '12-31']\n"
        "working_days = [2026-05-08]"
    )

    calendar = load().calendars["o"]
    assert (calendar.days_off, calendar.working_days) == (["2026-12-24", "12-31"], ["2026-05-08"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('email.to = "care@example.com"', 'email.to: must be a list, such as ["care@example.com"]'),
        ('alerts.priority_tiers = "vip"', 'alerts.priority_tiers: must be a list, such as ["vip"]'),
        ('email.routes.name = "lyon"', "email.routes: must be a list, such as [[email.routes]]"),
    ],
)
def test_a_value_that_must_be_a_list_is_named_with_an_example(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "worker.toml").write_text(text)

    assert problems() == [problem]


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("EMAIL__TO", '["care@example.com"]'),
        ("EMAIL__ACTIONS", '["opened", "withdrawn", "resolved", "wider", "deeper", "worse", "mix_changed"]'),
        ("EMAIL__ROUTES", '[{"name": "name", "to": ["care@example.com"]}]'),
        ("ALERTS__PRIORITY_TIERS", '["vip"]'),
        ("SMTP", '{"host": "localhost"}'),
        ("RECEIVERS", '{"care": {"email": ["care@example.com"]}}'),
        ("RECEIVERS__CARE__EMAIL", '["care@example.com"]'),
        ("CALENDARS", '{"office": {"time_zone": "Europe/Paris", "hours": ["mon-fri 09:00-17:00"]}}'),
        ("ROUTE", '{"receivers": []}'),
        ("ROUTE__ROUTES", '[{"name": "name"}]'),
        ("INVITATIONS__PLATFORM", '{"name": "testimonial"}'),
    ],
)
def test_a_value_that_must_be_json_is_named_with_an_example_that_is_right(
    monkeypatch: pytest.MonkeyPatch, name: str, example: str
) -> None:
    set_all(monkeypatch, **{name: SECRET})
    assert problems() == [f"NPS_{name}: must be JSON, such as NPS_{name}='{example}'"]

    # A route without any receiver is refused.
    receivers = {"RECEIVERS": '{"care": {"email": ["care@example.com"]}}'} if name == "ROUTE__ROUTES" else {}
    set_all(monkeypatch, **{name: example}, **receivers)
    load()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[kafak]\nx = 1", "kafak: is not a setting; did you mean kafka?"),
        ("[email]\nrouts = []", "email.routs: is not a setting; did you mean email.routes?"),
        (
            '[[email.routes]]\nname = "x"\nto = ["a@b.example"]\nkind = []',
            "email.routes.0.kind: is not a setting; did you mean email.routes.0.kinds?",
        ),
        ('group = "x"', "group: is not a setting; did you mean kafka.group?"),
        ("zzz = 1", "zzz: is not a setting"),
    ],
)
def test_a_misspelt_key_of_the_file_is_answered_by_a_field_of_its_table(text: str, problem: str) -> None:
    toml(text)

    assert problems() == [problem]


def test_only_what_comes_from_the_environment_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("[smtp]\nport = 0\n[kafka]\npartitions = 0")
    set_all(monkeypatch, SMTP='{"timeout_seconds": 0}', EMAIL__ROUTES='[{"name": "x", "to": [], "kind": []}]')

    assert {problem.partition(":")[0]: problem.partition(" (")[2] for problem in problems()} == {
        "smtp.port": "",
        "smtp.timeout_seconds": "from the environment: NPS_SMTP)",
        "kafka.partitions": "",
        "email.routes.0.to": "from the environment: NPS_EMAIL__ROUTES)",
        "email.routes.0.kind": "from the environment: NPS_EMAIL__ROUTES)",
    }


def test_everything_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    toml(f'log_level = "{SECRET}"\nfoo = 1\n[kafka]\npartitions = 0\n[smtp]\nhostt = "{SECRET}"')
    set_all(monkeypatch, BAR="1", HISTORY__DAYS="x")
    keys = sorted(problem.partition(":")[0] for problem in problems())

    assert keys == ["NPS_BAR", "foo", "history.days", "kafka.partitions", "log_level", "smtp.hostt"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f"{SECRET}", "at end of document"),
        (f'[smtp]\npassword = "{SECRET}', "at end of document"),
        (f"[smtp]\npassword = {SECRET}", "at line 2"),
        (f'[smtp]\nhost = "{SECRET}"\nhost = "{SECRET}"', "at line 3|at end of document"),
        (b"\xff\xfe", "cannot be read"),
        (b'x = "\x00"', "at line 1"),
    ],
    ids=["a word", "an open text", "no quotes", "a key twice", "no UTF-8", "a NUL"],
)
def test_a_broken_file_is_named_with_the_place(text: str | bytes, where: str) -> None:
    toml(text)
    (problem,) = problems()

    assert problem.startswith("worker.toml: ")
    assert any(place in problem for place in where.split("|"))


def test_a_file_of_a_windows_editor_is_read() -> None:
    toml(b'\xef\xbb\xbftopic_prefix = "shop"\r\n[smtp]\r\nport = 2525\r\n')

    assert (load().topic_prefix, load().smtp.port) == ("shop", 2525)


@pytest.mark.parametrize(
    "text", ["smtp = 5", "smtp = [5]", '[smtp]\nport = "x"', "[smtp]\npassword = 5\nusername = 'x'"]
)
def test_a_value_of_the_wrong_kind_in_the_file_is_named_by_its_key(text: str) -> None:
    toml(text)
    (problem,) = problems()

    assert problem.startswith("smtp")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/nowhere/nps.toml", "No such file or directory"),
        (".", "Is a directory"),
        (os.devnull, "it is not an ordinary file"),
        ("itself.toml", "Too many levels of symbolic links"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    Path("itself.toml").symlink_to("itself.toml")
    monkeypatch.setenv("NPS_CONFIG", name)

    assert problems() == [f"{name} (NPS_CONFIG): cannot be read: {reason}"]


def test_a_named_file_that_is_broken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("x", "other.toml")
    monkeypatch.setenv("NPS_CONFIG", "other.toml")

    [problem] = problems()
    assert problem.startswith("other.toml (NPS_CONFIG): is not TOML: ")


@pytest.mark.parametrize("place", ["file", "environment"])
def test_a_hundred_thousand_levels_are_told_so(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    deep = "[" * 100_000
    if place == "file":
        toml(f"x = {deep}")
    else:
        set_all(monkeypatch, EMAIL__TO=deep)

    assert len(problems()) == 1


def test_an_empty_file_is_fine() -> None:
    toml("")

    assert Settings() == load()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(
        monkeypatch,
        SMTP__USERNAME="u",
        SMTP__PASSWORD=SECRET,
        KAFKA__SECURITY_PROTOCOL="SASL_SSL",
        KAFKA__SASL_USERNAME="u",
        KAFKA__SASL_PASSWORD=SECRET,
    )
    settings = load()

    assert SECRET not in f"{settings} {settings!r} {settings.model_dump_json()}"
    assert settings.smtp.password is not None
    assert settings.smtp.password.get_secret_value() == SECRET


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_password_may_go_unencrypted_to_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    set_all(monkeypatch, SMTP__USERNAME="u", SMTP__PASSWORD=SECRET, SMTP__TLS="none", SMTP__HOST=host)

    assert load().smtp.host == host


def test_each_role_of_each_group_has_a_sign_of_life_of_its_own() -> None:
    settings = Settings()
    other = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"group": "other"})})

    assert len({found.status_path(role) for found in (settings, other) for role in ("process", "notify", "all")}) == 6


def test_the_place_of_the_sign_of_life_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, STATUS_FILE="/run/worker.status")

    assert load().status_path("all") == Path("/run/worker.status-all")


def test_the_policy_is_the_part_that_decisions_rest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, HISTORY__ANSWERS="7", ALERTS__PRIORITY_TIERS='["gold"]', INTAKE__MAX_BYTES="2000")
    policy = load().policy

    assert (policy.history.answers, policy.alerts.priority_tiers, policy.intake.max_bytes) == (7, ["gold"], 2_000)


def test_every_part_of_the_policy_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_SEGMENTS__MOST", "2000")
    settings = load()

    assert settings.policy.segments.most == 2_000
    assert {name: getattr(settings, name) for name in Policy.model_fields} == dict(settings.policy)


# Endpoints of the webhook and the chat

EVENT = Incident.model_validate_json(json.dumps(INCIDENT))
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def test_without_endpoints_e_mail_is_the_only_channel() -> None:
    assert load().further_channels == frozenset()


def test_an_endpoint_comes_from_the_file_the_environment_or_both(monkeypatch: pytest.MonkeyPatch) -> None:
    toml(
        """
        [webhook.endpoints.crm]
        allow_http = true
        url = "https://from-the-file.example.org/"
        [chat]
        time_zone = "Europe/Paris"
        """
    )
    set_all(
        monkeypatch,
        WEBHOOK__ENDPOINTS__CRM__URL="http://crm.example.org/hook",
        WEBHOOK__ENDPOINTS__CRM__SECRETS=json.dumps([WHSEC]),
        CHAT__ENDPOINTS='{"care": {"url": "https://chat.example.org/hook", "format": "teams"}}',
    )
    settings = load()

    assert settings.further_channels == {"webhook", "chat"}
    assert settings.webhook.endpoints["crm"].url.get_secret_value() == "http://crm.example.org/hook"
    assert settings.webhook.endpoints["crm"].secrets[0].get_secret_value() == WHSEC
    assert settings.chat.endpoints["care"].format == "teams"
    assert str(settings.chat.readers.time_zone) == "Europe/Paris"


NAME_NEEDED = (
    "must have a name of at most 63 small letters (a to z), digits and underscores, the first of them a letter"
)


def test_what_is_wrong_with_an_endpoint_is_said_with_its_key_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_all(monkeypatch, WEBHOOK__ENDPOINTS__CRM__URL=f"http://crm.example.org/{SECRET}")
    toml(
        f"""
        [webhook.endpoints.crm]
        secrets = ["{SECRET}"]
        [chat.endpoints.care]
        url = "https://{SECRET}@chat.example.org/"
        fromat = "slack"
        [chat.endpoints.Ops]
        url = "https://chat.example.org/{SECRET}"
        """
    )
    assert problems() == [
        "webhook.endpoints.crm.secrets: must be 'whsec_' and 24 to 64 bytes in base64, as docs/channels.md makes them",
        "chat.endpoints.care.url: must have no user name and no password before the host",
        "chat.endpoints.care.fromat: is not a setting; did you mean chat.endpoints.care.format?",
        f"chat.endpoints.Ops: {NAME_NEEDED}",
    ]


def test_http_is_refused_unless_it_is_allowed_or_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    toml(f'[webhook.endpoints.crm]\nurl = "http://crm.example.org/"\nsecrets = ["{WHSEC}"]')
    assert problems() == [
        (
            "webhook.endpoints.crm: url must begin with https, unless allow_http is true or it is an address of this "
            "machine"
        )
    ]
    set_all(monkeypatch, WEBHOOK__ENDPOINTS__CRM__URL="http://127.0.0.1:8080/")
    assert load().webhook.endpoints["crm"].port == 8080


def test_a_variable_that_must_hold_json_says_what_it_looks_like(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, WEBHOOK__ENDPOINTS="crm", CHAT__ENDPOINTS__CARE__URL="https://chat.example.org/")
    assert problems() == [
        (
            "NPS_WEBHOOK__ENDPOINTS: must be JSON, such as "
            'NPS_WEBHOOK__ENDPOINTS=\'{"crm": {"url": "https://crm.example.com/hooks/nps"}}\''
        )
    ]


def test_every_endpoint_gets_every_notice_and_only_webhooks_report_erasures() -> None:
    toml(
        f"""
        [webhook.endpoints.crm]
        url = "https://crm.example.org/"
        secrets = ["{WHSEC}"]
        [webhook.endpoints.bi]
        url = "https://bi.example.org/"
        secrets = ["{WHSEC}"]
        [chat.endpoints.care]
        url = "https://chat.example.org/"
        """
    )
    settings = load()
    webhook, chat, email = map(settings.planner, ("webhook", "chat", "email"))

    assert [one.receiver.name for one in webhook.reached(EVENT).reached] == ["crm", "bi"]
    assert [one.receiver.name for one in chat.reached(EVENT).reached] == ["care"]
    assert (webhook.reports_erasures, chat.reports_erasures, email.reports_erasures) == (True, False, False)
    mailed = ["opened", "withdrawn", "resolved", "wider", "deeper", "worse", "mix_changed"]
    assert [list(email.actions), list(chat.actions)] == [mailed, mailed]
    assert {*webhook.actions} == {*mailed, "updated", "partly_recovered"}


def test_with_receivers_an_endpoint_gets_what_the_receivers_get_that_name_it() -> None:
    toml(
        f"""
        [receivers.desk]
        email = ["desk@example.org"]
        chat = "care"
        [receivers.crm]
        webhook = "crm"
        [route]
        receivers = ["desk", "crm"]
        [webhook.endpoints.crm]
        url = "https://crm.example.org/"
        secrets = ["{WHSEC}"]
        [chat.endpoints.care]
        url = "https://chat.example.org/"
        """
    )
    settings = load()
    found = {name: settings.planner(name).reached(EVENT).reached for name in ("email", "webhook", "chat")}

    assert {name: [one.receiver.name for one in reached] for name, reached in found.items()} == {
        "email": ["desk"],
        "webhook": ["crm"],
        "chat": ["care"],
    }


def test_an_endpoint_that_is_not_there_or_that_nobody_names_is_said() -> None:
    toml(
        f"""
        [receivers.desk]
        webhook = "crn"
        [route]
        receivers = ["desk"]
        [webhook.endpoints.crm]
        url = "https://crm.example.org/"
        secrets = ["{WHSEC}"]
        """
    )
    assert problems() == [
        "receivers.desk.webhook: 'crn' is not a webhook endpoint; did you mean crm?",
        'webhook.endpoints.crm: no receiver names this endpoint; write webhook = "crm" in a table of receivers',
    ]
