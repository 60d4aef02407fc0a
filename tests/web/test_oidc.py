"""Login by OpenID Connect, with a provider of its own on this machine."""

import hashlib
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from web.board_rig import KEY, Browser, Rig, served
from web.boards import NOW

from worker.links.settings import WebSettings

SECRET = "the secret of the page: with / and +"
BASE = "http://127.0.0.1:1"
KEYS = [RSAKey.generate_key(2_048, {"kid": kid}) for kid in ("one", "two")]


class Provider:
    """A provider that logs everybody in. A test changes what it answers."""

    def __init__(self) -> None:
        self.issuer = ""
        self.keys = KEYS[:1]
        self.key = KEYS[0]
        #: What a test changes of the claims, and of the description of the provider.
        self.claims: dict[str, Any] = {}
        self.description: dict[str, Any] = {}
        #: What every token request is answered with; None for an ID token.
        self.answer: web.Response | None = None
        self.codes: dict[str, dict[str, str]] = {}
        #: How often its keys were asked for.
        self.asked = 0

    def authorize(self, url: str) -> str:
        """Log somebody in who comes by an address; return the address to which the browser goes then."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?")
        assert (query["response_type"], query["client_id"], query["scope"]) == ("code", "page", "openid profile email")
        assert query["redirect_uri"] == f"{BASE}/login/return"
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self.codes[code] = query
        return f"/login/return?code={code}&state={query['state']}"

    async def configuration(self, _: web.Request) -> web.Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        return web.json_response({**document, **self.description})

    async def jwks(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(KeySet([*self.keys]).as_dict(private=False))

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.answer is not None:
            return self.answer
        if "client_secret" in form:
            assert (form["client_id"], form["client_secret"]) == ("page", SECRET)
        else:
            login = b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
            assert login == "page:the%20secret%20of%20the%20page%3A%20with%20%2F%20and%20%2B"
        begun = self.codes.pop(str(form["code"]), None)
        if begun is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        assert begun["code_challenge"] == urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert form["redirect_uri"] == begun["redirect_uri"]
        claims = {
            "iss": self.issuer,
            "aud": "page",
            "sub": "0815",
            "exp": NOW // 1_000 + 60,
            "iat": NOW // 1_000,
            "nonce": begun["nonce"],
            "preferred_username": "zoe",
            "groups": ["care"],
            **self.claims,
        }
        text = jwt.encode({"alg": "RS256", "kid": str(self.key.kid)}, claims, self.key)
        return web.json_response({"id_token": text, "access_token": "x", "token_type": "Bearer"})


@asynccontextmanager
async def company(**auth: Any) -> AsyncIterator[tuple[Provider, Rig, Browser]]:
    """Run a provider, and the page with a login there."""
    provider = Provider()
    application = web.Application()
    application.router.add_get("/.well-known/openid-configuration", provider.configuration)
    application.router.add_get("/keys", provider.jwks)
    application.router.add_post("/token", provider.token)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    oidc = {"issuer": provider.issuer, "client_id": "page", "client_secret": SECRET}
    settings = {"oidc": oidc, "groups": {"care": {"permission": "act", "segments": ["fr"]}}, **auth}
    rig = Rig(WebSettings(base_url=BASE, keys=[KEY], auth=settings))
    try:
        async with served(rig) as [browser]:
            yield provider, rig, browser
    finally:
        await runner.cleanup()


async def log_in(provider: Provider, browser: Browser, to: str = "/hello") -> str:
    """Log in; return where the page leads then."""
    start = await browser.get(f"/login/start?to={to}")
    assert start.status == 303, browser.text
    response = await browser.get(provider.authorize(start.headers["Location"]))
    return response.headers.get("Location", "")


async def test_somebody_logs_in_with_the_account_of_the_company() -> None:
    async with company() as (provider, rig, browser):
        await browser.get("/login?to=/hello")
        assert 'href="/login/start?to=/hello"' in browser.text
        assert "password" not in browser.text
        assert await log_in(provider, browser, "/hello?said=hi") == "/hello?said=hi"
        await browser.get("/hello")
        assert "zoe" in browser.text
        assert not browser.cookie("nps-login")
        response = await browser.post("/act/a-1", {"note": "x"})
        assert response.status == 303
        await browser.get("/admin")
        assert browser.status == 403
        await browser.get("/login")
        await browser.post("/login", {"name": "zoe", "password": "x"}, token="x")
        assert browser.status == 404

    first = rig.audited[0]
    assert (first["action"], first["actor"], first["permission"], first["login"]) == ("logged_in", "zoe", "act", "oidc")


async def test_the_secret_is_posted_to_a_provider_that_wants_it_so() -> None:
    async with company() as (provider, _, browser):
        provider.description = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        assert await log_in(provider, browser) == "/hello"


async def test_new_keys_of_the_provider_are_read_and_old_ones_are_not_asked_for_again() -> None:
    async with company() as (provider, _rig, browser):
        for _ in range(3):
            assert await log_in(provider, browser) == "/hello"
        assert provider.asked == 1
        provider.keys, provider.key = KEYS[1:], KEYS[1]
        assert await log_in(provider, browser) == "/hello"
        assert provider.asked == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another login"},
        {"iss": "http://127.0.0.1:2"},
        {"aud": "another page"},
        {"exp": NOW // 1_000 - 100},
        {"preferred_username": 7},
    ],
)
async def test_a_token_that_does_not_prove_it_lets_nobody_in(wrong: dict[str, Any]) -> None:
    async with company() as (provider, rig, browser):
        provider.claims = wrong
        await log_in(provider, browser)
        assert browser.status == 502
        assert "has not confirmed who you are" in browser.text
        assert browser.cookie("nps-session") is None

    assert [(one["action"], one["actor"], one["reason"]) for one in rig.audited] == [
        ("login_refused", None, "provider_failed")
    ]


async def test_a_token_of_another_key_lets_nobody_in() -> None:
    async with company() as (provider, _, browser):
        provider.key = KEYS[1]
        await log_in(provider, browser)
        assert browser.status == 502


async def test_somebody_in_no_group_is_known_but_not_let_in() -> None:
    async with company() as (provider, rig, browser):
        provider.claims = {"groups": ["others"]}
        await log_in(provider, browser)
        assert browser.status == 403
        assert "not open to you" in browser.text
    assert [(one["action"], one["actor"], one["reason"]) for one in rig.audited] == [
        ("login_refused", "zoe", "not_permitted")
    ]

    async with company(everybody="view") as (provider, _, browser):
        provider.claims = {"groups": None}
        assert await log_in(provider, browser) == "/hello"


async def test_only_the_browser_in_which_a_login_has_begun_can_finish_it_once_and_soon() -> None:
    async with company() as (provider, rig, browser):
        start = await browser.get("/login/start")
        back = provider.authorize(start.headers["Location"])
        # Another browser, which an attacker lets follow the address, so that it is logged in as the attacker.
        browser.client.cookie_jar.clear()
        await browser.get(back)
        assert browser.status == 502
        # Another state.
        start = await browser.get("/login/start")
        back = provider.authorize(start.headers["Location"])
        await browser.get(back.replace("state=", "state=x"))
        assert browser.status == 502
        await browser.get("/login/return?error=access_denied")
        assert browser.status == 502
        # Too late.
        start = await browser.get("/login/start")
        rig.clock.time += 600_000
        await browser.get(provider.authorize(start.headers["Location"]))
        assert browser.status == 502
        rig.clock.time -= 600_000
        # The same code again.
        start = await browser.get("/login/start")
        back = provider.authorize(start.headers["Location"])
        assert (await browser.get(back)).status == 303
        await browser.get(back)
        assert browser.status == 502


@pytest.mark.parametrize(
    "change",
    [
        lambda provider: setattr(provider, "answer", web.Response(status=500)),
        lambda provider: setattr(provider, "answer", web.Response(text="no JSON")),
        lambda provider: setattr(provider, "answer", web.json_response(["x"])),
        lambda provider: setattr(provider, "answer", web.json_response({"access_token": "x"})),
        lambda provider: setattr(provider, "answer", web.Response(body=b"x" * 1_100_000)),
        lambda provider: setattr(provider, "answer", web.Response(status=302, headers={"Location": "/token"})),
        lambda provider: provider.description.update(issuer="http://127.0.0.1:2"),
        lambda provider: provider.description.update(token_endpoint="http://evil.test/token"),
        lambda provider: provider.description.update(jwks_uri=7),
        lambda provider: provider.description.update(authorization_endpoint="javascript:alert(1)"),
    ],
)
async def test_a_provider_that_answers_nonsense_lets_nobody_in(change: Callable[[Provider], None]) -> None:
    async with company() as (provider, _, browser):
        change(provider)
        start = await browser.get("/login/start")
        if start.status == 303:
            await browser.get(provider.authorize(start.headers["Location"]))
        assert browser.status == 502
        assert browser.cookie("nps-session") is None


async def test_a_provider_that_is_away_is_said_without_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    async with company() as (_provider, rig, browser):
        rig.web.auth.oidc.__dict__["issuer"] = "http://127.0.0.1:9"
        await browser.get("/login/start")
        assert browser.status == 502
    assert "nobody can log in with web.auth.oidc: the provider does not answer" in caplog.text
    assert SECRET not in caplog.text
