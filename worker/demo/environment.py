"""The environment of the demo: a Kafka, an inbox and a running worker, all of them on this machine."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from worker.app import Worker, running
from worker.demo import receivers
from worker.demo.backlog import Backlog
from worker.demo.mails import MailFolder
from worker.demo.tools import Tools
from worker.embedded.inbox import Inbox
from worker.embedded.kafka import HOST, EmbeddedKafka, free_port, is_free
from worker.flow.policy import InvitationPolicy, Platform
from worker.kafka.preflight import preflight
from worker.links.settings import WebSettings
from worker.metrics.settings import MetricsSettings
from worker.notify.channels.email.smtp import SmtpSettings
from worker.receive.settings import ReceiveSettings
from worker.settings import KafkaSettings, Settings

#: Where deploy/prometheus/demo.yml looks for the metrics of the worker, and of the role receive.
METRICS_PORT, RECEIVER_METRICS_PORT = 9464, 9465


@dataclass
class Environment:
    """What the demo runs, and the backlog of the worker."""

    settings: Settings
    worker: Worker
    inbox: Inbox
    backlog: Backlog
    #: The role web, which serves the page, and the pages of the links in mails; None if it does not run.
    web: Worker | None = None
    #: The role receive, to which the tools of the demo deliver; None if it does not run.
    receiver: Worker | None = None

    @property
    def workers(self) -> list[Worker]:
        """The workers that run."""
        return [worker for worker in (self.worker, self.web, self.receiver) if worker is not None]

    @property
    def delivers_to(self) -> str | None:
        """The beginning of the addresses to which tools deliver; None if the role receive does not run."""
        receive = self.settings.receive
        return None if self.receiver is None else f"http://{receive.host}:{receive.port}"

    @property
    def metrics(self) -> str:
        """The address of the metrics, which the live demo serves, and the port of those of the role receive."""
        assert self.receiver is not None
        bind, other = self.worker.probed_at, self.receiver.probed_at
        assert bind is not None
        assert other is not None
        return f"http://{bind.host}:{bind.port}/metrics and :{other.port}"


@contextlib.asynccontextmanager
async def set_up(
    progress: Callable[[str], None],
    started: list[str],
    kafka: str | None = None,
    mails: Path | None = None,
    *,
    live: bool,
    tools: Tools | None = None,
) -> AsyncIterator[Environment]:
    """Set the environment up, and take it down at the end.

    `progress` is called with lines that say what is being done. The names of the parts that were started are added to
    `started`. `kafka` (host:port) is a Kafka to use instead of an embedded one, with new topics. `mails` is a folder
    in which each mail that arrives becomes a file. If it is `live`, alerts can escalate and digests come
    (receivers.py), the worker serves its metrics, and the role web serves the page and the links in mails. With
    `tools`, the role receive takes their deliveries.

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
        # The screen and the mails name these ports, so they are chosen before anything listens.
        deliveries = free_port()
        pages = free_port(but={deliveries})
        settings = Settings.model_construct(
            topic_prefix=prefix,
            kafka=KafkaSettings(bootstrap_servers=kafka, group=f"{prefix}-worker"),
            invitations=InvitationPolicy(platform=Platform(url="https://example.com/tell-your-story")),
            smtp=SmtpSettings(host=inbox.host, port=inbox.port, tls="none"),
            receive=ReceiveSettings() if tools is None else tools.settings(deliveries),
            **(receivers.desk_and_lead() | {"web": _pages(pages)} if live else receivers.desk()),
        )
        progress("starting the worker")
        worker = await stack.enter_async_context(running(_measured(settings, METRICS_PORT) if live else settings))
        web = await stack.enter_async_context(running(settings, "web")) if live else None
        receiver = None
        if tools is not None:
            receiving = _measured(settings, RECEIVER_METRICS_PORT) if live else settings
            receiver = await stack.enter_async_context(running(receiving, "receive"))
        started.append("the worker")
        backlog = await stack.enter_async_context(Backlog(settings, worker))
        yield Environment(settings, worker, inbox, backlog, web, receiver)


def _pages(port: int) -> WebSettings:
    """Return the settings of the page, which has no login here, and of the links, with a new key."""
    return WebSettings(base_url=f"http://{HOST}:{port}", port=port, keys=[SecretStr(secrets.token_urlsafe(32))])


def _measured(settings: Settings, port: int) -> Settings:
    """Return the settings with metrics that are served at a port, or at another one if that is taken."""
    metrics = MetricsSettings(bind=f"{HOST}:{port if is_free(port) else 0}")
    return settings.model_copy(update={"metrics": metrics})
