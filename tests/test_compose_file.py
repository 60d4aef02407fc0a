"""`docker-compose.yml` and the `Dockerfile` hold without Docker: by their specification, and by the worker's settings.

The Compose Specification's schema is in the package check-jsonschema, of which only this file is used.
"""

import json
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from schemas.asyncapi import PREFIX as TOPIC_PREFIX
from worker.settings import CONFIG_VARIABLE, Settings, load
from worker.wrong_settings import PREFIX

ROOT = Path(__file__).parents[1]
DIGEST = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="module")
def specification() -> Draft202012Validator:
    """Read from the package's files: importing it would start its command line's modules."""
    vendored = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
    text = Path(str(distribution("check-jsonschema").locate_file(vendored))).read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


@pytest.fixture(scope="module")
def dockerfile() -> dict[str, list[str]]:
    """The arguments of each instruction, lines joined and comments left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            instruction, _, arguments = line.partition(" ")
            found.setdefault(instruction, []).append(arguments)
    return found


def image_environment(dockerfile: dict[str, list[str]]) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in dockerfile["ENV"] for pair in line.split())


def setting(variable: str) -> str | None:
    """Say why no setting has this variable; None if one has."""
    section: type[BaseModel] = Settings
    *way, last = variable.removeprefix(PREFIX).lower().split("__")
    for name in way:
        field = section.model_fields.get(name)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return f"{variable}: there is no section {name}"
        section = field.annotation
    return None if last in section.model_fields else f"{variable}: there is no setting {last}"


def test_the_compose_file_holds_by_the_compose_specification(
    compose: dict[str, Any], specification: Draft202012Validator
) -> None:
    assert [f"{error.json_path}: {error.message}" for error in specification.iter_errors(compose)] == []


def test_the_specification_is_the_real_one_and_refuses_a_misspelt_key(
    compose: dict[str, Any], specification: Draft202012Validator
) -> None:
    misspelt = {**compose, "services": {"kafka": {**compose["services"]["kafka"], "healthchek": {}}}}

    assert not specification.is_valid(misspelt)


def test_no_port_is_open_beyond_this_machine(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_image_is_pinned_by_version_and_digest(compose: dict[str, Any], dockerfile: dict[str, list[str]]) -> None:
    images = [service["image"] for service in compose["services"].values() if "image" in service] + dockerfile["FROM"]

    assert len(images) == 5
    assert [image for image in images if not DIGEST.fullmatch(image)] == []


def test_the_worker_starts_when_what_it_needs_is_healthy(compose: dict[str, Any]) -> None:
    services = compose["services"]
    needed = services["worker"]["depends_on"]

    assert needed == {name: {"condition": "service_healthy"} for name in ("kafka", "mailpit")}
    assert all("healthcheck" in services[name] for name in needed)
    assert all("restart" in service for service in services.values())


def test_the_worker_finds_the_services_by_name_and_listener(compose: dict[str, Any]) -> None:
    services = compose["services"]
    variables = services["worker"]["environment"]
    kafka = services["kafka"]["environment"]

    assert f"INSIDE://{variables['NPS_KAFKA__BOOTSTRAP_SERVERS']}" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert variables["NPS_SMTP__HOST"] in services
    assert kafka["KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS"] == "0"


def test_every_variable_is_a_setting(compose: dict[str, Any], dockerfile: dict[str, list[str]]) -> None:
    built = [service for service in compose["services"].values() if "build" in service]
    variables = [name for service in built for name in service["environment"]]
    variables += image_environment(dockerfile)
    ours = [name for name in variables if name.startswith(PREFIX)]

    assert len(built) == 3
    assert len(ours) > 5
    assert [reason for reason in map(setting, ours) if reason is not None] == []


def test_a_variable_that_is_no_setting_is_noticed() -> None:
    assert setting("NPS_SMTP__HOTS") == "NPS_SMTP__HOTS: there is no setting hots"
    assert setting("NPS_MAIL__HOST") == "NPS_MAIL__HOST: there is no section mail"


def test_the_worker_accepts_the_values(
    compose: dict[str, Any], dockerfile: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    for name, value in (image_environment(dockerfile) | compose["services"]["worker"]["environment"]).items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    settings = load()

    assert settings.kafka.bootstrap_servers == "kafka:19092"
    assert settings.email.to == ["support@example.com"]
    assert settings.status_file is not None
    assert settings.topic_prefix == TOPIC_PREFIX


def test_survey_tools_reach_the_role_that_is_served(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    service = compose["services"]["receive"]
    for variable, value in service["environment"].items():
        monkeypatch.setenv(variable, value)
    found = load()

    assert service["command"] == ["run", "--role", "receive"]
    assert service["ports"] == [f"127.0.0.1:8090:{found.receive.port}"]
    assert found.receive.host == "0.0.0.0"
    assert [source.name for source in found.receive.sources] == ["typeform"]
    assert found.kafka.bootstrap_servers == compose["services"]["worker"]["environment"]["NPS_KAFKA__BOOTSTRAP_SERVERS"]


def test_the_links_of_the_mails_lead_to_the_pages_that_are_served(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    found = {}
    for name in ("worker", "web"):
        with monkeypatch.context() as context:
            for variable, value in compose["services"][name]["environment"].items():
                context.setenv(variable, value)
            found[name] = load()
    mails, pages = found["worker"].web, found["web"].web

    assert mails.keys == pages.keys
    assert compose["services"]["web"]["ports"] == [f"127.0.0.1:8080:{pages.port}"]
    assert (mails.base_url, pages.host) == ("http://localhost:8080", "0.0.0.0")
    assert found["worker"].kafka == found["web"].kafka
    assert compose["services"]["web"]["command"] == ["run", "--role", "web"]
    assert pages.problem is None


def test_the_image_runs_as_a_user_without_rights_and_says_how_it_is(dockerfile: dict[str, list[str]]) -> None:
    assert dockerfile["USER"] == ["10001:10001"]
    assert dockerfile["HEALTHCHECK"][0].endswith('CMD ["python", "-m", "worker", "health"]')
    assert dockerfile["ENTRYPOINT"] == ['["python", "-m", "worker"]']
    assert dockerfile["CMD"] == ['["run"]']
    assert dockerfile["STOPSIGNAL"] == ["SIGTERM"]


def test_the_image_gets_what_it_copies(dockerfile: dict[str, list[str]]) -> None:
    sources = [argument for line in dockerfile["COPY"] for argument in line.split()[:-1]]
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert all((ROOT / source).exists() for source in sources)
    assert sorted(f"!{source}" for source in sources) == sorted(line for line in ignore if line.startswith("!"))


def test_the_image_installs_locked_packages_only(dockerfile: dict[str, list[str]]) -> None:
    install = next(line for line in dockerfile["RUN"] if "pip install" in line)
    locked = (ROOT / "requirements-runtime.lock").read_text(encoding="utf-8")
    names = re.findall(r"^([a-z0-9.-]+)==\S+", locked, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {re.split(r"[<>=!\[; ]", requirement)[0].lower() for requirement in project["dependencies"]}

    assert "--require-hashes" in install
    assert direct <= set(names)
    assert "pytest" not in names
    assert re.findall(r"://|^-|^\s+--(?!hash=)|@ ", locked, re.MULTILINE) == []
