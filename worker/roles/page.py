"""The page of the role web: what serves it, what it publishes, and the live updates."""

import logging
import secrets
from functools import partial
from typing import Any

from pydantic import SecretStr

from schemas.silence_command_result import SilenceCommandResult
from worker.access.session import Seals
from worker.alerts.commanding import give
from worker.board.board import Board
from worker.kafka.asking import alert_topics, ask, silence_topics
from worker.notify.content.readers import Readers
from worker.roles.surroundings import Surroundings
from worker.service import Background, Failure, Service
from worker.settings import Settings
from worker.web.assets import Assets
from worker.web.auditing import Audit, Publishing
from worker.web.board_site import BoardSite, Needs
from worker.web.cookies import Cookies
from worker.web.entrance import Entrance
from worker.web.giving import Giving
from worker.web.live import Live
from worker.web.login import Login
from worker.web.login import Needs as LoginNeeds
from worker.web.oidc import Provider
from worker.web.plain import Plain
from worker.web.rendering import Rendering
from worker.web.routes import ROUTES
from worker.web.sessions import Sessions
from worker.web.settling import settle
from worker.web.showing import Showing

log = logging.getLogger(__name__)

#: How long a page waits for the worker's answer to a command, in seconds.
ANSWER_SECONDS = 10.0
_NO_LOGIN = "the page has no login (web.auth): whoever works on this machine can see everything on it, and act"
_NO_PROXIES = (
    "web.trusted_proxies is empty: if a reverse proxy forwards to the page, attempts to log in are counted by the name "
    "only, and not by the address (docs/page.md)"
)


def build(
    surroundings: Surroundings, board: Board, readers: Readers, failure: Failure
) -> tuple[BoardSite, list[Service]]:
    """Return what serves the page, and its services. `failure` gets the errors that must stop the worker."""
    settings, clock = surroundings.settings, surroundings.clock
    web, auth = settings.web, settings.web.auth
    # Without a login, there is one process, whose forms nobody else has to accept.
    seals = Seals(web.keys or [SecretStr(secrets.token_urlsafe(32))])
    cookies = Cookies(is_https=auth.is_set and web.is_https)
    sessions = Sessions(settings, clock.now)
    entrance = Entrance(web, seals, cookies, sessions, clock.now)
    publishing = Publishing(settings)
    audit = Audit(publishing.publish, clock)
    assets = Assets()
    rendering = Rendering(assets)
    showing = Showing(board, ROUTES, rendering)
    live = Live(showing, entrance, clock)
    provider = None if auth.oidc.issuer is None else Provider(auth.oidc, web.base_url or "", clock)
    login = Login(LoginNeeds(auth, seals, cookies, entrance, sessions, audit, clock, provider))
    site = BoardSite(
        Needs(
            routes=ROUTES,
            showing=showing,
            plain=Plain(rendering),
            assets=assets,
            readers=readers,
            seals=seals,
            cookies=cookies,
            entrance=entrance,
            sessions=sessions,
            login=login,
            gate=_giving(settings, publishing, audit, surroundings).gate,
            audit=audit,
            live=live,
            clock=clock,
            failure=failure,
        )
    )
    _say(settings)
    following = [Background(sessions.follow)] if entrance.has_sessions else []
    settling = Background(partial(settle, board, rendering, clock))
    return site, [publishing, *following, live, settling]


def _giving(settings: Settings, publishing: Publishing, audit: Audit, surroundings: Surroundings) -> Giving:
    prefix = settings.topic_prefix

    async def on_silence(command: dict[str, Any]) -> SilenceCommandResult | None:
        key, read = str(command["silence_id"]).encode(), SilenceCommandResult.model_validate_json
        return await ask(settings.kafka, silence_topics(prefix), key, command, ANSWER_SECONDS, read)

    on_case = partial(give, settings.kafka, alert_topics(prefix), seconds=ANSWER_SECONDS)
    return Giving(on_case, on_silence, publishing.publish, audit, surroundings.clock)


def _say(settings: Settings) -> None:
    """Say in the log what those who run the page have to know."""
    web = settings.web
    if not web.auth.is_set:
        log.warning(_NO_LOGIN)
    elif not web.trusted_proxies:
        log.warning(_NO_PROXIES)
