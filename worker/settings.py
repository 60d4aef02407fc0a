"""The settings: `worker.toml` (its path in NPS_CONFIG), then environment variables (`NPS_SMTP__HOST`), which win."""

import errno
import os
import stat
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import (
    SettingsError as SourceError,
)

from schemas.incident import UPDATES_OF_INCIDENTS, IncidentUpdate
from worker.address import check_address, is_loopback
from worker.errors import SettingsError
from worker.flow.cases.service import ServiceLevels
from worker.flow.policy import Policy
from worker.links.settings import WebSettings
from worker.metrics.settings import MetricsSettings
from worker.notify.channels.chat import NAME as CHAT
from worker.notify.channels.chat.settings import ChatSettings
from worker.notify.channels.email import NAME as EMAIL
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.channels.email.route import EmailRoute
from worker.notify.channels.email.smtp import SmtpSettings
from worker.notify.channels.webhook import NAME as WEBHOOK
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.notify.content.plain_text import header_line
from worker.notify.content.readers import TimeZoneName, zone
from worker.notify.planning import OPEN_KEPT, Planner
from worker.notify.retry import RetryPolicy
from worker.receive.settings import ReceiveSettings
from worker.routing.bundling import (
    CRITICAL_PER_HOUR,
    GROUP_INTERVAL_SECONDS,
    KEYS,
    MAILS,
    NOTICES,
    CriticalPerHour,
    GroupBy,
    GroupIntervalSeconds,
    GroupWaitSeconds,
    MailsPerHour,
    bundling_of,
)
from worker.routing.bundling import check as check_bundling
from worker.routing.calendar import calendar_of
from worker.routing.comment import plain
from worker.routing.flat import FlatRoute, flat_routing, not_with_receivers
from worker.routing.hours import CalendarSettings
from worker.routing.places import FOR_PEOPLE, by_place
from worker.routing.problems import (
    caps_in_vain,
    receivers_in_vain,
    routes_in_vain,
    times_in_vain,
    wrong_endpoints,
    wrong_names,
)
from worker.routing.receiver import Language, Receiver, ReceiverSettings
from worker.routing.routable import Routable
from worker.routing.routing import Routing
from worker.routing.service_level import ServiceLevel, Terms, Work
from worker.routing.tree import RootRoute, tree
from worker.secret_files import SecretSection, secret_file
from worker.section import Section
from worker.tracing.settings import TracingSettings
from worker.wrong_settings import PREFIX, no_json, unknown_variable, wrong_key

CONFIG_VARIABLE = "NPS_CONFIG"
_NO_RECEIVERS = (
    "route: there are no receivers, so nobody would get a mail: define [receivers.NAME] and name it in the routes, or "
    "remove [route]"
)


def _topic_word(text: str) -> str:
    """Return a text that can begin the names of topics and groups. Raise ValueError if it cannot."""
    if not 0 < len(text) <= 80 or not all(c.isascii() and (c.isalnum() or c in "._-") for c in text):
        raise ValueError("must be 1 to 80 letters (a to z), digits, dots, dashes or underscores")
    return text


class KafkaSettings(SecretSection):
    """How the worker connects to Kafka, and what it creates there."""

    bootstrap_servers: str = Field(
        default="localhost:9092",
        description="Addresses of the Kafka brokers that the worker contacts first: host:port, several separated by "
        "commas.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="How the worker connects to the brokers: with SSL the connection is encrypted, with SASL the "
        "worker logs in.",
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512",
        description="How the worker logs in. It is used only if security_protocol begins with SASL.",
    )
    sasl_username: str | None = Field(default=None, description="The user name of the login.")
    sasl_password: SecretStr | None = Field(
        default=None,
        description="The password of the login. Set it in the environment, or name its file in sasl_password_file.",
    )
    sasl_password_file: Path | None = secret_file("the password of the login")
    ssl_cafile: Path | None = Field(
        default=None,
        description="PEM file of the certificate authorities that the worker trusts. Without it, the worker trusts "
        "those of the operating system. If one of the three PEM files changes, new connections use its new content.",
    )
    ssl_certfile: Path | None = Field(
        default=None, description="PEM file of the worker's own certificate, for brokers that ask for one."
    )
    ssl_keyfile: Path | None = Field(
        default=None, description="PEM file of that certificate's private key, which is not encrypted."
    )
    group: str = Field(
        default="nps-worker",
        description="The consumer groups are called <group>-process and <group>-notify, and <group>-webhook and "
        "<group>-chat if these channels are used. The names of the changelogs "
        "begin with the names of the groups. Each topic_prefix needs a group of its own.",
    )
    partitions: int = Field(
        default=4,
        ge=1,
        le=1_000,
        description="Number of partitions of the topics that the worker creates. If the topic of the responses exists "
        "already, the worker takes its number of partitions instead.",
    )
    replication_factor: int = Field(
        default=1,
        ge=1,
        le=9,
        description="Number of replicas of each partition of the topics that the worker creates. Their "
        "min.insync.replicas is one less, and at least 1.",
    )
    session_timeout_seconds: float = Field(
        default=10.0,
        ge=6.0,
        le=30.0,
        description="Seconds without a heartbeat after which the consumer group gives a worker's partitions to others.",
    )
    patience_seconds: float = Field(
        default=180.0,
        ge=5.0,
        le=86_400.0,
        description="Seconds that the worker waits until Kafka acknowledges a record. After that it stops.",
    )
    batch_records: int = Field(
        default=2_000,
        ge=1,
        le=10_000,
        description="Largest number of records of one partition that are decided together, as one batch.",
    )
    retention_days: int = Field(
        default=730,
        ge=1,
        le=36_500,
        description="Days for which the topics that the worker creates keep their records. This does not concern "
        "nps.scores, nps.worker and the changelogs.",
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _servers(cls, text: str) -> str:
        for server in text.split(","):
            host, colon, port = server.strip().rpartition(":")
            if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 2**16):
                raise ValueError("must be host:port, several separated by commas")
        return text

    @field_validator("group")
    @classmethod
    def _group(cls, group: str) -> str:
        return _topic_word(group)

    @model_validator(mode="after")
    def _credentials(self) -> "KafkaSettings":
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"{self.security_protocol} needs sasl_username, and sasl_password or sasl_password_file")
        if not self.security_protocol.startswith("SASL") and (self.sasl_username or self.sasl_password):
            raise ValueError(
                f"sasl_username and sasl_password are not used with {self.security_protocol}: set security_protocol to "
                "SASL_SSL, or remove them"
            )
        if (self.security_protocol, self.sasl_mechanism) == ("SASL_PLAINTEXT", "PLAIN") and not self._is_local:
            raise ValueError(
                "SASL_PLAINTEXT with PLAIN sends the password in plain text over the network: use SASL_SSL, or a SCRAM "
                "mechanism"
            )
        for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
            path = getattr(self, name)
            if path is not None and not path.is_file():
                raise ValueError(f"{name} is not a file")
        return self

    @property
    def _is_local(self) -> bool:
        servers = (server.strip().rpartition(":")[0] for server in self.bootstrap_servers.split(","))
        return all(is_loopback(host.strip("[]")) for host in servers)


class EmailSettings(Section):
    """Mails about alerts and incidents: their receivers, their sender and their language."""

    sender: str = Field(default="nps-worker@localhost", description="The From address of the mails.")
    sender_name: str = Field(
        default="", max_length=100, description="The name that mail programs show in place of the From address."
    )
    reply_to: str | None = Field(
        default=None,
        description="The address that replies go to. Without it, they go to the sender, and mails say that replies are "
        "not read.",
    )
    time_zone: TimeZoneName | None = Field(
        default=None,
        description="Time zone in which mails show times, such as 'Europe/Paris'. Without it, mails show each time "
        "in the time zone that it came with.",
    )
    to: list[str] = Field(
        default=["support@localhost"],
        min_length=1,
        description="The addresses that get the alerts and incidents that no route of email.routes takes. It is an "
        "error together with [receivers].",
    )
    routes: list[EmailRoute] = Field(
        default=[],
        description="Flat routes, an older form of routes, which are an error together with [receivers]. The worker "
        "tries them in this order, and uses the first one that matches.",
    )
    actions: list[Literal["opened", "updated", "withdrawn", "resolved", IncidentUpdate]] = Field(
        default=["opened", "withdrawn", "resolved", "wider", "deeper", "worse", "mix_changed"],
        description="The steps that are mailed. Two updates of an alert are mailed in any case: a comment that is "
        "added or changed later, and a changed consent. Alerts can be opened, updated and withdrawn; incidents can be "
        f"opened and resolved. {UPDATES_OF_INCIDENTS}",
    )
    case_actions: list[Literal["acknowledged", "resolved", "reopened"]] = Field(
        default=["acknowledged", "resolved", "reopened"],
        description="The steps that people take on cases and that are mailed to those who have got the alert. Who has "
        "taken a step gets no mail about it, if that is known.",
    )
    default_language: Language = Field(
        default="en",
        description="Language of mails about incidents, and of mails about responses that name no language, or a "
        "language that mails cannot be in.",
    )
    # How the mails to email.to and to each flat route are bundled. Other receivers have keys of their own.
    mails_per_hour: MailsPerHour = None
    critical_per_hour: CriticalPerHour = CRITICAL_PER_HOUR
    group_by: GroupBy = Field(default=[])
    group_wait_seconds: GroupWaitSeconds = 0.0
    group_interval_seconds: GroupIntervalSeconds = GROUP_INTERVAL_SECONDS
    retry: RetryPolicy = RetryPolicy()

    @model_validator(mode="after")
    def _bundling_has_effect(self) -> "EmailSettings":
        check_bundling(self)
        return self

    @field_validator("sender", "reply_to")
    @classmethod
    def _sender(cls, address: str | None) -> str | None:
        return None if address is None else check_address(address)

    @field_validator("sender_name")
    @classmethod
    def _sender_name(cls, name: str) -> str:
        if header_line(name, len(name) + 1) != name:
            raise ValueError("must be plain text on one line")
        return name

    @field_validator("to")
    @classmethod
    def _to(cls, to: list[str]) -> list[str]:
        return [check_address(address) for address in to]

    @field_validator("routes")
    @classmethod
    def _names(cls, routes: list[EmailRoute]) -> list[EmailRoute]:
        names = [route.name for route in routes]
        if len(set(names)) != len(names) or "default" in names:
            raise ValueError(
                "route names must differ, and no route can be called 'default', which is the name of email.to"
            )
        return routes

    @property
    def letterhead(self) -> Letterhead:
        """The properties that all mails have in common."""
        return Letterhead(
            sender=self.sender,
            default_language=self.default_language,
            sender_name=self.sender_name,
            reply_to=self.reply_to,
            time_zone=None if self.time_zone is None else zone(self.time_zone),
        )

    def all_routes(self) -> list[EmailRoute]:
        """Return the routes in order. The last one takes every notice that no other route takes."""
        return [*self.routes, EmailRoute(name="default", to=self.to)]


class Location(Section):
    """Which Kafka the worker uses, and the prefix of its topics there."""

    topic_prefix: str = Field(default="nps", description="The topics are called <topic_prefix>.responses and so on.")
    kafka: KafkaSettings = KafkaSettings()

    @field_validator("topic_prefix")
    @classmethod
    def _prefix(cls, prefix: str) -> str:
        return _topic_word(prefix.rstrip("."))


class Settings(BaseSettings, Policy, Location):
    """Every setting of the worker: its Kafka, the rules of its decisions (`Policy`), its receivers, and its log.

    The fields are ordered: first those of the bases, from right to left, then those of this class.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=False
    )

    smtp: SmtpSettings = SmtpSettings()
    email: EmailSettings = EmailSettings()
    webhook: WebhookSettings = WebhookSettings()
    chat: ChatSettings = ChatSettings()
    web: WebSettings = WebSettings()
    metrics: MetricsSettings = MetricsSettings()
    tracing: TracingSettings = TracingSettings()
    receive: ReceiveSettings = ReceiveSettings()
    receivers: dict[str, ReceiverSettings] = Field(
        default={}, description="Who gets alerts and incidents: a table [receivers.NAME] for each receiver."
    )
    calendars: dict[str, CalendarSettings] = Field(
        default={}, description="The calendars of receivers: a table [calendars.NAME] for each calendar."
    )
    service_levels: dict[str, ServiceLevel] = Field(
        default={},
        description="How soon alerts have to be acknowledged and resolved: a table [service_levels.NAME] "
        "for each service level. Routes name them.",
    )
    route: RootRoute = RootRoute()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="The worker writes no log lines below this level."
    )
    log_format: Literal["json", "text"] = Field(
        default="json",
        description="How the worker writes its log: as lines of JSON for machines, or as text for people.",
    )
    status_file: Path | None = Field(
        default=None,
        description="File that the worker renews while it is alive; `python -m worker health` reads it. The worker "
        "adds its role and its process id to the name. By default the file is in a directory that belongs to the user, "
        "in the directory for temporary files.",
    )

    @property
    def policy(self) -> Policy:
        """The settings by which the pure core decides."""
        return Policy(**{name: getattr(self, name) for name in Policy.model_fields})

    @property
    def letterhead(self) -> Letterhead:
        """The properties that all mails have in common, with what makes their links."""
        return replace(self.email.letterhead, links=self.web.links_in_notices)

    @property
    def further_channels(self) -> frozenset[str]:
        """The names of the channels that are configured, without e-mail, which always is."""
        endpoints = {WEBHOOK: self.webhook.endpoints, CHAT: self.chat.endpoints}
        return frozenset(name for name, found in endpoints.items() if found)

    def planner(self, channel: str) -> Planner:
        """Return the settings by which the notices of a channel are planned."""
        if channel == EMAIL:
            mails, limit = self.email, self.time_limit
            return Planner(
                EMAIL,
                self.routing,
                mails.actions,
                self.intake,
                str.casefold,
                time_limit=limit,
                case_actions=mails.case_actions,
            )
        of_channel = self.webhook if channel == WEBHOOK else self.chat
        if self._has_tree:
            routing = by_place(self.routing, channel, with_hours=channel in FOR_PEOPLE)
        else:  # every endpoint gets every notice
            routes = [FlatRoute(name=name, to=[name], then_continue=True) for name in of_channel.endpoints]
            routing = flat_routing(routes, channel, bundling_of(of_channel, of_channel.notices_per_hour))
        return Planner(
            channel,
            routing,
            of_channel.actions,
            self.intake,
            reports_erasures=channel == WEBHOOK,
            reports_refusals=False,
            # So one endpoint that is out leaves the others their room in a row, which has to fit a record of Kafka.
            open_kept_each=max(1, OPEN_KEPT // max(1, len(of_channel.endpoints))),
            time_limit=self.time_limit,
            case_actions=of_channel.case_actions,
            digest_bytes=self.webhook.digest_kilobytes * 1_000 if channel == WEBHOOK else None,
        )

    @property
    def routing(self) -> Routing:
        """Who gets which mails: by `receivers` and `route`, or else by `email.to` and `email.routes`."""
        if not self._has_tree:
            return flat_routing(self.email.all_routes(), EMAIL, bundling_of(self.email, self.email.mails_per_hour))
        calendars = {name: calendar_of(calendar) for name, calendar in self.calendars.items()}
        receivers = {
            name: Receiver(
                name=name,
                targets={
                    EMAIL: receiver.email,
                    WEBHOOK: [] if receiver.webhook is None else [receiver.webhook],
                    CHAT: [] if receiver.chat is None else [receiver.chat],
                },
                language=receiver.language,
                zone=None if receiver.time_zone is None else zone(receiver.time_zone),
                calendar=None if receiver.calendar is None else calendars[receiver.calendar],
                quiet_except=frozenset(receiver.quiet_except),
                bundling=receiver.bundling,
                bundling_of_posts=receiver.bundling_of_posts,
            )
            for name, receiver in self.receivers.items()
        }
        owners = {plain(owner): name for name, receiver in self.receivers.items() for owner in receiver.owners}
        return Routing(tree(self.route), receivers, owners)

    @property
    def service(self) -> ServiceLevels:
        """The service levels, and the calendars by which they are measured."""
        calendars = {name: calendar_of(calendar) for name, calendar in self.calendars.items()}
        return ServiceLevels(self.service_levels, calendars)

    @property
    def work(self) -> Callable[[Routable], Work]:
        """Who gets an alert, and by what the work on it is measured."""
        routing, calendars = self.routing, self._working_calendars
        return lambda event: routing.work(event, calendars)

    @property
    def terms(self) -> Callable[[Routable], Terms] | None:
        """By what the work on an alert is measured; None without service levels and calendars."""
        if not self.service_levels and not self._working_calendars:
            return None
        work = self.work
        return lambda event: work(event).terms

    @property
    def _working_calendars(self) -> dict[str, str]:
        """The names of the calendars by which work is measured, by the names of their receivers."""
        # A receiver with nothing but a webhook is a program, which has no hours.
        return {
            name: receiver.calendar
            for name, receiver in self.receivers.items()
            if receiver.calendar is not None and (receiver.email or receiver.chat is not None)
        }

    @property
    def time_limit(self) -> Callable[[Routable, int], int | None] | None:
        """By when somebody has to act on an alert that is opened at a time, in ms; None without service levels."""
        terms, service = self.terms, self.service
        if terms is None or not service.levels:
            return None
        return lambda event, at: service.due(terms(event), at).first

    def wrong_receivers(self) -> list[str]:
        """Return a line for each receiver, route and calendar with which the worker cannot start."""
        if not self._has_tree:
            return []
        of_channels = {EMAIL: (self.email, MAILS), WEBHOOK: (self.webhook, NOTICES), CHAT: (self.chat, NOTICES)}
        differ = [
            f"{channel}.{key}"
            for channel, (section, most) in of_channels.items()
            for key in (most, *KEYS)
            if getattr(section, key) != type(section).model_fields[key].default
        ]
        mixed = not_with_receivers(self.email.routes, has_to="to" in self.email.model_fields_set, keys=differ)
        endpoints = {WEBHOOK: [*self.webhook.endpoints], CHAT: [*self.chat.endpoints]}
        lines = [
            *mixed,
            *wrong_names(tree(self.route), self.receivers, self.calendars, self.service_levels),
            *wrong_endpoints(self.receivers, endpoints),
        ]
        return lines if lines or self.receivers else [_NO_RECEIVERS]

    def wrong_foreign_topics(self) -> list[str]:
        """Return a line for each topic of another program that would be one of the worker's own."""
        return [
            f"receive.topics.{number}.topic: {one.topic} is a topic of the worker itself, whose names begin with "
            f"{self.topic_prefix} (topic_prefix) or {self.kafka.group} (kafka.group)"
            for number, one in enumerate(self.receive.topics)
            if one.topic.startswith((f"{self.topic_prefix}.", f"{self.kafka.group}-"))
        ]

    def wrong_sessions(self) -> list[str]:
        """Return a line if sessions last longer than it is kept that somebody has ended them."""
        if not self.web.auth.is_set or self.web.auth.session_hours <= 24 * self.kafka.retention_days:
            return []
        return ["web.auth.session_hours: must not be longer than kafka.retention_days, for which nps.audit is kept"]

    def wrong_endpoints_of_traces(self) -> list[str]:
        """Return a line for each endpoint that asks for the header of traces while there are none."""
        return [
            f"webhook.endpoints.{name}.traceparent: needs tracing.enabled"
            for name, endpoint in self.webhook.endpoints.items()
            if endpoint.traceparent and not self.tracing.enabled
        ]

    def vain_receivers(self) -> list[str]:
        """Return a line for each receiver, route and calendar that has no effect."""
        routing = self.routing
        lines = [
            *caps_in_vain(self.receivers),
            *receivers_in_vain(routing, self.receivers, self.calendars, self.service_levels),
            *self._times_in_vain(),
        ]
        # Whether email.to gets anything does not matter, as it has a default.
        return [line for line in routes_in_vain(routing.root) if not line.startswith("email.to:")] + lines

    def _times_in_vain(self) -> list[str]:
        # A receiver with nothing but a webhook is a program, which has no hours.
        people = [
            None if receiver.calendar is None else self.calendars[receiver.calendar]
            for receiver in self.receivers.values()
            if receiver.email or receiver.chat is not None
        ]
        return times_in_vain(self.service_levels, people, self.history.days, self.cases.open_days)

    @property
    def _has_tree(self) -> bool:
        return bool(self.receivers) or self.route != RootRoute()

    def status_path(self, role: str) -> Path:
        """Return the path of a role's status files. Each process adds its process id to the name (status.py)."""
        if self.status_file is not None:
            return self.status_file.with_name(f"{self.status_file.name}-{role}")
        return Path(tempfile.gettempdir()) / f"detractor-worker-{os.getuid()}" / f"{self.kafka.group}-{role}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings, the strongest first: arguments, the environment, the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _File(settings_cls, cls._file())

    @classmethod
    def _file(cls) -> Path | None:
        """Return the path of the settings' file; None if there is none."""
        return _config_file()


class _File(TomlConfigSettingsSource):
    """The settings' file. Editors of Windows begin it with a byte order mark, which TOML does not know."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        return tomllib.loads(file_path.read_bytes().decode("utf-8-sig"))


def load(**overrides: Any) -> Settings:
    """Read the settings. Raise SettingsError with one line for each key that is wrong."""
    return _load(Settings, _file_name, **overrides)


def load_file(path: Path) -> Settings:
    """Read the settings as they would be with this file in place of the usual one. Raise SettingsError like `load`."""

    class OfFile(Settings):
        @classmethod
        def _file(cls) -> Path | None:
            return _readable(path)

    return _load(OfFile, lambda: str(path))


def _load(kind: type[Settings], file_name: Callable[[], str], **overrides: Any) -> Settings:
    problems = [unknown_variable(name, Settings) for name in sorted(os.environ) if _is_unknown(name)]
    try:
        settings = kind(**overrides)
    except ValidationError as error:
        problems += [wrong_key(problem, Settings) for problem in error.errors(include_input=False)]
    except SourceError:
        problems += no_json(Settings) or ["environment: a variable's value is not valid JSON"]
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{file_name()}: is not TOML: {error}")
    except UnicodeDecodeError:
        problems.append(f"{file_name()}: cannot be read: it is not UTF-8")
    except OSError as error:
        problems.append(f"{file_name()}: cannot be read: {error.strerror or type(error).__name__}")
    except RecursionError:
        problems.append("settings: are nested too deeply")
    else:
        problems += [
            *settings.wrong_receivers(),
            *settings.wrong_endpoints_of_traces(),
            *settings.wrong_sessions(),
            *settings.wrong_foreign_topics(),
        ]
    if problems:
        raise SettingsError(problems)
    return settings


def source() -> str:
    """Return the file from which settings are read, for people, or why there is no file."""
    file = _config_file()
    return "no file: worker.toml is not here, and NPS_CONFIG is not set" if file is None else str(file.absolute())


def _file_name() -> str:
    named = os.environ.get(CONFIG_VARIABLE)
    return f"{named} ({CONFIG_VARIABLE})" if named else "worker.toml"


def _config_file() -> Path | None:
    """Return the file to read; None if there is none.

    If NPS_CONFIG is set, it names the file; raise OSError if that file does not exist. Otherwise the file is
    worker.toml, if it exists.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return _readable(Path(named))
    return Path("worker.toml") if Path("worker.toml").is_file() else None


def _readable(path: Path) -> Path:
    """Return the path of a file; raise OSError if it is no ordinary file, or does not exist."""
    mode = path.stat().st_mode  # raises the reason if the file cannot be found
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):  # pydantic would read nothing from a pipe, and take every default
        raise OSError(errno.EINVAL, "it is not an ordinary file")
    return path


def _is_unknown(name: str) -> bool:
    if not name.startswith(PREFIX) or name == CONFIG_VARIABLE:
        return False
    return name.removeprefix(PREFIX).split("__")[0].lower() not in Settings.model_fields
