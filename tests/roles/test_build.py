"""The list of roles: every place that knows the roles knows the same ones, and each is built of its services."""

from typing import Any, get_args

import pytest

from worker import topic_plan
from worker.clock import SystemClock
from worker.errors import SettingsError
from worker.ingest.fetching import Fetcher, Standing
from worker.kafka import topics
from worker.kafka.producing import Producing
from worker.links.settings import WebSettings
from worker.notify.channels.chat.settings import ChatSettings
from worker.notify.channels.email.channel import Email
from worker.notify.channels.webhook.settings import WebhookSettings
from worker.receive.settings import ReceiveSettings
from worker.roles import NAMES, Role, names
from worker.roles.build import ROLES, build
from worker.roles.courier import Courier
from worker.roles.plan_rows import PlanRows
from worker.roles.process import Timers
from worker.roles.silences import FollowedSilences
from worker.roles.surroundings import Surroundings
from worker.roles.wakeups import WaitingForDigests
from worker.server import Server
from worker.service import Background, Service
from worker.settings import Settings
from worker.streams.lane import ViewRestater
from worker.streams.shell import Shell
from worker.web.auditing import Publishing
from worker.web.live import Live


def test_every_role_is_listed_once_and_has_its_tables_and_permissions() -> None:
    assert tuple(ROLES) == NAMES
    assert {"process", "notify"} == topics.TABLES.keys() == {*names("all")}
    assert {"process", "notify", "receive"} == topic_plan._READS.keys() == topic_plan._WRITES.keys()
    assert (*NAMES, "all") == get_args(Role)
    assert (*NAMES, "all", "publisher", "commander") == get_args(topic_plan.Role)


@pytest.mark.parametrize("role", NAMES)
def test_a_process_runs_the_role_that_is_asked_for(role: Role) -> None:
    assert names(role) == (role,)


async def test_the_role_web_waits_for_no_kafka_and_serves_the_page_only_where_it_is_safe(
    surroundings: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    async def kinds(web: WebSettings) -> set[type[Service]]:
        caplog.clear()
        surroundings.settings = Settings.model_construct(web=web)
        built = await build("web", surroundings)
        assert surroundings.kafka_found is None
        assert not next(service for service in built["web"] if isinstance(service, Server)).ready
        return {type(service) for service in built["web"]}

    assert await kinds(WebSettings(keys=["k" * 32])) == {Background, Server}
    assert "the page with scores and cases is not served" in caplog.text
    assert await kinds(WebSettings()) == {Background, Server, Publishing, Live}
    assert "the page has no login" in caplog.text
    everybody = {"header": {"user": "X-User"}, "everybody": "view"}
    with_login = WebSettings(
        keys=["k" * 32], base_url="https://x.test", auth=everybody, trusted_proxies=["10.0.0.0/8"], host="0.0.0.0"
    )
    assert await kinds(with_login) == {Background, Server, Publishing, Live}
    surroundings.settings = Settings.model_construct(web=WebSettings(host="0.0.0.0"))
    with pytest.raises(SettingsError, match="the page needs a login"):
        await build("web", surroundings)


async def test_the_role_receive_publishes_and_listens_and_needs_a_source(surroundings: Surroundings) -> None:
    source = {"name": "care", "tool": "template", "secrets": ["s"]}
    surroundings.settings = Settings.model_construct(receive=ReceiveSettings(sources=[source]))
    built = await build("receive", surroundings)

    assert [Producing, Server] == [type(service) for service in built["receive"]]
    assert not any(service.ready for service in built["receive"])
    surroundings.settings = Settings.model_construct()
    with pytest.raises(SettingsError, match=r"^receive\.sources: the role receive needs a source"):
        await build("receive", surroundings)


async def test_each_channel_that_has_endpoints_is_a_group_with_an_outbox_of_its_own(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[str, str]] = []

    async def begin_at_end(_: Settings, topic: str, consumer: topics.Consumed) -> bool:
        begun.append((topic, consumer.table))
        return True

    monkeypatch.setattr("worker.kafka.changelogs.begin_at_end", begin_at_end)
    endpoint = {"url": "https://example.org/", "secrets": ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
    settings = Settings.model_construct(
        webhook=WebhookSettings(endpoints={"crm": endpoint}),
        chat=ChatSettings(endpoints={"care": {"url": "https://example.org/"}}),
    )
    surroundings.settings = settings
    built = await build("notify", surroundings)

    shells = {name: service for name, services in built.items() for service in services if isinstance(service, Shell)}
    assert {name: (shell.app.conf.id, list(shell.tables)) for name, shell in shells.items()} == {
        "notify": ("nps-worker-notify", ["outbox", "plans"]),
        "webhook": ("nps-worker-webhook", ["webhooks", "webhook-plans"]),
        "chat": ("nps-worker-chat", ["chats", "chat-plans"]),
    }
    assert [type(service) for service in built["webhook"]] == [
        *(Shell, Background),
        *(Courier, Background, Background),  # the plans of receivers
        Courier,
    ]
    assert begun == [
        *(("chat-notices", "chat-plans"), ("alerts", "chats")),
        *(("webhook-notices", "webhook-plans"), ("alerts", "webhooks")),
    ]


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    async def ensure(_: Settings) -> topics.KafkaInfo:
        return topics.KafkaInfo("cluster", 1)

    monkeypatch.setattr(topics, "ensure", ensure)
    return Surroundings(Settings.model_construct(), SystemClock())


async def test_what_a_worker_of_all_roles_consists_of(surroundings: Surroundings) -> None:
    built = await build("all", surroundings)

    assert {role: [type(service) for service in services] for role, services in built.items()} == {
        "process": [Shell, Background, Background, Background],
        "silences": [FollowedSilences],
        "notify": [Shell, Background, Courier, Background, Background, Courier, Background],
        "watches": [Background, Background],
    }


async def test_a_worker_that_is_asked_to_renew_lets_its_mails_log_in_anew(surroundings: Surroundings) -> None:
    built = await build("notify", surroundings)
    couriers = [service for service in built["notify"] if isinstance(service, Courier)]

    assert surroundings.renewals
    assert [getattr(one, "__func__", None) for one in surroundings.renewals] == [Email.renew] * len(couriers)


async def test_kafka_is_waited_for_once_and_by_roles_only_that_need_it(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """integration/test_page.py runs such a role."""

    async def page(_: Surroundings) -> list[Service]:
        return []

    role: Any = "page"
    monkeypatch.setattr("worker.roles.build.ROLES", {role: page})
    assert await build(role, surroundings) == {"page": [], "watches": []}
    unasked = surroundings.kafka_found
    assert unasked is None

    found = await surroundings.kafka()
    assert found is await surroundings.kafka() is surroundings.kafka_found
    [watch] = (await build(role, surroundings))["watches"]
    assert isinstance(watch, Background)


async def test_a_table_has_the_observers_that_its_rows_are_shown_to(
    surroundings: Surroundings,
) -> None:
    built = await build("all", surroundings)
    tables = {
        name: [type(observer) for observer in table._observers]
        for services in built.values()
        for service in services
        if isinstance(service, Shell)
        for name, table in service.tables.items()
    }

    assert tables == {
        "contacts": [],
        "segments": [ViewRestater],
        "watches": [],
        "commands": [],
        "cases": [Timers],
        "silences": [ViewRestater],
        "outbox": [Courier],
        "plans": [WaitingForDigests, PlanRows, Courier],
    }


async def test_the_couriers_of_a_channel_share_what_they_know_of_its_servers(surroundings: Surroundings) -> None:
    built = await build("notify", surroundings)
    couriers = [service for services in built.values() for service in services if isinstance(service, Courier)]

    assert len({id(courier._trouble) for courier in couriers if courier._words.one == "mail"}) == 1
    assert len({id(courier._servers.of("").outage) for courier in couriers if courier._words.one == "mail"}) == 1


async def test_the_role_receive_fetches_and_merges_if_a_source_needs_it(surroundings: Surroundings) -> None:
    monkey = {"name": "monkey", "tool": "surveymonkey", "secrets": ["s"], "score_question": "1", "api_token": "t"}
    onsite = {"name": "onsite", "tool": "survicate", "secrets": ["s"], "score_question": "1"}
    surroundings.settings = Settings.model_construct(receive=ReceiveSettings(sources=[monkey, onsite]))
    built = await build("receive", surroundings)

    assert {role: [type(service) for service in services] for role, services in built.items()} == {
        "receive": [Producing, Server, Fetcher],
        "merge": [Shell, Background],
        "watches": [Background, Background],
    }
    [shell] = [service for service in built["merge"] if isinstance(service, Shell)]
    assert (shell.app.conf.id, list(shell.tables)) == ("nps-worker-merge", ["answers"])
    fetcher = built["receive"][-1]
    assert isinstance(fetcher, Fetcher)
    assert fetcher.standing() == dict.fromkeys(("monkey", "(unknown)"), Standing(0, in_outage=False))

    surroundings.settings = Settings.model_construct(receive=ReceiveSettings(sources=[{**monkey, "api_token": None}]))
    with pytest.raises(
        SettingsError, match=r"^receive\.sources, monkey: surveymonkey sends ids only, so it needs api_t"
    ):
        await build("receive", surroundings)
