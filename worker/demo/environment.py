"""The environment of the demo: a Kafka, an inbox and a running worker, all of them on this machine."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from worker.app import Worker, running
from worker.demo.backlog import Backlog
from worker.demo.mails import MailFolder
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.flow.policy import InvitationPolicy, Platform
from worker.kafka.preflight import preflight
from worker.notify.channels.email.smtp import SmtpSettings
from worker.settings import EmailSettings, KafkaSettings, Settings


@dataclass
class Environment:
    """What the demo runs, and the backlog of the worker."""

    settings: Settings
    worker: Worker
    inbox: Inbox
    backlog: Backlog


@contextlib.asynccontextmanager
async def set_up(
    progress: Callable[[str], None], started: list[str], kafka: str | None = None, mails: Path | None = None
) -> AsyncIterator[Environment]:
    """Set the environment up, and take it down at the end.

    `progress` is called with lines that say what is being done. The names of the parts that were started are added to
    `started`. `kafka` (host:port) is a Kafka to use instead of an embedded one, with new topics. `mails` is a folder
    in which each mail that arrives becomes a file.

    Raise Unreachable or Refused if `kafka` cannot be reached or does not let the demo in.
    """
    async with contextlib.AsyncExitStack() as stack:
        prefix = "nps" if kafka is None else f"nps-demo-{secrets.token_hex(4)}"
        if kafka is None:
            kafka = (await stack.enter_async_context(EmbeddedKafka(progress=progress))).bootstrap_servers
            started.append("Kafka")
        else:
            await preflight(KafkaSettings(bootstrap_servers=kafka))
        inbox = await stack.enter_async_context(Inbox(on_mail=None if mails is None else MailFolder(mails).add))
        started.append("the inbox")
        settings = Settings.model_construct(
            topic_prefix=prefix,
            kafka=KafkaSettings(bootstrap_servers=kafka, group=f"{prefix}-worker"),
            invitations=InvitationPolicy(platform=Platform(url="https://example.com/tell-your-story")),
            smtp=SmtpSettings(host=inbox.host, port=inbox.port, tls="none"),
            email=EmailSettings(sender="nps-worker@example.com", to=["support@example.com"]),
        )
        progress("starting the worker")
        worker = await stack.enter_async_context(running(settings))
        started.append("the worker")
        yield Environment(settings, worker, inbox, await stack.enter_async_context(Backlog(settings, worker)))
