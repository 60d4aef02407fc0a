"""Sessions and tokens: only what was sealed with one of the keys counts, for its purpose, its time and its session."""

from typing import Any

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from worker.access.session import OIDC, PASSWORD, Seals, Session, public_id
from worker.access.settings import AuthSettings

NOW, HOUR = 1_796_126_400_000, 3_600_000
OLD, NEW = SecretStr("o" * 32), SecretStr("n" * 32)
SEALS = Seals([NEW, OLD])
HASH, OTHER = (PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("secret") for _ in range(2))
SESSION = Session("id", PASSWORD, "ann", "", NOW, SEALS.proof(HASH))


def auth(**settings: Any) -> AuthSettings:
    return AuthSettings.model_validate(settings)


def test_a_session_lasts_for_its_hours() -> None:
    cookie = SEALS.cookie(SESSION)

    assert SEALS.session(cookie, NOW, 8) == SESSION
    assert SEALS.session(cookie, NOW + 8 * HOUR - 1, 8) == SESSION
    assert SEALS.session(cookie, NOW + 8 * HOUR, 8) is None
    assert SEALS.session(cookie, NOW - 60_000, 8) == SESSION  # another process's clock is behind
    assert SEALS.session(cookie, NOW - 60_001, 8) is None


def test_a_key_can_be_replaced() -> None:
    before, after, gone = Seals([OLD]), Seals([NEW, OLD]), Seals([NEW])

    assert after.session(before.cookie(SESSION), NOW, 1) == SESSION
    assert gone.session(before.cookie(SESSION), NOW, 1) is None
    assert gone.session(after.cookie(SESSION), NOW, 1) == SESSION
    assert after.accepts(before.form_token("b", "id"), "b", "id")
    assert not gone.accepts(before.form_token("b", "id"), "b", "id")
    assert after.proves(before.proof(HASH), HASH)
    assert not gone.proves(before.proof(HASH), HASH)


@pytest.mark.parametrize("text", ["", "x", "x.y", "é", "a" * 2_001])
def test_what_was_not_sealed_is_no_session(text: str) -> None:
    assert SEALS.session(text, NOW, 8) is None


@pytest.mark.parametrize("payload", [[], ["id"], [*SESSION, "x"], ["id", PASSWORD, "ann", "", "now", ""]])
def test_what_another_version_has_sealed_is_no_session(payload: list[Any]) -> None:
    assert SEALS.session(SEALS.sealed("detractor-worker.session", payload), NOW, 8) is None


def test_what_was_sealed_for_another_purpose_is_no_session() -> None:
    sealed = SEALS.sealed("detractor-worker.login", [*SESSION])

    assert SEALS.opened("detractor-worker.login", sealed) == [*SESSION]
    assert SEALS.session(sealed, NOW, 8) is None


def test_a_session_that_was_changed_is_none() -> None:
    payload, dot, signature = SEALS.cookie(SESSION).rpartition(".")
    other, _, _ = SEALS.cookie(SESSION._replace(name="adm")).rpartition(".")

    assert SEALS.session(f"{other}{dot}{signature}", NOW, 8) is None
    assert SEALS.session(f"{payload}{dot}{signature[:-2]}", NOW, 8) is None


def test_a_token_of_a_form_belongs_to_a_browser_and_a_session() -> None:
    token = SEALS.form_token("browser", "id")

    assert SEALS.accepts(token, "browser", "id")
    for other in (("other", "id"), ("browser", ""), ("browser", "other"), ("", "id")):
        assert not SEALS.accepts(token, *other)
    assert not SEALS.accepts("", "browser", "id")
    assert not SEALS.accepts("é", "browser", "id")
    assert not SEALS.accepts(SEALS.form_token("", "id"), "", "id")


def test_the_rights_of_a_session_are_those_of_the_settings_by_now() -> None:
    def rights(**settings: Any) -> str | None:
        person = SEALS.person(SESSION, auth(**settings))
        return None if person is None else person.permission.name

    assert rights(users={"ann": {"password_hash": HASH, "permission": "act"}}) == "ACT"
    assert rights(users={"ann": {"password_hash": HASH}}) == "VIEW"
    assert rights(users={"ann": {"password_hash": OTHER}}) is None
    assert rights(users={"viv": {"password_hash": HASH}}) is None
    assert rights() is None

    oidc = {"issuer": "https://x.test", "client_id": "page", "client_secret": "s"}
    session = SESSION._replace(method=OIDC, group="care", proof="")
    found = SEALS.person(session, auth(oidc=oidc, groups={"care": {"permission": "act"}}))
    assert found is not None
    assert (found.name, found.permission.name) == ("ann", "ACT")
    assert SEALS.person(session, auth(oidc=oidc, groups={"boss": {}})) is None
    assert SEALS.person(session, auth(users={"ann": {"password_hash": HASH}}, groups={"care": {}})) is None


def test_the_name_of_a_session_does_not_tell_its_id() -> None:
    assert public_id("id") == public_id("id")
    assert public_id("id") != public_id("other")
    assert "id" not in public_id("id")
