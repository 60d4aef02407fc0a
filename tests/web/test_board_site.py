"""The page over HTTP: who is let in, which forms are accepted, and what is written down."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from web.board_rig import (
    HASH,
    KEY,
    OTHER_HASH,
    PASSWORD,
    USERS,
    Answered,
    Rig,
    check_guarded,
    served,
    token_of,
    with_users,
)
from web.boards import NOW

from schemas.audit import Audit
from worker import logs
from worker.access.session import Seals, Session
from worker.flow.timestamps import HOUR
from worker.links.settings import WebSettings

MINUTE = 60_000
# Without a login


async def test_without_a_login_the_page_is_open_to_this_machine_and_says_so() -> None:
    rig = Rig()
    async with served(rig) as [browser]:
        check_guarded(await browser.get("/hello?said=hi"))
        assert browser.status == 200
        assert "said: hi" in browser.text
        assert "There is no login" in browser.text
        assert "Log out" not in browser.text
        await browser.post("/silence", {})
        assert browser.status == 303

    assert [(one["action"], one["actor"], one["login"]) for one in rig.audited] == [
        ("silence_command", "local", "none")
    ]


@pytest.mark.parametrize("host", ["nps.example.com", "127.0.0.1.example.com", "", "evil.test:8080"])
async def test_without_a_login_another_name_of_this_machine_is_refused(host: str) -> None:
    async with served(Rig()) as [browser]:
        response = await browser.get("/hello?said=canary", Host=host)
        assert browser.status == 403
        assert "canary" not in browser.text
        check_guarded(response)
        await browser.get("/hello", Host="localhost:1234")
        assert browser.status == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Proto"])
async def test_without_a_login_what_a_proxy_forwards_is_refused(name: str) -> None:
    async with served(Rig()) as [browser]:
        await browser.get("/hello?said=canary", **{name: "192.0.2.1"})
        assert browser.status == 403
        assert "canary" not in browser.text
    async with served(Rig(with_users())) as [browser]:
        await browser.get("/login", **{name: "192.0.2.1"})
        assert browser.status == 200


async def test_every_answer_has_the_headers() -> None:
    async with served(Rig(with_users())) as [browser]:
        for path in ("/", "/hello", "/nothing", "/login", "/static/nothing.css", "/live?page=/hello", "/logout"):
            check_guarded(await browser.get(path))
        await browser.get("/login")
        css = re.search(r'href="(/static/page\.[0-9a-f]{16}\.css)"', browser.text)
        assert css is not None
        check_guarded(await browser.get(css[1]), is_kept=True)
        assert browser.status == 200


# Logging in


async def test_a_person_logs_in_sees_the_page_that_was_asked_for_and_logs_out() -> None:
    rig = Rig(with_users())
    async with served(rig, 2) as [ann, other]:
        response = await ann.get("/hello?said=hi")
        assert (ann.status, response.headers["Location"]) == (303, "/login?to=%2Fhello%3Fsaid%3Dhi")
        await ann.open("/hello?said=hi")
        assert 'name="to" value="/hello?said=hi"' in ann.text
        response = await ann.post("/login", {"name": "ann", "password": PASSWORD, "to": "/hello?said=hi"})
        assert (ann.status, response.headers["Location"]) == (303, "/hello?said=hi")
        await ann.open("/hello?said=hi")
        assert "said: hi" in ann.text
        assert "ann" in ann.text
        assert "There is no login" not in ann.text
        cookie = ann.cookie("nps-session")
        assert cookie is not None
        await ann.post("/logout", {})
        assert ann.status == 303
        assert not ann.cookie("nps-session")
        # Whoever has kept the cookie is not let in either.
        await other.get("/hello", Cookie=f"nps-session={cookie}")
        assert other.status == 303

    assert [(one["action"], one["actor"], one["permission"], one["login"]) for one in rig.audited] == [
        ("logged_in", "ann", "act", "password"),
        ("logged_out", "ann", "act", "password"),
    ]
    assert rig.audited[0]["session"] == rig.audited[1]["session"]
    assert rig.audited[0]["session"] not in cookie


@pytest.mark.parametrize(
    ("name", "password", "known"),
    [("ann", "wrong", "ann"), ("nobody", PASSWORD, None), ("", "", None), ("ann", "x" * 5_000, "ann")],
)
async def test_a_wrong_name_or_password_is_refused_in_the_same_words_and_only_known_names_are_written_down(
    name: str, password: str, known: str | None
) -> None:
    rig = Rig(with_users())
    async with served(rig) as [browser]:
        await browser.log_in(name, password)
        assert browser.status == 403
        assert "The name or the password is wrong." in browser.text
        assert browser.cookie("nps-session") is None

    (entry,) = rig.audited
    assert (entry["action"], entry["actor"], entry["outcome"], entry["reason"]) == (
        "login_refused",
        known,
        "refused",
        "wrong_password",
    )


async def test_who_tries_too_often_has_to_wait_with_one_name_or_from_one_address() -> None:
    rig = Rig(with_users(trusted_proxies=["127.0.0.1"]))
    async with served(rig) as [browser]:
        browser.client.headers["X-Forwarded-For"] = "198.51.100.9"
        for _ in range(10):
            await browser.log_in("ann", "wrong")
            assert browser.status == 403
        response = await browser.log_in("ann")  # the right password
        assert browser.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 900
        assert "too many attempts" in browser.text
        await browser.log_in("adm")
        assert browser.status == 303
        for number in range(39):
            await browser.log_in(f"nobody-{number}", "wrong")
        await browser.log_in("adm")
        assert browser.status == 429
        browser.client.headers["X-Forwarded-For"] = "198.51.100.10"
        await browser.log_in("adm")
        assert browser.status == 303
        rig.clock.time += 15 * MINUTE
        await browser.log_in("ann")
        assert browser.status == 303

    assert len([one for one in rig.audited if one["action"] == "login_refused"]) == 49


async def test_a_clock_that_is_put_back_lets_nobody_wait_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(with_users())
    async with served(rig) as [browser]:
        for _ in range(10):
            await browser.log_in("ann", "wrong")
        monkeypatch.setattr(rig.clock, "now", lambda: NOW - 24 * HOUR)
        response = await browser.log_in("ann")
        assert browser.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 900


async def test_an_address_that_a_client_puts_into_a_line_of_its_own_does_not_count() -> None:
    async with served(Rig(with_users(trusted_proxies=["127.0.0.1"]))) as [browser]:
        await browser.get("/login")
        sent = {"token": browser.token, "password": "x" * 1_001}
        statuses = set()
        for number in range(51):
            lines = [("X-Forwarded-For", f"203.0.113.{number}"), ("X-Forwarded-For", "198.51.100.9")]
            form = sent | {"name": f"nobody-{number}"}
            async with browser.client.post(f"{browser.base}/login", data=form, headers=lines) as response:
                statuses.add(response.status)
        assert statuses == {403, 429}


async def test_a_name_that_nobody_can_have_is_not_remembered() -> None:
    rig = Rig(with_users())
    async with served(rig) as [browser]:
        for _ in range(11):  # the eleventh attempt with a name has to wait
            await browser.log_in("v" * 201, "x" * 1_001)
            assert browser.status == 403
        for _ in range(11):
            await browser.log_in("v" * 200, "x" * 1_001)
        assert browser.status == 429


async def test_a_login_that_cannot_be_written_down_does_not_take_place() -> None:
    rig = Rig(with_users(), is_there=False)
    async with served(rig) as [browser]:
        await browser.log_in("ann")
        assert browser.status == 503
        assert browser.cookie("nps-session") is None
        assert "cannot be written down" in browser.text


async def test_a_session_ends_after_its_hours_and_when_the_person_or_the_password_is_another_one() -> None:
    rig = Rig(with_users(auth={"session_hours": 8}))
    async with served(rig) as [browser]:
        await browser.log_in("ann")
        cookie = f"nps-session={browser.cookie('nps-session')}"
        rig.clock.time += 8 * HOUR - 1
        await browser.get("/hello")
        assert browser.status == 200
        rig.clock.time += 1
        await browser.get("/hello")
        assert browser.status == 303
        rig.clock.time -= 1

    for users in ({"viv": {"password_hash": HASH}}, {"ann": {"password_hash": OTHER_HASH}}):
        later = Rig(WebSettings(base_url="http://127.0.0.1:1", keys=[KEY], auth={"users": users}), clock=rig.clock)
        async with served(later) as [browser]:
            await browser.get("/hello", Cookie=cookie)
            assert browser.status == 303


async def test_any_web_process_with_the_keys_accepts_a_session_until_one_of_them_has_ended_it() -> None:
    first = Rig(with_users())
    second = Rig(with_users(), others=first.others)
    async with served(first, 2) as [ann, adm], served(second, 1) as [elsewhere]:
        await ann.log_in("ann")
        cookie = {"Cookie": f"nps-session={ann.cookie('nps-session')}"}
        await elsewhere.get("/hello", **cookie)
        assert elsewhere.status == 200
        await adm.log_in("adm")
        await adm.open("/sessions")
        assert "This is you." in adm.text
        session = next(one["session"] for one in first.audited if one["actor"] == "ann")
        await adm.post("/sessions/end", {"session": session})
        assert "The session was ended." in adm.text
        for browser, headers in ((ann, {}), (elsewhere, cookie)):
            await browser.get("/hello", **headers)
            assert browser.status == 303
        await adm.get("/hello")
        assert adm.status == 200

    assert [(one["action"], one["actor"], one["about"]) for one in first.audited][-1] == (
        "session_ended",
        "adm",
        session,
    )


async def test_a_cookie_that_somebody_has_changed_or_made_is_no_session() -> None:
    async with served(Rig(with_users()), 2) as [viv, browser]:
        await viv.log_in("viv")
        cookie = viv.cookie("nps-session")
        assert cookie is not None
        await browser.get("/hello", Cookie=f"nps-session={cookie}")
        assert browser.status == 200
        forged = Seals([SecretStr("another key with more than 32 characters")])
        session = Session("x" * 32, "password", "adm", "", NOW, forged.proof(HASH))
        sealed = Seals([SecretStr(KEY)]).sealed("detractor-worker.login", [*session])  # for another purpose
        for wrong in (cookie[:-1], cookie.replace(".", "x."), forged.cookie(session), sealed, "x", "é", "x" * 9_000):
            await browser.get("/hello", Cookie=f"nps-session={wrong}")
            assert browser.status in {303, 400}


async def test_a_session_of_before_a_login_is_another_one_afterwards() -> None:
    async with served(Rig(with_users())) as [browser]:
        await browser.log_in("ann")
        first, token = browser.cookie("nps-session"), await token_of(browser)
        await browser.post("/logout", {}, token=token)
        await browser.log_in("ann")
        assert browser.cookie("nps-session") not in {None, first}
        await browser.post("/act/a-1", {"note": "x"}, token=token)
        assert browser.status == 403


async def test_cookies_are_kept_from_scripts_and_other_sites_and_by_https_from_other_hosts() -> None:
    for url, name, secure in (
        ("http://127.0.0.1:1", "nps-session", False),
        ("https://x.test", "__Host-nps-session", True),
    ):
        web = WebSettings(base_url=url, keys=[KEY], auth={"users": USERS})
        async with served(Rig(web)) as [browser]:
            response = await browser.get("/login")
            headers = {"Sec-Fetch-Site": "same-origin"}
            if secure:  # this client sends no cookies of https by http
                headers["Cookie"] = "; ".join(f"{cookie.key}={cookie.value}" for cookie in response.cookies.values())
            form = {"name": "ann", "password": PASSWORD}
            response = await browser.post("/login", form, headers=headers)
            assert response.status == 303
            cookie = response.cookies[name]
            assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
            assert bool(cookie["secure"]) is secure
            assert not cookie["domain"]


# What a person may see and do


@pytest.mark.parametrize(
    ("name", "statuses"), [("viv", (200, 403, 403, 403)), ("ann", (200, 403, 303, 403)), ("adm", (200, 200, 303, 303))]
)
async def test_a_person_needs_the_permission_of_a_page_and_of_an_action(name: str, statuses: tuple[int, ...]) -> None:
    rig = Rig(with_users())
    async with served(rig) as [browser]:
        await browser.log_in(name)
        token = await token_of(browser)
        found = [(await browser.get(path)).status for path in ("/hello", "/admin")]
        found += [(await browser.post(path, {"note": "x"}, token=token)).status for path in ("/act/a-1", "/silence")]

    assert tuple(found) == statuses
    assert len(rig.given) == found.count(303)


async def test_what_a_person_does_is_given_with_the_name_and_written_down_with_its_outcome() -> None:
    rig = Rig(with_users())
    async with served(rig) as [browser]:
        await browser.log_in("adm")
        token = await token_of(browser)
        for answer in (Answered("applied"), Answered("unchanged"), Answered("refused", "case_resolved"), None):
            rig.answer = answer
            await browser.post("/act/a-1", {"note": "canary"}, token=token)
        await browser.post("/again", {}, token=token)
        await browser.get("/hello?csv=1")
        assert browser.text == "\ufeffCustomer number\r\n'=1+1\r\nAnna\r\n3\r\n"

    first = rig.given[0]
    assert (first["actor"], first["via"], first["note"]) == ("adm", "page", "canary")
    said = [(one["action"], one["command"], one["about"], one["outcome"], one["reason"]) for one in rig.audited[1:]]
    assert said == [
        ("alert_command", "note", "a-1", "applied", None),
        ("alert_command", "note", "a-1", "unchanged", None),
        ("alert_command", "note", "a-1", "refused", "case_resolved"),
        ("alert_command", "note", "a-1", "unanswered", None),
        ("sent_again", None, "nps.responses/0/7", "applied", None),
        ("exported", None, "hello", "applied", None),
    ]
    assert [given["command_id"] for given in rig.given] == [one["command_id"] for one in rig.audited[1:5]]
    assert len({one["session"] for one in rig.audited}) == 1
    assert "canary" not in json.dumps(rig.audited)
    assert '"c-1"' not in json.dumps(rig.audited)  # ids of the audit are random, and may have c-1 in them
    for one in rig.audited:
        Audit.model_validate_json(json.dumps(one))
    [again] = rig.published
    assert (again.topic, again.key, again.value) == ("responses", b"c-1", b"{}")


async def test_nothing_is_exported_and_commands_are_unsure_while_kafka_is_away() -> None:
    rig = Rig(with_users())
    async with served(rig) as [browser]:
        await browser.log_in("adm")
        token = await token_of(browser)
        rig.is_there = False
        await browser.get("/hello?csv=1")
        assert browser.status == 503
        for path in ("/act/a-1", "/silence", "/again"):
            response = await browser.post(path, {"note": "x"}, token=token)
            assert response.headers["Location"] == "/hello?said=unsure"
        await browser.get("/hello")
        assert browser.status == 200


async def test_a_logout_that_cannot_be_written_down_says_where_it_does_not_hold() -> None:
    rig = Rig(with_users())
    async with served(rig) as [browser]:
        await browser.log_in("ann")
        await token_of(browser)
        rig.is_there = False
        await browser.post("/logout", {})
        assert browser.status == 503
        assert "other servers may still accept the session" in browser.text
        assert not browser.cookie("nps-session")
        await browser.get("/hello")
        assert browser.status == 303


async def test_only_an_administrator_of_all_segments_sees_and_ends_sessions_of_others() -> None:
    users = {**USERS, "lyon": {"password_hash": HASH, "permission": "admin", "segments": ["fr/lyon"]}}
    rig = Rig(with_users(auth={"users": users}))
    async with served(rig, 2) as [lyon, adm]:
        await adm.log_in("adm")
        await lyon.log_in("lyon")
        token = await token_of(lyon, "/admin")
        await lyon.get("/sessions")
        assert lyon.status == 403
        assert "adm" not in lyon.text
        await lyon.post("/sessions/end", {"session": rig.audited[0]["session"]}, token=token)
        assert lyon.status == 403
        await adm.get("/sessions")
        assert adm.status == 200


# Forms


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Origin": "http://127.0.0.1:1"}, 303),
        ({}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:2"}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.test"}, 403),
    ],
)
async def test_only_a_page_of_this_site_can_send_a_form(headers: dict[str, str], status: int) -> None:
    rig = Rig(with_users())
    async with served(rig) as [browser]:
        await browser.log_in("ann")
        token = await token_of(browser)
        await browser.post("/act/a-1", {"note": "x"}, token=token, headers=headers)
        assert browser.status == status
        for path in ("/login", "/logout", "/language", "/sessions/end"):
            if status == 403:
                await browser.post(path, {}, token=token, headers=headers)
                assert browser.status == 403

    assert len(rig.given) == (status == 303)


async def test_a_form_needs_the_token_of_its_own_session_and_browser() -> None:
    rig = Rig(with_users())
    async with served(rig, 2) as [ann, other]:
        await ann.log_in("ann")
        await other.log_in("ann")
        right = await token_of(ann)
        for wrong in ("", "x", "é", right[:-1], right + "0", await token_of(other), "0" * 64):
            await ann.post("/act/a-1", {"note": "x"}, token=wrong)
            assert ann.status == 403
            assert "This form was not accepted" in ann.text
        await ann.post("/act/a-1", {"note": "x"}, token=right)
        assert ann.status == 303

    assert len(rig.given) == 1


async def test_a_token_cannot_be_used_without_the_cookie_that_it_belongs_to() -> None:
    rig = Rig()
    async with served(rig, 2) as [here, other]:
        token = await token_of(here)
        await other.post("/act/a-1", {"note": "x"}, token=token)
        assert other.status == 403
        await here.post("/act/a-1", {"note": "x"}, token=token)
        assert here.status == 303


async def test_a_form_that_is_too_large_too_slow_or_none_is_refused() -> None:
    rig = Rig(with_users(), body_seconds=0.2)
    async with served(rig) as [browser]:
        await browser.log_in("adm")
        token = await token_of(browser)
        await browser.post("/act/a-1", {"note": "x" * 40_000}, token=token)
        assert browser.status == 413
        await browser.post("/again", {"value": "x" * 40_000}, token=token)
        assert browser.status == 303
        await browser.post("/act/a-1", {f"f{number}": "" for number in range(100)}, token=token)
        assert browser.status == 400

        async def slowly() -> AsyncIterator[bytes]:
            yield b"note="
            await asyncio.Event().wait()

        client = browser.client
        url, headers = f"{browser.base}/act/a-1", {"Sec-Fetch-Site": "same-origin"}
        form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        async with client.post(url, data=slowly(), headers=form) as response:
            assert response.status == 408
        async with client.post(url, json={"note": "x"}, headers=headers) as response:
            assert response.status == 415

    assert rig.given == []


# What nobody learns


async def test_neither_a_bug_nor_a_form_puts_what_people_write_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(with_users())
    with caplog.at_level(logging.DEBUG, "worker"):
        async with served(rig) as [browser]:
            await browser.log_in("canary-name", "canary-password")
            await browser.log_in("ann")
            token = await token_of(browser)
            await browser.get("/broken?canary=canary-query")
            assert browser.status == 500
            assert "Something went wrong" in browser.text
            assert "canary" not in browser.text
            rig.is_there = False
            await browser.post("/act/a-1", {"note": "canary-note"}, token=token)
            cookie = browser.cookie("nps-session")
    lines = [logs.JsonLines().format(record) for record in caplog.records]
    assert lines
    for secret in ("canary", PASSWORD, HASH, token, cookie or "none", KEY):
        assert not [line for line in lines if secret in line]


async def test_who_is_not_logged_in_does_not_learn_which_pages_there_are() -> None:
    async with served(Rig(with_users())) as [browser]:
        locations = [
            (await browser.get(path)).headers["Location"].replace(quote(path, safe=""), "…")
            for path in ("/hello", "/admin", "/nothing", "/sessions")
        ]
        assert set(locations) == {"/login?to=…"}
        await browser.get("/live?page=/hello")
        assert browser.status == 204


@pytest.mark.parametrize(
    "to", ["//evil.test", "/\\evil.test", "https://evil.test", "evil", "/\n/evil", "/é", "/" + "x" * 5_000]
)
async def test_a_login_and_a_choice_of_the_language_lead_to_a_page_of_this_site_only(to: str) -> None:
    async with served(Rig(with_users())) as [browser]:
        response = await browser.log_in("ann", to=to)
        assert response.headers["Location"] == "/"
        token = await token_of(browser)
        response = await browser.post("/language", {"language": "fr", "back": to}, token=token)
        assert response.headers["Location"] == "/"


async def test_the_language_is_the_chosen_one_or_that_of_the_browser() -> None:
    async with served(Rig()) as [browser]:
        await browser.get("/hello", **{"Accept-Language": "fr-CH"})
        assert 'lang="fr"' in browser.text
        await browser.get("/hello", **{"Accept-Language": "de"})
        assert '<html lang="en"' in browser.text
        response = await browser.post("/language", {"language": "fr", "back": "/hello?said=hi"})
        assert response.headers["Location"] == "/hello?said=hi"
        await browser.get("/hello", **{"Accept-Language": "en"})
        assert '<html lang="fr"' in browser.text
        await browser.post("/language", {"language": "xx", "back": "/"})
        await browser.get("/hello")
        assert '<html lang="fr"' in browser.text


async def test_a_page_that_does_not_exist_says_so() -> None:
    async with served(Rig()) as [browser]:
        for path in ("/nothing", "/hello?gone=1", "/act/a-1", "/login", "/sessions"):
            await browser.get(path)
            assert browser.status == 404
            assert "There is no such page" in browser.text


# Login by a proxy


def by_header(**further: Any) -> WebSettings:
    auth = {
        "header": {"user": "X-User", "groups": "X-Groups"},
        "groups": {"boss": {"permission": "admin"}, "lyon": {"permission": "act", "segments": ["fr/lyon"]}},
        **further,
    }
    return WebSettings(base_url="https://x.test", keys=[KEY], trusted_proxies=["127.0.0.0/8"], auth=auth)


async def test_a_trusted_proxy_says_who_it_is() -> None:
    rig = Rig(by_header())
    async with served(rig) as [browser]:
        await browser.get(
            "/hello", **{"X-User": "Zoé@example.com".encode().decode("latin-1"), "X-Groups": "x, lyon ,boss"}
        )
        assert browser.status == 200
        await browser.get("/admin", **{"X-User": "zoe", "X-Groups": "boss,lyon"})
        assert browser.status == 200
        for headers in (
            {},
            {"X-User": ""},
            {"X-User": "zoe"},
            {"X-User": "zoe", "X-Groups": "x"},
            {"X-Groups": "boss"},
        ):
            await browser.get("/hello", **headers)
            assert browser.status == 403
        twice = [("X-User", "zoe"), ("X-User", "boss"), ("X-Groups", "boss")]
        async with browser.client.get(f"{browser.base}/hello", headers=twice) as response:
            assert response.status == 403
        await browser.get("/login", **{"X-User": "zoe", "X-Groups": "boss"})
        assert browser.status == 404


async def test_others_than_the_proxy_cannot_say_who_they_are() -> None:
    web = by_header().model_copy(update={"trusted_proxies": ["10.0.0.0/8"]})
    async with served(Rig(web)) as [browser]:
        await browser.get("/hello", **{"X-User": "zoe", "X-Groups": "boss"})
        assert browser.status == 403


async def test_a_form_of_another_person_of_the_same_browser_is_refused() -> None:
    rig = Rig(by_header().model_copy(update={"base_url": "http://127.0.0.1:1"}))
    async with served(rig) as [browser]:
        ann, bob = {"X-User": "ann", "X-Groups": "boss"}, {"X-User": "bob", "X-Groups": "boss"}
        await browser.get("/hello", **ann)
        token = browser.token
        sent = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
        for headers, status in ((bob, 403), (ann, 303)):
            await browser.post("/act/a-1", {"note": "x"}, token=token, headers=sent | headers)
            assert browser.status == status
