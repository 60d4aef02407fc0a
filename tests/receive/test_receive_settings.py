"""The settings of sources: which mistakes are found, and what is said about them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from worker.errors import SettingsError
from worker.flow.responses.formats.source import FIELDS
from worker.flow.responses.formats.tool import Questions
from worker.flow.responses.formats.tools import TOOLS
from worker.receive.settings import SIGNINGS, FieldMapping, ReceiveSettings, SourceSettings
from worker.receive.setup import easier, steps, url_of
from worker.receive.signatures import Scheme
from worker.settings import load

SECRET = "kanarienvogel"
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TEMPLATE = {"response_id": "id", "survey_id": "survey", "score": "score", "responded_at": "time"}


pytestmark = pytest.mark.usefixtures("nothing_set")


def of(tool: str, **changes: Any) -> dict[str, Any]:
    return {"name": "care", "tool": tool, "secrets": [SECRET], **changes}


def problems(*sources: dict[str, Any], **changes: Any) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(receive={"sources": [*sources], **changes})
    assert SECRET not in str(caught.value)
    return caught.value.problems


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (of("typeforms"), ".tool: must be 'cloudevents', 'delighted', 'formbricks', "),
        (of("delighted", secrets=[SECRET, SECRET]), ".secrets: must differ: name each secret once"),
        (of("template", time_format="soon"), ".time_format: must have the day, the month and the year of a time"),
        (of("template", time_format="%d %b %Y"), ": time_format has no offset (%z), so time_zone is needed"),
        (of("template", time_zone="Paris"), ".time_zone: "),
        (of("delighted", responded_at="arrival"), ": responded_at = arrival has an effect with the tool template only"),
        (
            of("template", responded_at="arrival", mapping=TEMPLATE),
            ": responded_at = arrival has an effect with no mapping.responded_at only: remove it",
        ),
        (
            of("posthog", signature="hmac-sha1-hex", mapping={"each": "a"}),
            (
                ": signature hmac-sha1-hex needs signature_header, the name of the header that has the signature; "
                "posthog needs score_question, the id of the question that asks for the score from 0 to 10; "
                "mapping.each has an"
            ),
        ),
        (of("template", mapping={**TEMPLATE, "score": "number(a)"}), ".mapping.score: has a function that JMESPath"),
        (of("template", mapping={**TEMPLATE, "survey_id": '"nps"'}), ".mapping.survey_id: names a field, since it is"),
        ({"name": "care", "tool": "delighted"}, ".secrets: is missing"),
        (of("delighted", secrets=[]), ".secrets: must not be empty"),
        (of("delighted", secrets=[""]), ": secrets: must not be empty"),
        (of("formbricks", score_question="q"), ": secrets: must be 'whsec_' and base64, as the tool shows it"),
        (of("delighted", name="Care"), ".name: must have a name of at most 63 small letters (a to z), digits and und"),
        (of("delighted", signature="hmac-sha1-hex"), ": signature is known for delighted: remove it"),
        (of("delighted", signature_header="X-Token"), ": signature_header has no effect: remove it"),
        (of("template", signature="hmac-sha1-hex"), ": signature hmac-sha1-hex needs signature_header, the name of"),
        (of("template", signature="secret-path", signature_header="X"), ": signature_header has no effect: remove it"),
        (of("template", signature="md5"), ".signature: must be 'hmac-sha256-hex', "),
        (
            of("template", signature_header="X Token"),
            ".signature_header: must be the name of a header, such as X-Token",
        ),
        (of("delighted", score_question="q"), ": score_question and comment_question have no effect with delighted"),
        (of("posthog"), ": posthog needs score_question, the id of the question that asks for the score from 0 to 10"),
        (of("typeform", score_question="q", mapping={"score": "a"}), ": score_question and mapping.score are set: set"),
        (of("survicate"), ": survicate needs score_question, the id of the question that asks for the score from 0"),
        (
            of("survicate", mapping={"score": "a"}),
            ": survicate sends each question alone, so mapping.score cannot be used: set score_question",
        ),
        (
            of("survicate", score_question="q", mapping={"comment": "a"}),
            ": survicate sends each question alone, so mapping.comment cannot be used: set comment_question",
        ),
        (
            of("survicate", score_question="q", mapping={"revision": "a"}),
            ": survicate sends each question alone, so mapping.revision cannot be used: remove it",
        ),
        (of("delighted", mapping={"only_if": "a"}), ": mapping.only_if has an effect with the tools template and "),
        (
            of("template", mapping={"score": "a"}),
            ": a mapping of the tool template needs mapping.response_id and mapping.survey_id and mapping.responded_at",
        ),
        (of("template", mapping={**TEMPLATE, "score": "a.["}), ".mapping.score: is not an expression of JMESPath"),
        (
            of("template", mapping={"scores": "a"}),
            ".mapping.scores: is not a setting; did you mean receive.sources.0.m",
        ),
        (
            of("template", mapping={"customer": {"mail": "a"}}),
            ".mapping.customer.mail: is not a setting; did you mean ",
        ),
    ],
)
def test_a_mistake_is_explained(source: dict[str, Any], problem: str) -> None:
    [found] = problems(source)

    assert found.startswith(f"receive.sources.0{problem}"), found


@pytest.mark.parametrize(
    ("tool", "hint"), [("Typefrom", "; did you mean typeform?"), ("Medalia", "; for any other tool, it is 'template'")]
)
def test_a_tool_that_is_not_known_is_explained(tool: str, hint: str) -> None:
    [found] = problems(of(tool))

    assert found.endswith(f"'template', 'typeform', 'wootric'{hint}")
    assert tool not in found


def test_secrets_that_are_easily_guessed_or_sent_by_two_tools_are_named_without_repeating_them() -> None:
    sources = [
        of("template", name="own", secrets=["fifteen-letters", "sixteen-letters!"]),
        of("posthog", name="app", secrets=["sixteen-letters!"], score_question="q"),
        of("delighted", name="short", secrets=["1234567"]),
        # Tools that sign may have one secret for several sources: it is never sent.
        of("delighted", name="one", secrets=["12345678"]),
        of("delighted", name="two", secrets=["12345678"]),
    ]

    assert ReceiveSettings.model_validate({"sources": sources}).weaknesses() == [
        "receive.sources: own: a secret has fewer than 16 characters, and is easily guessed",
        "receive.sources: app: has a secret of own: give each its own",
        "receive.sources: short: a secret has fewer than 8 characters, and is easily guessed",
    ]


def test_two_sources_cannot_have_one_name() -> None:
    assert problems(of("delighted"), of("wootric")) == ["receive.sources: must have names that differ"]


def on_topic(**changes: Any) -> dict[str, Any]:
    return {"name": "crm", "topic": "crm.public.answers", "tool": "template", **changes}


@pytest.mark.parametrize(
    ("topic", "problem"),
    [
        (on_topic(topic="crm answers"), ".topic: must be the name of a topic: at most 249 letters, digits, dots"),
        (on_topic(topic=".."), ".topic: must be the name of a topic"),
        (on_topic(topic="nps.responses"), ".topic: nps.responses is a topic of the worker itself, whose names begin"),
        (on_topic(topic="nps-worker-x"), ".topic: nps-worker-x is a topic of the worker itself, whose names begin"),
        (on_topic(unwrap="avro"), ".unwrap: must be 'none', 'connect' or 'debezium'"),
        (on_topic(secrets=[SECRET]), ".secrets: is not a setting"),
        (on_topic(tool="hubspot"), ": deliveries of HubSpot have ids only, and what they stand for is fetched only if"),
        (on_topic(tool="surveymonkey", score_question="q"), ": deliveries of SurveyMonkey have ids only"),
        (on_topic(tool="posthog"), ": posthog needs score_question, the id of the question that asks for the score"),
        (
            on_topic(mapping={"score": "a"}),
            ": a mapping of the tool template needs mapping.response_id and ",
        ),
    ],
)
def test_what_is_wrong_about_a_topic_is_said(topic: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(receive={"topics": [topic]})
    [found] = caught.value.problems

    assert found.startswith(f"receive.topics.0{problem}"), found


def test_each_tool_whose_deliveries_have_the_answers_can_be_on_a_topic() -> None:
    settings = ReceiveSettings.model_validate({"topics": [on_topic(unwrap="debezium")], "sources": [of("delighted")]})
    [topic] = settings.topics

    assert settings.reading_of(topic).name == "crm"
    assert not settings.has_fetches
    assert settings.problem is None
    assert ReceiveSettings.model_validate({"topics": [on_topic()]}).problem is None
    assert "receive.topics" in (ReceiveSettings().problem or "")


def test_a_topic_and_a_source_cannot_have_one_name_and_neither_can_two_topics() -> None:
    assert problems(of("delighted"), topics=[on_topic(name="care")]) == [
        "receive: a source and a topic are both called care: they must have names that differ"
    ]
    assert problems(topics=[on_topic(), on_topic(topic="other")]) == ["receive.topics: must have names that differ"]


def test_a_topic_cannot_be_read_twice() -> None:
    assert problems(topics=[on_topic(), on_topic(name="other")]) == [
        "receive.topics: two have the same topic, so that each of its answers would count twice: remove one"
    ]


def test_a_key_of_pseudonyms_is_long() -> None:
    assert problems(pseudonym_key=SECRET) == [
        "receive.pseudonym_key: must have at least 32 characters, as docs/sources.md makes them"
    ]


def test_a_survey_of_the_settings_needs_no_expression() -> None:
    mapping = {name: text for name, text in TEMPLATE.items() if name != "survey_id"}

    assert problems(of("template", mapping=mapping)) == [
        "receive.sources.0: a mapping of the tool template needs mapping.survey_id as well"
    ]
    load(receive={"sources": [of("template", mapping=mapping, survey_id="s")]})


def test_the_file_of_the_settings_can_have_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\nsecond\n")
    (tmp_path / "worker.toml").write_text(
        '[[receive.sources]]\nname = "care"\ntool = "template"\nsecrets_file = "secret"\nsurvey_id = "s"\n'
        '[receive.sources.mapping]\nresponse_id = "id"\nscore = "v"\nresponded_at = "t"\ncustomer.email = "mail"\n'
    )
    [source] = load().receive.sources

    assert [secret.get_secret_value() for secret in source.secrets] == [SECRET, "second"]
    assert source.mapping.fields["customer.email"] == "mail"
    assert SECRET not in repr(load())


def test_a_mapping_has_exactly_the_fields_of_a_response() -> None:
    every = dict.fromkeys(FIELDS, "a")
    nested: dict[str, Any] = {}
    for path, text in every.items():
        section, _, name = path.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = text

    assert FieldMapping.model_validate(nested).fields == every


@pytest.mark.parametrize("tool", TOOLS)
def test_each_tool_says_what_to_enter(tool: str) -> None:
    changes: dict[str, Any] = {"secrets": [WHSEC], "score_question": "q"}
    if tool in {"cloudevents", "delighted", "hubspot", "wootric", "template"}:
        del changes["score_question"]
    settings = ReceiveSettings.model_validate({"sources": [of(tool, **changes)]})
    [source] = settings.sources
    said = " ".join(steps(source))

    assert url_of(source) in said
    assert url_of(source).startswith("https://HOST/receive/care")
    assert WHSEC not in said
    assert (source.signing.scheme is Scheme.SECRET_PATH) is url_of(source).endswith("/SECRET")
    if source.of_tool.questions in (Questions.NEEDED, Questions.ALONE):
        assert "`score_question`" in said


def test_the_address_of_the_server_is_in_the_steps_if_it_is_known() -> None:
    settings = ReceiveSettings.model_validate(
        {"sources": [of("delighted")], "public_url": "https://nps.example.com/a/"}
    )
    [source] = settings.sources

    assert url_of(source, settings.public_url) == "https://nps.example.com/a/receive/care"
    assert "https://nps.example.com/a/receive/care" in " ".join(steps(source, settings.public_url))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"public_url": "nps.example.com"}, "must be an https address"),
        ({"public_url": "ftp://nps.example.com"}, "must be an https address"),
        ({"public_url": "https://a@nps.example.com"}, "must have no user name"),
        ({"public_url": "https://nps.example.com?"}, "must have no user name, no question mark"),
        ({"trusted_proxies": ["proxy"]}, "must be an address such as"),
        ({"trusted_proxies": ["10.0.0.1/8"]}, "must be an address such as"),
        ({"tls_certfile": "tls.crt"}, "set both or none"),
        ({"tls_keyfile": "tls.key"}, "set both or none"),
    ],
)
def test_wrong_settings_of_the_server_are_found(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ReceiveSettings.model_validate(changes)


def test_the_role_needs_a_source() -> None:
    settings = ReceiveSettings.model_validate({"trusted_proxies": ["10.0.0.0/8", "fd00::1"]})

    assert (settings.problem or "").startswith("receive.sources: ")
    assert ReceiveSettings.model_validate({"sources": [of("delighted")]}).problem is None
    assert ["10.0.0.0/8", "fd00::1/128"] == [str(network) for network in settings.proxies]


def test_what_is_easier_is_no_step() -> None:
    [source] = ReceiveSettings.model_validate({"sources": [of("qualtrics", score_question="q")]}).sources

    assert easier("qualtrics").startswith("An easier way is a task Web Service")
    assert easier("qualtrics") not in steps(source)
    assert not easier("typeform")


def test_a_tool_that_signs_as_the_settings_say() -> None:
    source = of("template", signature="hmac-sha256-hex", signature_header="X-Signature")
    [found] = ReceiveSettings.model_validate({"sources": [source]}).sources

    assert found.signing == (Scheme.HMAC_SHA256_HEX, "x-signature")
    assert "sign with hmac-sha256-hex" in steps(found)[-1]


def test_every_tool_that_signs_is_known() -> None:
    assert SIGNINGS.keys() < TOOLS.keys()


def asking(tool: str = "surveymonkey", **changes: Any) -> SourceSettings:
    """Return the settings of a source whose answers are fetched."""
    question = {} if tool == "hubspot" else {"score_question": "q"}
    source = {"name": "source", "tool": tool, "secrets": ["s"], **question, **changes}
    return ReceiveSettings.model_validate({"sources": [source]}).sources[0]


def test_a_source_whose_answers_are_fetched_needs_a_token_and_an_address_if_there_is_no_usual_one() -> None:
    assert asking(api_token="t").api_problem is None
    assert asking().api_problem == "receive.sources, source: surveymonkey sends ids only, so it needs api_token"
    lacking = "receive.sources, source: qualtrics sends ids only, so it needs api_url and api_token"
    assert asking("qualtrics").api_problem == lacking
    assert ReceiveSettings(sources=[asking("qualtrics")]).problem == lacking
    assert asking("typeform").api_problem is None


def test_each_tool_has_its_usual_api_and_the_settings_win() -> None:
    assert asking("hubspot").api == ("https://api.hubapi.com", "Authorization", "Bearer ", 300)
    changed = asking(api_url="https://eu.example.com/v/", api_requests_per_minute=7)
    assert changed.api == ("https://eu.example.com/v", "Authorization", "Bearer ", 7)
    assert asking("typeform").api is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://example.com",
        "https://",
        "https://u:p@example.com",
        "https://example.com/?a",
        "https://e/#",
    ],
)
def test_what_is_no_address_of_an_api_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must be an https address"):
        asking(api_url=url)


def test_a_token_never_crosses_a_network_in_plain_text() -> None:
    assert asking(api_url="http://127.0.0.1:1").api_url == "http://127.0.0.1:1"
    with pytest.raises(ValidationError, match="must begin with https"):
        asking(api_url="http://example.com")


@pytest.mark.parametrize("token", ["two words", "line\r\nInjected: 1", "clé"])
def test_a_token_that_no_header_can_have_is_refused_without_being_repeated(token: str) -> None:
    with pytest.raises(ValidationError) as raised:
        asking(api_token=token)
    assert "must have only printable characters" in str(raised.value.errors(include_input=False))
    assert token not in str(raised.value.errors(include_input=False))


@pytest.mark.parametrize("given", [{"api_token": "t"}, {"api_url": "https://e.com"}, {"api_requests_per_minute": 1}])
def test_settings_of_an_api_that_is_not_asked_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="has no effect with typeform, whose deliveries have the answers"):
        asking("typeform", **given)
