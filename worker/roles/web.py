"""The role web: it follows the cases, and serves the pages of links, on which people acknowledge and resolve alerts.

It is no consumer group, and creates no topics. Any number of processes may serve the same pages.
"""

from functools import partial

from worker.alerts.commanding import give
from worker.errors import SettingsError
from worker.flow import events
from worker.kafka.asking import Topics
from worker.kafka.topics import CASES, changelog_name, topic_name
from worker.notify.content.readers import Readers, zone
from worker.roles.surroundings import Surroundings
from worker.server import Server
from worker.service import Background, Failure, Service
from worker.web.following import FollowedCases
from worker.web.site import HEADERS, Needs, Site

#: How long a page waits for the worker's answer to a command, in seconds.
_ANSWER_SECONDS = 10.0


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services: the task that follows the cases, and the server. Raise SettingsError without keys."""
    settings = surroundings.settings
    links = settings.web.links
    if links is None:
        raise SettingsError([settings.web.problem or ""])
    prefix = settings.topic_prefix
    commands = Topics(topic_name(prefix, events.ALERT_COMMANDS), topic_name(prefix, events.ALERT_COMMAND_RESULTS))
    cases = FollowedCases(settings.kafka, changelog_name(settings.kafka.group, "process", CASES), settings.cases)
    email = settings.email
    failure = Failure()
    site = Site(
        Needs(
            links=links,
            cases=cases,
            give=partial(give, settings.kafka, commands, seconds=_ANSWER_SECONDS),
            policy=settings.cases,
            readers=Readers(email.default_language, None if email.time_zone is None else zone(email.time_zone)),
            receivers=settings.routing.receivers,
            clock=surroundings.clock,
            failure=failure,
        )
    )
    server = Server(
        site.application(),
        settings.web.host,
        settings.web.port,
        failure,
        headers=HEADERS,
        is_ready=lambda: cases.ready,
    )
    return [Background(cases.follow), server]
