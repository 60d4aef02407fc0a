"""The settings of links: an address that people can open, and keys that nobody can guess."""

import pytest
from pydantic import ValidationError

from worker.links.settings import WebSettings

KEY = "s3cr3t-key-of-the-links-with-32-characters"


@pytest.mark.parametrize(
    "url",
    [
        "https://nps.example.com",
        "https://nps.example.com:8443/care/",
        "http://localhost:8080",
        "http://127.0.0.1:8080/",
    ],
)
def test_an_address_is_https_or_of_this_machine_and_ends_without_a_slash(url: str) -> None:
    settings = WebSettings(base_url=url, keys=[KEY])

    assert settings.base_url == url.rstrip("/")
    assert settings.links is not None
    assert settings.links == settings.links_in_notices
    assert settings.links.base_url == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://nps.example.com", "must begin with https"),
        ("nps.example.com", "must be an https address"),
        ("ftp://nps.example.com", "must be an https address"),
        ("https://", "must be an https address"),
        ("https://nps.example.com/?", "must have no user name"),
        ("https://nps.example.com/?a=b", "must have no user name"),
        ("https://nps.example.com/#", "must have no user name"),
        ("https://ann@nps.example.com", "must have no user name"),
        ("https://a..b.example", "must be an https address"),
        ("https://nps.example.com:port", "must be an https address"),
        ('https://nps.example.com/"', "must be an https address"),
        ("https://nps.example.com/é", "must be an https address"),
        (f"https://nps.example.com/{'a' * 500}", "must be an https address"),
    ],
)
def test_other_addresses_are_refused(url: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WebSettings(base_url=url, keys=[KEY])


def test_links_need_keys_and_keys_need_a_length_and_no_error_shows_one() -> None:
    with pytest.raises(ValidationError, match="base_url needs keys, which sign the links: set NPS_WEB__KEYS"):
        WebSettings(base_url="https://nps.example.com")
    for short in ("k3y", " " * 40, f"k3y{' ' * 40}"):
        with pytest.raises(ValidationError, match="must have at least 32 characters each") as caught:
            WebSettings(keys=[KEY, short])
        assert "k3y" not in str(caught.value.errors(include_input=False))
    assert KEY not in repr(WebSettings(keys=[KEY]))


def test_without_an_address_mails_have_no_links_and_without_keys_there_are_none() -> None:
    assert WebSettings().links is None
    with_keys = WebSettings(keys=[KEY])
    assert (with_keys.problem, with_keys.links_in_notices) == (None, None)
    assert with_keys.links is not None


def test_unless_the_settings_say_otherwise_only_this_machine_reaches_the_pages() -> None:
    assert WebSettings(keys=[KEY]).host == "127.0.0.1"
