"""The settings of the webhook, and what they refuse."""

from base64 import b64encode
from typing import Any

import pytest
from pydantic import ValidationError

from worker.notify.channels.webhook.settings import WebhookSettings

GOOD = b64encode(bytes(range(24))).decode()


def settings(**endpoint: Any) -> WebhookSettings:
    usual = {"url": "https://crm.example.com/hook", "secrets": [f"whsec_{GOOD}"]}
    return WebhookSettings(endpoints={"crm": usual | endpoint})


@pytest.mark.parametrize(
    "secret", [GOOD, f"whsec_{GOOD}", b64encode(bytes(25)).decode().rstrip("="), b64encode(bytes(64)).decode()]
)
def test_a_secret_of_the_standard_is_taken(secret: str) -> None:
    [taken] = settings(secrets=[secret]).endpoints["crm"].secrets

    assert taken.get_secret_value() == secret


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "s3cr3t",
        b64encode(bytes(23)).decode(),
        b64encode(bytes(65)).decode(),
        f"{GOOD[:-1]}é",
        f"{GOOD[:-1]}-",
    ],
)
def test_another_one_is_not_and_the_message_does_not_repeat_it(secret: str) -> None:
    with pytest.raises(ValidationError, match="24 to 64 bytes in base64") as wrong:
        settings(secrets=[secret])

    assert not secret or secret == "whsec_" or secret not in str(wrong.value.errors(include_input=False))


def test_an_endpoint_without_a_secret_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        settings(secrets=[])


@pytest.mark.parametrize("name", ["CRM", "crm-2", "2crm", "", "crm.eu", "a" * 64])
def test_a_name_can_stand_in_the_name_of_a_variable(name: str) -> None:
    with pytest.raises(ValidationError, match="must have a name of at most 63 small letters"):
        WebhookSettings(endpoints={name: {"url": "https://crm.example.com/", "secrets": [GOOD]}})


def test_no_secret_is_shown() -> None:
    shown = repr(settings(url="https://crm.example.com/hidden-path"))

    assert GOOD not in shown
    assert "hidden-path" not in shown
