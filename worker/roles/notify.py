"""The notify role: alerts and incidents become pending notices in durable rows, and couriers send them.

E-mail is always used. The webhook and the chat are used if they have endpoints.
"""

from functools import partial

from worker.kafka import topics
from worker.notify.channels.chat import NAME as CHAT
from worker.notify.channels.chat.channel import Chat
from worker.notify.channels.email import NAME as EMAIL
from worker.notify.channels.email.channel import Email
from worker.notify.channels.webhook import NAME as WEBHOOK
from worker.notify.channels.webhook.channel import Webhook
from worker.roles import notifying
from worker.roles.left_waiting import report_waiting
from worker.roles.notifying import Sending
from worker.roles.surroundings import Surroundings
from worker.service import Background, Service

ROLE = "notify"


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services for e-mail, and a look at what waits in channels that are not used any more."""
    settings = surroundings.settings
    services = await notifying.build(surroundings, ROLE, topics.OUTBOX, _email(surroundings), _email(surroundings))
    return [*services, Background(partial(report_waiting, settings))]


async def build_further(surroundings: Surroundings) -> dict[str, list[Service]]:
    """Return the role's services for each further channel that is configured, by its name."""
    return {
        channel: await notifying.build_further(
            surroundings, channel, _sending(channel, surroundings), _sending(channel, surroundings)
        )
        for channel in sorted(surroundings.settings.further_channels)
    }


def _email(surroundings: Surroundings) -> Sending:
    settings = surroundings.settings
    channel = Email(settings.smtp, settings.letterhead)
    surroundings.renewals.append(channel.renew)
    return Sending(channel, settings.planner(EMAIL), settings.email.retry)


def _sending(channel: str, surroundings: Surroundings) -> Sending:
    settings, spans = surroundings.settings, surroundings.spans
    planner, links = settings.planner(channel), settings.web.links_in_notices
    if channel == WEBHOOK:
        webhook = Webhook(settings.webhook, links=links, trace_headers=None if spans is None else spans.headers)
        return Sending(webhook, planner, settings.webhook.retry)
    assert channel == CHAT
    return Sending(Chat(settings.chat, links), planner, settings.chat.retry)
