"""The role web: it follows what the other roles publish, and serves the page, and the pages of links.

It is no consumer group, and creates no topics. Any number of processes may serve the same pages.
"""

import logging
from functools import partial

from aiohttp import web

from worker.alerts.commanding import give
from worker.board.board import Board
from worker.errors import SettingsError
from worker.kafka.asking import alert_topics
from worker.links.signing import Links
from worker.notify.content.readers import Readers, zone
from worker.roles import page
from worker.roles.page import ANSWER_SECONDS
from worker.roles.surroundings import Surroundings
from worker.server import Server
from worker.service import Failure, Service
from worker.settings import Settings
from worker.web.board_site import BoardSite
from worker.web.following.cases_of_links import CasesOfLinks
from worker.web.following.services import following_all, following_cases
from worker.web.following.sources import bounds_of
from worker.web.settling import return_large_blocks
from worker.web.site import HEADERS, LARGEST_BODY, Needs, Site

log = logging.getLogger(__name__)

#: The largest number of connections: those of open pages (live.MOST_CLIENTS), and others, so that links and pages can
#: be reached while all of these are open. With the connections to Kafka, it is below the usual limit of a process.
_MOST_CONNECTIONS = 900
_NOT_SERVED = (
    "the page with scores and cases is not served, only the links in mails are: others may reach this role, perhaps "
    "through a proxy, so the page needs a login (web.auth; docs/page.md)"
)


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services: what follows Kafka, and the server.

    Raise SettingsError if with these settings there is nothing that may be served.
    """
    settings, clock = surroundings.settings, surroundings.clock
    if settings.web.problem is not None:
        raise SettingsError([settings.web.problem])
    return_large_blocks()
    failure = Failure()
    board = Board.bounded(bounds_of(settings), settings.cases)
    cases = CasesOfLinks(board)
    readers = readers_of(settings)
    application = web.Application(client_max_size=LARGEST_BODY)
    site = _links(surroundings, cases, readers, failure, settings.web.links)
    application.router.add_get("/healthz", site.health)
    if settings.web.links is not None:
        application.add_routes(site.routes())
    services: list[Service] = []
    served: BoardSite | None = None
    if settings.web.serves_page:
        served, services = page.build(surroundings, board, readers, failure)
        application.add_routes(served.routes())
        application.router.add_route("*", "/{path:.*}", served.not_found())
        following = following_all(settings, board, clock)
    else:
        log.warning(_NOT_SERVED)
        application.router.add_route("*", "/{path:.*}", site.not_found)
        following = following_cases(settings, board, clock)
    server = Server(
        application,
        settings.web.host,
        settings.web.port,
        failure,
        headers=HEADERS,
        is_ready=lambda: cases.ready and (served is None or served.ready),
        most_connections=_MOST_CONNECTIONS,
    )
    # What serves live updates stops before the server does, which waits for what is being answered.
    return [*following, server, *services]


def readers_of(settings: Settings) -> Readers:
    """Return for whom pages are written if neither a person nor a browser says."""
    email = settings.email
    return Readers(email.default_language, None if email.time_zone is None else zone(email.time_zone))


def _links(
    surroundings: Surroundings, cases: CasesOfLinks, readers: Readers, failure: Failure, links: Links | None
) -> Site:
    """Return the pages of links. Without keys, no link is valid."""
    settings = surroundings.settings
    return Site(
        Needs(
            links=links or Links((), settings.web.link_days),
            cases=cases,
            give=partial(give, settings.kafka, alert_topics(settings.topic_prefix), seconds=ANSWER_SECONDS),
            policy=settings.cases,
            readers=readers,
            receivers=settings.routing.receivers,
            clock=surroundings.clock,
            failure=failure,
            proxies=settings.web.proxies,
            page_url=settings.web.page_url,
        )
    )
