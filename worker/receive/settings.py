"""The settings of the role receive: its HTTP server, and the survey tools that deliver to it or to a topic."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from schemas.base import LONGEST_ID
from worker.address import split_url
from worker.flow.responses.formats.source import Source, compiled, compiled_all
from worker.flow.responses.formats.times import OFFSET, Times, format_problem
from worker.flow.responses.formats.tool import Questions, Tool
from worker.flow.responses.formats.tools import TOOLS
from worker.notify.content.readers import TimeZoneName, zone
from worker.notify.endpoint import EndpointName
from worker.notify.retry import RetryPolicy, days_until_given_up
from worker.receive.apis import APIS, Api, checked_token, checked_url
from worker.receive.signatures import AUTHORIZATION, SENT, WITH_HEADER, Scheme, Signing, secret_problem, weakness
from worker.receive.unwrapping import Unwrap
from worker.secret_files import SecretSection, secret_file
from worker.section import Section

Reading = TypeVar("Reading", bound="ReadingSettings")

#: Below this path the sources have theirs.
PATH = "/receive"
#: The shortest key of pseudonyms, in characters. 32 random characters cannot be guessed.
_SHORTEST_KEY = 32
_LONGEST_EXPRESSION = 1_000
#: The longest address, in characters.
_LONGEST_URL = 500
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
#: A name that Kafka accepts for a topic.
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_ORIGIN = re.compile(r"[A-Za-z0-9.-]{1,253}")
#: What stands for every sender in `allowed_origins`.
ANY_ORIGIN = "*"
#: The tools whose bodies only their senders know.
_ANY_BODY = frozenset({"cloudevents", "template"})

#: How each tool proves where a delivery comes from. A tool that is not here does not sign.
SIGNINGS: Mapping[str, Signing] = MappingProxyType(
    {
        "delighted": Signing(Scheme.HMAC_SHA256_HEX, "x-delighted-webhook-signature"),
        "formbricks": Signing(Scheme.STANDARD_WEBHOOKS),
        "hubspot": Signing(Scheme.HUBSPOT_V3),
        "qualtrics": Signing(Scheme.QUALTRICS),
        "surveymonkey": Signing(Scheme.HMAC_SHA1_BASE64, "sm-signature"),
        "typeform": Signing(Scheme.HMAC_SHA256_BASE64, "typeform-signature"),
        "wootric": Signing(Scheme.HMAC_SHA1_HEX, "x-wootric-signature"),
    }
)
#: The fields of the mapping that cannot be used with a tool that sends each question alone, and what to do instead.
_NOT_ALONE: Mapping[str, str] = MappingProxyType(
    {"score": "set score_question", "comment": "set comment_question", "revision": "remove it"}
)


def usual_signing(tool: str) -> Signing:
    """Return how a tool proves where a delivery comes from if the settings do not say it."""
    if tool in SIGNINGS:
        return SIGNINGS[tool]
    if tool == "google-forms":
        return Signing(Scheme.SECRET_PATH)
    return Signing(Scheme.SECRET_HEADER, AUTHORIZATION)


def _expression(text: str) -> str:
    compiled(text)
    return text


#: An expression of JMESPath.
Expression = Annotated[str, Field(min_length=1, max_length=_LONGEST_EXPRESSION), AfterValidator(_expression)]


def _time_format(text: str) -> str:
    if problem := format_problem(text):
        raise ValueError(problem)
    return text


#: A format of times.
TimeFormat = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_time_format)]
#: What is said of a format of times if it needs a zone that is not named.
LACKS_ZONE = f"time_format has no offset ({OFFSET}), so time_zone is needed"


def times_of(time_format: str | None, time_zone: str | None) -> Times:
    """Return how the times are written that a mapping finds, by its settings."""
    return Times(time_format or "", None if time_zone is None else zone(time_zone))


def _finds(what: str) -> Any:
    return Field(default=None, description=f"Expression that finds {what}.")


class CustomerMapping(Section):
    """Where a delivery has what is known of the customer."""

    name: Expression | None = _finds("the customer's name")
    email: Expression | None = _finds("the customer's e-mail address")
    phone: Expression | None = _finds("the customer's phone number")
    tier: Expression | None = _finds("the customer's commercial tier")
    owner: Expression | None = _finds("who looks after this customer")


class ConsentMapping(Section):
    """Where a delivery has what the customer has agreed to."""

    callback: Expression | None = _finds("whether the customer may be called back")
    public_review: Expression | None = _finds("whether the customer may be invited to a public review")
    marketing: Expression | None = _finds("whether the customer may be sent marketing")


class OriginMapping(Section):
    """Where a delivery has the address of the answer in the tool."""

    permalink: Expression | None = _finds("the https link to the answer in the survey tool")


class SolicitationMapping(Section):
    """Where a delivery has who asked for the answer."""

    asked_by: Expression | None = _finds("the person or the team that asked the customer for the answer")
    contact_at: Expression | None = _finds("when the customer last had contact with them")


class FieldMapping(Section):
    """Where a delivery has the fields of a response: expressions of JMESPath (https://jmespath.org)."""

    response_id: Expression | None = _finds("the id of the answer")
    revision: Expression | None = _finds(
        "a number that grows with each change of the answer, or the time of its last change, which becomes seconds"
    )
    survey_id: Expression | None = _finds("the id of the survey")
    customer_id: Expression | None = _finds("the pseudonymous id of the customer")
    score: Expression | None = _finds("the score, whose scale has to go from 0 to 10")
    comment: Expression | None = _finds("what the customer wrote")
    language: Expression | None = _finds("the language as a BCP 47 tag")
    responded_at: Expression | None = _finds(
        "when the customer answered: a time with its offset, or seconds or milliseconds since 1970"
    )
    segment: Expression | None = _finds("the segment: a list of names, root first, or a text with slashes")
    customer: CustomerMapping = CustomerMapping()
    consent: ConsentMapping = ConsentMapping()
    origin: OriginMapping = OriginMapping()
    solicitation: SolicitationMapping = SolicitationMapping()
    follow_up_requested: Expression | None = _finds("whether the customer has asked to be contacted")
    test: Expression | None = _finds("whether it is a trial answer")
    anonymous: Expression | None = _finds("whether nobody may know who answered")
    only_if: Expression | None = _finds(
        "whether it is an answer; whatever is not `true` is ignored. Only with the tools `template` and `cloudevents`"
    )
    each: Expression | None = _finds(
        "the list of answers in a delivery that has several; the other expressions then apply to each. Only with the "
        "tools `template` and `cloudevents`"
    )

    @property
    def fields(self) -> dict[str, str]:
        """The expressions by the paths of the fields that they fill."""
        return dict(_paths(self, ""))


def _paths(section: Section, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in section:
        if isinstance(value, Section):
            yield from _paths(value, f"{prefix}{name}.")
        elif value is not None and name not in {"only_if", "each"}:
            yield f"{prefix}{name}", value


class ReadingSettings(Section):
    """How the deliveries of one survey tool are read, whether they come by HTTP or lie on a topic."""

    name: EndpointName
    tool: Literal[
        "cloudevents", "delighted", "formbricks", "google-forms", "hubspot", "posthog", "qualtrics", "surveymonkey",
        "survicate", "template", "typeform", "wootric",
    ] = Field(
        description="The survey tool. `template` is any other tool, and `cloudevents` any program that sends "
        "CloudEvents."
    )  # fmt: skip
    survey_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_ID,
        description="The survey's id of all responses. Without it, it is the tool's own, after the tool's name; an "
        "id that the mapping finds gets the source's name and a colon before it.",
    )
    score_question: str | None = Field(
        default=None, min_length=1, max_length=LONGEST_ID, description="The id of the question that asks for the score."
    )
    comment_question: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_ID,
        description="The id of the question that asks for the comment.",
    )
    unknown_customers: Literal["refuse", "anonymous"] = Field(
        default="refuse",
        description="What becomes of an answer if nothing says who has given it: it is refused, or it counts as an "
        "anonymous answer.",
    )
    delivery_in: str | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_ID,
        description="The field of a form that has the delivery as a text in JSON, such as rawRequest of Jotform. Only "
        "with the tool template.",
    )
    time_format: TimeFormat | None = Field(
        default=None,
        description="How the tool writes times, if it is neither RFC 3339 nor seconds or milliseconds since 1970: the "
        "directives of strptime (https://docs.python.org/3/library/datetime.html#format-codes), such as '%d %b %Y "
        "%I:%M %p'. Names of months and days are English ones. It applies to what the mapping finds.",
    )
    time_zone: TimeZoneName | None = Field(
        default=None,
        description="The time zone of times without an offset that the mapping finds, such as Europe/Paris. Without "
        "it, such times are refused.",
    )
    responded_at: Literal["tool", "arrival"] = Field(
        default="tool",
        description="When the customer answered: `tool` takes the time from the delivery, and `arrival` the time at "
        "which the delivery arrives. The latter is for tools that send no time, and only with the tool `template`.",
    )
    mapping: FieldMapping = FieldMapping()

    @field_validator("tool", mode="before")
    @classmethod
    def _known_tool(cls, tool: Any) -> Any:
        if isinstance(tool, str) and tool not in TOOLS:
            like = get_close_matches(tool.lower(), TOOLS, n=1)
            hint = f"; did you mean {like[0]}?" if like else "; for any other tool, it is 'template'"
            raise ValueError(f"must be {', '.join(map(repr, TOOLS))}{hint}")
        return tool

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if found := list(self._problems()):
            raise ValueError("; ".join(found))
        return self

    def _problems(self) -> Iterator[str]:
        """Yield what is wrong, in words."""
        yield from filter(None, (self._question_problem(), self._time_problem(), self._mapping_problem()))

    def _question_problem(self) -> str | None:
        questions = self.of_tool.questions
        if questions is Questions.FIXED and (self.score_question or self.comment_question):
            return f"score_question and comment_question have no effect with {self.tool}: remove them"
        if questions is Questions.ALONE:
            for name, instead in _NOT_ALONE.items():
                if getattr(self.mapping, name) is not None:
                    return f"{self.tool} sends each question alone, so mapping.{name} cannot be used: {instead}"
        if questions in (Questions.NEEDED, Questions.ALONE) and not (self.score_question or self.mapping.score):
            return f"{self.tool} needs score_question, the id of the question that asks for the score from 0 to 10"
        if self.score_question and self.mapping.score:
            return "score_question and mapping.score are set: set only one of the two"
        return None

    def _mapping_problem(self) -> str | None:
        mapping = self.mapping
        if self.tool not in _ANY_BODY:
            vain = [name for name in ("only_if", "each") if getattr(mapping, name) is not None]
            only = "has an effect with the tools template and cloudevents only: remove it"
            return f"mapping.{vain[0]} {only}" if vain else None
        # Without a mapping, the data of an event is one response, so there is no list of answers to be found.
        if not mapping.fields and (mapping.each is None or self.tool == "template"):
            return None
        survey = () if self.survey_id else ("survey_id",)
        time = () if self.responded_at == "arrival" else ("responded_at",)
        missing = [name for name in ("response_id", *survey, "score", *time) if name not in mapping.fields]
        names = " and ".join(f"mapping.{name}" for name in missing)
        return f"a mapping of the tool {self.tool} needs {names} as well" if missing else None

    def _time_problem(self) -> str | None:
        if self.responded_at == "arrival" and (self.tool != "template" or self.mapping.responded_at):
            other = "the tool template" if self.tool != "template" else "no mapping.responded_at"
            return f"responded_at = arrival has an effect with {other} only: remove it"
        if self.delivery_in and self.tool != "template":
            return "delivery_in has an effect with the tool template only: remove it"
        if times_of(self.time_format, self.time_zone).lacks_zone:
            return LACKS_ZONE
        return None

    @property
    def of_tool(self) -> Tool:
        """What is known of the tool."""
        return TOOLS[self.tool]


class SourceSettings(ReadingSettings, SecretSection):
    """One survey tool that delivers to one path."""

    name: EndpointName = Field(description="The name of your choice, which is a part of the path.")
    secrets: list[SecretStr] = Field(
        min_length=1,
        max_length=4,
        description="The secrets by which the tool proves that a delivery comes from it. While a secret is replaced, "
        "there are two. Name their file in secrets_file.",
    )
    secrets_file: Path | None = secret_file("the secrets, one a line")
    signature: Scheme | None = Field(
        default=None,
        description="How the tool proves that a delivery comes from it. Tools that sign need no setting. For the "
        f"others, the default is secret-header, and for google-forms secret-path. One of {', '.join(Scheme)}.",
    )
    signature_header: str | None = Field(
        default=None,
        description="The header that has the signature, or the secret itself. The default for secret-header is "
        "Authorization, in which `Bearer` may precede the secret.",
    )
    allowed_origins: list[str] = Field(
        default=[],
        max_length=20,
        description="The senders of CloudEvents that may deliver although they ask first: the names that they send in "
        "the header WebHook-Request-Origin, such as eventgrid.azure.net, or * for all. This replaces no secret. "
        "Only with the tool `cloudevents`.",
    )
    api_url: str | None = Field(
        default=None,
        description="The https address of the tool's API, if its deliveries have ids only. The default is the tool's "
        "public address. qualtrics needs it, as each data centre has its own.",
    )
    api_token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="The token with which the worker asks the tool's API. Set it in the environment, or name its file "
        "in api_token_file.",
    )
    api_token_file: Path | None = secret_file("the token", "If the file is replaced, its new content is used.")
    api_requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=60_000,
        description="Requests to the tool's API within a minute, by each process. The default depends on the tool "
        f"({', '.join(f'{tool}: {api.requests_per_minute}' for tool, api in sorted(APIS.items()))}).",
    )
    api_timeout_seconds: float = Field(
        default=30.0, gt=0, le=600, description="Seconds that one request to the tool's API may take."
    )

    @field_validator("allowed_origins")
    @classmethod
    def _origin_names(cls, origins: list[str]) -> list[str]:
        if not all(origin == ANY_ORIGIN or _ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("must be names of hosts, such as eventgrid.azure.net, or *")
        return [origin.lower() for origin in origins]

    @field_validator("api_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return None if url is None else checked_url(url)

    @field_validator("api_token")
    @classmethod
    def _in_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None:
            checked_token(token.get_secret_value())
        return token

    @field_validator("secrets")
    @classmethod
    def _secrets_differ(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        if len({secret.get_secret_value() for secret in secrets}) != len(secrets):
            raise ValueError("must differ: name each secret once")
        return secrets

    @field_validator("signature_header")
    @classmethod
    def _header_name(cls, name: str | None) -> str | None:
        if name is not None and _HEADER.fullmatch(name) is None:
            raise ValueError("must be the name of a header, such as X-Token")
        return name

    def _problems(self) -> Iterator[str]:
        if problem := self._signature_problem():
            yield problem
        yield from super()._problems()
        yield from filter(None, (self._vain_api(), self._origins_problem()))

    def _origins_problem(self) -> str | None:
        vain = self.allowed_origins and self.tool != "cloudevents"
        return "allowed_origins has an effect with the tool cloudevents only: remove it" if vain else None

    def _vain_api(self) -> str | None:
        fields = type(self).model_fields
        given = [name for name in fields if name.startswith("api_") and getattr(self, name) != fields[name].default]
        if self.tool in APIS or not given:
            return None
        return f"{given[0]} has no effect with {self.tool}, whose deliveries have the answers: remove it"

    @property
    def api(self) -> Api | None:
        """What is known of the tool's API; None if its deliveries have the answers."""
        known = APIS.get(self.tool)
        if known is None:
            return None
        requests = self.api_requests_per_minute or known.requests_per_minute
        return known._replace(url=self.api_url or known.url, requests_per_minute=requests)

    @property
    def api_problem(self) -> str | None:
        """Why answers cannot be fetched with these settings; None if they can, or need not be."""
        lacking = [("api_url", self.api is not None and not self.api.url), ("api_token", self.api_token is None)]
        missing = [] if self.api is None else [name for name, is_missing in lacking if is_missing]
        if not missing:
            return None
        return f"receive.sources, {self.name}: {self.tool} sends ids only, so it needs {' and '.join(missing)}"

    def _signature_problem(self) -> str | None:
        scheme = self.signing.scheme
        if self.signature is not None and self.tool in SIGNINGS:
            return f"signature is known for {self.tool}: remove it"
        if scheme in WITH_HEADER and not self.signing.header:
            return f"signature {scheme} needs signature_header, the name of the header that has the signature"
        if self.signature_header is not None and (self.tool in SIGNINGS or scheme not in WITH_HEADER):
            return "signature_header has no effect: remove it"
        return next(
            (
                f"secrets: {problem}"
                for secret in self.secrets
                if (problem := secret_problem(scheme, secret.get_secret_value()))
            ),
            None,
        )

    @property
    def path(self) -> str:
        """The path to which the tool posts, without the secret that may follow it."""
        return f"{PATH}/{self.name}"

    @property
    def signing(self) -> Signing:
        """How the tool proves that a delivery comes from it."""
        usual = usual_signing(self.tool)
        if self.tool in SIGNINGS:
            return usual
        scheme = self.signature or usual.scheme
        header = AUTHORIZATION if scheme is Scheme.SECRET_HEADER else ""
        return Signing(scheme, (self.signature_header or header).lower())


class TopicSettings(ReadingSettings):
    """One topic of the same Kafka on which another program, such as a connector, puts the deliveries of a tool."""

    name: EndpointName = Field(
        description="The name of your choice. The consumer group is called <group>-topic-<name>, so a topic that "
        "replaces another one needs another name."
    )
    topic: str = Field(description="The full name of the topic. The worker only reads it.")
    unwrap: Unwrap = Field(
        default=Unwrap.NONE,
        description="What the deliveries are wrapped in. `connect`: the `schema` and `payload` of Kafka Connect's "
        "JsonConverter. `debezium`: the row `after` a change, with or without them.",
    )

    @field_validator("topic")
    @classmethod
    def _topic_name(cls, topic: str) -> str:
        if _TOPIC.fullmatch(topic) is None or topic in {".", ".."}:
            raise ValueError("must be the name of a topic: at most 249 letters, digits, dots, underscores and dashes")
        return topic

    def _problems(self) -> Iterator[str]:
        tool = self.of_tool
        if tool.read_fetched is not None:
            yield (
                f"deliveries of {tool.title} have ids only, and what they stand for is fetched only if they come by "
                "HTTP: use [[receive.sources]]"
            )
        yield from super()._problems()


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError("must be an address such as 10.0.0.7, or a network such as 10.0.0.0/8") from None
    return text


class FetchRetry(RetryPolicy):
    """When an answer is fetched again that a tool's API could not give."""

    first_seconds: float = Field(
        default=10.0, gt=0, le=86_400, description="Seconds between the first and the second attempt."
    )
    give_up_days: float = days_until_given_up("the fetching of an answer")


class ReceiveSettings(SecretSection):
    """What survey tools deliver by HTTP or on a topic, and the role receive, which reads it."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="The address of this machine on which the role receive listens. By default, only programs on this "
        "machine reach it, such as a reverse proxy with TLS.",
    )
    port: int = Field(
        default=8090,
        ge=0,
        lt=2**16,
        description="The port on which the role receive listens. 0 is any free port; the log says which.",
    )
    public_url: str | None = Field(
        default=None,
        description="The address at which survey tools reach the role receive, such as 'https://nps.example.com', "
        "without /receive. `receive sources` prints it, and the signature of HubSpot covers it.",
    )
    tls_certfile: Path | None = Field(
        default=None,
        description="PEM file of the server's certificate and its chain. With it, the role receive serves https only. "
        "If the file is replaced, new connections use its new content.",
    )
    tls_keyfile: Path | None = Field(default=None, description="PEM file of the certificate's key, without a password.")
    trusted_proxies: list[Annotated[str, AfterValidator(_network)]] = Field(
        default=[],
        description="Addresses or networks of reverse proxies, such as ['10.0.0.7'], whose headers X-Forwarded-Proto "
        "and X-Forwarded-Host are believed.",
    )
    body_bytes: int = Field(
        default=1_000_000,
        ge=1_000,
        le=10_000_000,
        description="Largest body of a delivery, in bytes, also after it was decompressed.",
    )
    concurrent_requests: int = Field(
        default=200,
        ge=1,
        le=10_000,
        description="Number of deliveries that are handled at the same time. A further one is answered with 503, and "
        "the tool sends it again.",
    )
    answer_seconds: float = Field(
        default=4.5,
        ge=0.5,
        le=60,
        description="Seconds from the head of a delivery until its answer at the latest. If the body is not complete "
        "by then, the answer is 408; if Kafka has not acknowledged, it is 503. Many tools wait for five seconds.",
    )
    pseudonym_key: SecretStr | None = Field(
        default=None,
        description="The key that makes customer ids of e-mail addresses, for customers of whom nothing else is known: "
        "at least 32 random characters. Another key makes other customers of them. Set it in the environment, or name "
        "its file in pseudonym_key_file.",
    )
    pseudonym_key_file: Path | None = secret_file("the key")
    sources: list[SourceSettings] = Field(
        default=[], description="The survey tools that deliver: a table [[receive.sources]] for each."
    )
    topics: list[TopicSettings] = Field(
        default=[],
        description="The topics of other programs that have deliveries of survey tools: a table [[receive.topics]] for "
        "each. Its mapping has the keys of receive.sources.N.mapping.",
    )
    parts_kept_days: int = Field(
        default=7,
        ge=1,
        le=365,
        description="Days after which the worker forgets the parts of an answer whose tool sends each question alone. "
        "They count from the last part.",
    )
    fetch_retry: FetchRetry = FetchRetry()

    @field_validator("pseudonym_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(key.get_secret_value().strip()) < _SHORTEST_KEY:
            raise ValueError(f"must have at least {_SHORTEST_KEY} characters, as docs/sources.md makes them")
        return key

    @field_validator("sources", "topics")
    @classmethod
    def _names_differ(cls, sources: list[Reading]) -> list[Reading]:
        names = [source.name for source in sources]
        if len(set(names)) != len(names):
            raise ValueError("must have names that differ")
        return sources

    @field_validator("topics")
    @classmethod
    def _topics_differ(cls, topics: list[TopicSettings]) -> list[TopicSettings]:
        if len({topic.topic for topic in topics}) != len(topics):
            raise ValueError("two have the same topic, so that each of its answers would count twice: remove one")
        return topics

    @model_validator(mode="after")
    def _names_differ_everywhere(self) -> Self:
        """Refuse a name that a source and a topic have: it begins ids of answers, and says where they came from."""
        if both := {source.name for source in self.sources} & {topic.name for topic in self.topics}:
            raise ValueError(f"a source and a topic are both called {min(both)}: they must have names that differ")
        return self

    @field_validator("public_url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = split_url(url, _LONGEST_URL)
        if parts is None or parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("must be an https address, such as https://nps.example.com")
        if "@" in parts.netloc or parts.query or parts.fragment or url.endswith(("?", "#")):
            raise ValueError("must have no user name, no question mark and no '#'")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _both_files(self) -> "ReceiveSettings":
        if (self.tls_certfile is None) is not (self.tls_keyfile is None):
            raise ValueError("tls_certfile and tls_keyfile are only of use together: set both or none")
        return self

    @cached_property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of the trusted proxies."""
        return tuple(map(ip_network, self.trusted_proxies))

    @property
    def problem(self) -> str | None:
        """Why the role receive cannot run with these settings; None if it can."""
        if not self.sources and not self.topics:
            return "receive.sources: the role receive needs a source or one of receive.topics, as docs/sources.md says"
        return next(iter(self.api_problems), None)

    @property
    def api_problems(self) -> list[str]:
        """Why the answers of sources cannot be fetched with these settings, a line for each of them."""
        return [problem for source in self.sources if (problem := source.api_problem)]

    @property
    def has_parts(self) -> bool:
        """Whether a tool sends the answer to each question alone, so that the worker has to put them together."""
        return any(one.of_tool.questions is Questions.ALONE for one in (*self.sources, *self.topics))

    @property
    def has_fetches(self) -> bool:
        """Whether a tool sends ids only, so that the worker has to fetch the answers."""
        return any(source.of_tool.read_fetched is not None for source in self.sources)

    @property
    def key(self) -> bytes | None:
        """The key of pseudonyms; None if there is none."""
        return None if self.pseudonym_key is None else self.pseudonym_key.get_secret_value().strip().encode()

    def weaknesses(self) -> list[str]:
        """Return a line for each secret that is easily guessed, or that two sources send. No line has a secret."""
        lines, senders = list[str](), dict[str, str]()
        for source in self.sources:
            scheme = source.signing.scheme
            for secret in (one.get_secret_value() for one in source.secrets):
                if problem := weakness(scheme, secret):
                    lines.append(f"receive.sources: {source.name}: a secret {problem}")
                if scheme in SENT and (other := senders.setdefault(secret, source.name)) != source.name:
                    lines.append(f"receive.sources: {source.name}: has a secret of {other}: give each its own")
        return lines

    def source(self, name: str) -> SourceSettings | None:
        """Return the settings of a source; None if there is no source with this name."""
        return next((source for source in self.sources if source.name == name), None)

    def reading_of(self, source: ReadingSettings) -> Source:
        """Return how the deliveries of a source, or of a topic, are read."""
        only_if, each = source.mapping.only_if, source.mapping.each
        return Source(
            name=source.name,
            mapping=compiled_all(source.mapping.fields),
            survey_id=source.survey_id or "",
            score_question=source.score_question or "",
            comment_question=source.comment_question or "",
            only_if=None if only_if is None else compiled(only_if),
            each=None if each is None else compiled(each),
            pseudonym_key=self.key,
            unknown_is_anonymous=source.unknown_customers == "anonymous",
            times=times_of(source.time_format, source.time_zone),
            answers_on_arrival=source.responded_at == "arrival",
            delivery_in=source.delivery_in or "",
        )
