"""The notify role: alerts and incidents become pending mails in durable rows, and a courier sends the mails."""

from worker.notify.channels.email.channel import Email
from worker.roles import notifying
from worker.roles.notifying import Sending
from worker.roles.surroundings import Surroundings
from worker.service import Service

ROLE = "notify"


async def build(surroundings: Surroundings) -> list[Service]:
    """Return the role's services: its shell, the log line of each minute, and the courier of e-mail."""
    settings = surroundings.settings
    email = settings.email
    sending = Sending(Email(settings.smtp, email.letterhead), email.planner(settings.intake), email.retry)
    return await notifying.build(surroundings, ROLE, sending)
