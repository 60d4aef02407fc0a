"""Secrets in files: what is read of them, and what is said about those that cannot be used."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from worker.errors import SettingsError
from worker.reference import settings as every_setting
from worker.settings import load

SECRET = "kanarienvogel"
LONG = f"{SECRET}-{SECRET}-{SECRET}"
SIGNING = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


pytestmark = pytest.mark.usefixtures("nothing_set")


def set_file(monkeypatch: pytest.MonkeyPatch, variable: str, content: str | bytes | None) -> Path:
    """Let a variable name a file that has this content; None: a file that does not exist."""
    path = Path.cwd() / variable.lower()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv(f"NPS_{variable}", str(path))
    return path


def problems() -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load()
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value.problems


def shown(secret: SecretStr | None) -> str:
    assert secret is not None
    return secret.get_secret_value()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_file_holds_a_password_without_its_line_break(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("NPS_SMTP__USERNAME", "nps")
    set_file(monkeypatch, "SMTP__PASSWORD_FILE", f" é {SECRET} {end}")
    settings = load()

    assert shown(settings.smtp.password) == f" é {SECRET} "
    assert SECRET not in repr(settings)


def test_each_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("NPS_KAFKA__SASL_USERNAME", "nps")
    set_file(monkeypatch, "KAFKA__SASL_PASSWORD_FILE", f"{SECRET}\n")
    set_file(monkeypatch, "WEB__KEYS_FILE", f"{LONG}\r\n\n{LONG}-2\n")
    set_file(monkeypatch, "WEBHOOK__ENDPOINTS__CRM__URL_FILE", "https://crm.example.com/hooks/nps\n")
    set_file(monkeypatch, "WEBHOOK__ENDPOINTS__CRM__SECRETS_FILE", f"{SIGNING}\n")
    set_file(monkeypatch, "CHAT__ENDPOINTS__CARE__URL_FILE", "https://chat.example.com/hooks/9f8b7c6d\n")
    settings = load()

    assert shown(settings.kafka.sasl_password) == SECRET
    assert [shown(key) for key in settings.web.keys] == [LONG, f"{LONG}-2"]
    assert shown(settings.webhook.endpoints["crm"].url) == "https://crm.example.com/hooks/nps"
    assert [shown(secret) for secret in settings.webhook.endpoints["crm"].secrets] == [SIGNING]
    assert settings.chat.endpoints["care"].host == "chat.example.com"


def test_every_setting_with_a_secret_has_one_with_its_file() -> None:
    keys = {setting.key for setting in every_setting()}
    secrets = {
        "kafka.sasl_password", "smtp.password", "web.keys", "webhook.endpoints.NAME.url",
        "webhook.endpoints.NAME.secrets", "chat.endpoints.NAME.url", "receive.pseudonym_key",
        "receive.sources.N.secrets", "receive.sources.N.api_token", "web.auth.users.NAME.password_hash",
        "web.auth.oidc.client_secret",
    }  # fmt: skip

    assert {f"{key}_file" for key in secrets} == {key for key in keys if key.endswith("_file") and "status" not in key}


def test_the_file_of_the_settings_can_name_it_too(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "worker.toml").write_text('[smtp]\nusername = "nps"\npassword_file = "secret"\n')

    assert shown(load().smtp.password) == SECRET


@pytest.mark.parametrize(
    ("variable", "content", "problem"),
    [
        ("SMTP__PASSWORD_FILE", None, "smtp.password_file: there is no such file"),
        ("SMTP__PASSWORD_FILE", "\n", "smtp.password_file: the file is empty"),
        ("SMTP__PASSWORD_FILE", f"{SECRET}\n{SECRET}\n", "smtp.password_file: the file must hold one line"),
        ("SMTP__PASSWORD_FILE", b"\xff" + SECRET.encode(), "smtp.password_file: the file is not UTF-8"),
        ("SMTP__PASSWORD_FILE", SECRET * 6_000, "smtp.password_file: the file is larger than 65536 bytes"),
        ("KAFKA__SASL_PASSWORD_FILE", None, "kafka.sasl_password_file: there is no such file"),
        ("WEB__KEYS_FILE", " \n\n", "web.keys_file: the file is empty"),
        (
            "WEB__KEYS_FILE",
            f"{SECRET}\n",
            "web.keys: must have at least 32 characters each, as docs/links.md makes them",
        ),
        ("CHAT__ENDPOINTS__CARE__URL_FILE", None, "chat.endpoints.care.url_file: there is no such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_by_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, content: str | bytes | None, problem: str
) -> None:
    set_file(monkeypatch, variable, content)

    assert problems() == [f"{problem} (from the environment: NPS_{variable})"]


@pytest.mark.parametrize("path", [".", "/dev/zero"])
def test_what_is_no_ordinary_file_is_not_read(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("NPS_SMTP__PASSWORD_FILE", path)

    [problem] = problems()
    assert problem.startswith("smtp.password_file: it is not an ordinary file")


def test_a_secret_is_not_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPS_SMTP__PASSWORD", SECRET)
    set_file(monkeypatch, "SMTP__PASSWORD_FILE", SECRET)

    [problem] = problems()
    assert problem.startswith("smtp.password_file: password is set as well: set only one of the two")


def test_every_file_that_cannot_be_used_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_file(monkeypatch, "WEBHOOK__ENDPOINTS__CRM__URL_FILE", None)
    set_file(monkeypatch, "WEBHOOK__ENDPOINTS__CRM__SECRETS_FILE", None)
    set_file(monkeypatch, "SMTP__PASSWORD_FILE", None)

    assert [problem.split(":")[0] for problem in problems()] == [
        "smtp.password_file",
        "webhook.endpoints.crm.url_file",
        "webhook.endpoints.crm.secrets_file",
    ]
