"""The settings of the login: where the page may be served, and who may do what there."""

from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from pydantic import ValidationError

from worker.access.passwords import hash_of, is_hash, is_right
from worker.access.person import Permission, Person
from worker.access.settings import AuthSettings, OidcSettings
from worker.links.settings import WebSettings

KEY = "k" * 32
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("secret")
USERS: dict[str, Any] = {"ann": {"password_hash": HASH, "permission": "act", "segments": ["fr/ lyon ", "be"]}}
AUTH: dict[str, Any] = {"users": USERS}
LOCAL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("settings", "serves_page", "has_problem"),
    [
        ({}, True, False),
        ({"host": "::1"}, True, False),
        ({"host": "localhost"}, True, False),
        # Others reach it, and there is no login.
        ({"host": "0.0.0.0"}, False, True),
        ({"host": "192.0.2.7"}, False, True),
        ({"host": "::"}, False, True),
        # A proxy forwards links to it, and would forward the page as well.
        ({"keys": [KEY]}, False, False),
        ({"keys": [KEY], "base_url": "https://nps.example.com"}, False, False),
        ({"keys": [KEY], "host": "0.0.0.0"}, False, False),
        # The links are for this machine, as in the demo.
        ({"keys": [KEY], "base_url": LOCAL}, True, False),
        ({"keys": [KEY], "base_url": LOCAL, "host": "0.0.0.0"}, False, False),
        # There is a login.
        ({"keys": [KEY], "base_url": "https://nps.example.com", "auth": AUTH, "host": "0.0.0.0"}, True, False),
    ],
)
def test_without_a_login_the_page_is_served_only_where_nobody_else_reaches_it(
    settings: dict[str, Any], serves_page: bool, has_problem: bool
) -> None:
    web = WebSettings.model_validate(settings)

    assert serves_page is web.serves_page
    assert web.page_url == ((web.base_url or "") if serves_page else None)
    assert has_problem is (web.problem is not None)
    if web.problem is not None:
        assert "needs a login: set web.auth" in web.problem


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"auth": AUTH}, "web.auth needs keys"),
        ({"auth": AUTH, "keys": [KEY]}, "web.auth needs keys"),
        ({"auth": AUTH, "keys": [KEY], "base_url": "https://x.test/nps"}, "without a path"),
        ({"auth": {"users": {"ann": {}}}}, "needs password_hash"),
        ({"auth": {"users": {"ann": {"password_hash": "secret"}}}}, "must be a hash of argon2id"),
        ({"auth": {"users": {"ann": {"password_hash": "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"}}}}, "argon2id"),
        ({"auth": {"users": {"ann": {"password_hash": HASH, "segments": []}}}}, "at least 1"),
        ({"auth": {"users": {"ann": {"password_hash": HASH, "segments": ["/survey/a"]}}}}, "path of a segment"),
        ({"auth": {"users": {"a\nb": {"password_hash": HASH}}}}, "pattern"),
        ({"auth": {"users": {"ann": {"password_hash": HASH, "permission": "root"}}}}, "'view', 'act' or 'admin'"),
        ({"auth": {"header": {"user": "X-User"}}}, "need groups or everybody"),
        ({"auth": {"header": {"user": "X User"}}}, "must be the name of a header"),
        (
            {"auth": {"header": {"user": "X"}, "everybody": "view"}, "keys": [KEY], "base_url": "https://x.test"},
            "trusted_proxies",
        ),
        ({"auth": {"header": {"user": "X"}, "users": USERS, "everybody": "view"}}, "cannot be combined"),
        ({"auth": {"oidc": {"issuer": "https://x.test"}}}, "needs client_id"),
        ({"auth": {"oidc": {"issuer": "http://x.test"}}}, "must begin with https"),
        ({"auth": {"oidc": {"issuer": "https://a@x.test"}}}, "must be an https address"),
        ({"auth": {"oidc": {"scopes": ["email"]}}}, "must have 'openid'"),
        ({"trusted_proxies": ["proxy"]}, "does not appear to be"),
    ],
)
def test_a_login_that_would_not_be_safe_or_would_let_nobody_in_is_an_error(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WebSettings.model_validate(settings)


def test_the_origin_is_written_as_browsers_write_it() -> None:
    def origin(url: str | None) -> str | None:
        return WebSettings(base_url=url, keys=[KEY]).origin

    assert origin(None) is None
    assert origin("https://NPS.example.com:443") == "https://nps.example.com"
    assert origin("https://nps.example.com:8443/") == "https://nps.example.com:8443"
    assert origin("http://127.0.0.1:80") == "http://127.0.0.1"
    assert origin("http://[::1]:8080") == "http://[::1]:8080"
    assert WebSettings(base_url="https://x.test", keys=[KEY]).is_https
    assert not WebSettings(base_url=LOCAL, keys=[KEY]).is_https


def test_a_user_has_the_permission_and_the_segments_of_the_settings() -> None:
    auth = AuthSettings.model_validate({"users": {**USERS, "viv": {"password_hash": HASH}}})

    assert auth.user("ann") == Person("ann", Permission.ACT, ("fr/lyon", "be"))
    assert auth.user("viv") == Person("viv", Permission.VIEW)
    assert auth.user("nobody") is None


def test_the_hash_of_a_password_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "hash"
    file.write_text(f"{HASH}\n")
    auth = AuthSettings.model_validate({"users": {"ann": {"password_hash_file": file}}})

    assert auth.user("ann") is not None
    assert HASH not in repr(auth)


def test_the_first_group_of_the_settings_decides() -> None:
    auth = AuthSettings.model_validate(
        {
            "header": {"user": "X-User"},
            "groups": {"lyon": {"permission": "act", "segments": ["fr/lyon"]}, "boss": {"permission": "admin"}},
        }
    )

    assert auth.group_of(frozenset({"boss", "lyon"})) == "lyon"
    assert auth.group_of(frozenset({"boss", "x"})) == "boss"
    assert auth.group_of(frozenset({"x"})) is None
    assert auth.member("zoe", "lyon") == Person("zoe", Permission.ACT, ("fr/lyon",))
    assert auth.member("zoe", "gone") is None
    assert auth.member("zoe", "") is None


def test_everybody_may_get_in_and_customers_may_be_hidden_from_those_who_only_look() -> None:
    auth = AuthSettings.model_validate(
        {
            "header": {"user": "X-User"},
            "groups": {"care": {"permission": "act"}},
            "everybody": "view",
            "view_hides_customers": True,
        }
    )

    assert auth.group_of(frozenset()) == ""
    assert auth.member("zoe", "") == Person("zoe", Permission.VIEW, sees_customers=False)
    assert auth.member("zoe", "care") == Person("zoe", Permission.ACT)


def test_a_person_sees_the_own_segments_and_what_is_below_them() -> None:
    person = Person("ann", Permission.ACT, ("fr/lyon", "be"))

    assert [
        path for path in ("fr/lyon", "fr/lyon/desk", "be", "be/x", "fr", "fr/lyons", "") if person.may_see(path)
    ] == [
        "fr/lyon",
        "fr/lyon/desk",
        "be",
        "be/x",
    ]
    assert not person.sees_all
    assert Person("adm", Permission.ADMIN).sees_all
    assert Person("adm", Permission.ADMIN).may_see("anything")
    assert [person.may(permission) for permission in Permission] == [True, True, False]


def test_only_the_right_password_has_a_hash() -> None:
    hashed = hash_of("correct horse")

    assert is_hash(hashed)
    assert hashed != hash_of("correct horse")
    assert is_right(hashed, "correct horse")
    assert not is_right(hashed, "correct hors")
    assert not is_right(hashed, "")
    assert not is_right(None, "nobody has this password")
    assert not is_right("no hash", "no hash")


def test_a_client_secret_is_not_shown() -> None:
    settings = OidcSettings(issuer="https://x.test", client_id="page", client_secret="s3cr3t")

    assert "s3cr3t" not in repr(settings)
