"""`check-config` tries what the worker will need, on a real Kafka and a real inbox, and creates nothing."""

from pathlib import Path

from integration.conftest import make_settings
from integration.processes import environment, worker_process
from integration.reading import read_topic
from notify.rigs import What, http_server
from standardwebhooks.webhooks import Webhook

from worker.embedded.inbox import Inbox
from worker.embedded.kafka import EmbeddedKafka
from worker.kafka import topics
from worker.settings import KafkaSettings

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


async def test_what_works_is_said_and_nothing_is_created(kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path) -> None:
    env = environment(kafka.bootstrap_servers, inbox, "checked-config", tmp_path)
    for _ in range(2):
        async with worker_process("check-config", "--connect", env=env) as process:
            assert await process.exited() == 0
        assert any(
            line.startswith("kafka    ok: it lets the worker in; the worker will create ") for line in process.lines
        )
        assert process.lines[-1] == "mail     ok: the server answers"
    assert inbox.accepted == 0


async def test_the_servers_of_endpoints_are_reached_and_get_nothing(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path, unused_tcp_port: int
) -> None:
    env = environment(kafka.bootstrap_servers, inbox, "checked-endpoints", tmp_path)
    async with http_server() as server:
        env |= {
            "NPS_WEBHOOK__ENDPOINTS__CRM__URL": f"http://127.0.0.1:{server.port}/hidden?token=hidden",
            "NPS_WEBHOOK__ENDPOINTS__CRM__SECRETS": f'["{SECRET}"]',
            "NPS_CHAT__ENDPOINTS__CARE__URL": f"http://127.0.0.1:{unused_tcp_port}/hidden",
        }
        async with worker_process("check-config", "--connect", env=env) as process:
            assert await process.exited() == 1

    posted = "opened, updated, withdrawn, resolved, wider, deeper, worse, mix_changed, partly_recovered"
    assert f"webhook  crm: 127.0.0.1, 1 secret, posts {posted}" in process.lines
    assert "chat     care: slack, posts opened, withdrawn, resolved, wider, deeper, worse, mix_changed" in process.lines
    assert process.lines[-2:] == [
        "webhook  ok: the server of crm can be reached",
        "chat     failed: refused: chat care: the connection was refused (chat.endpoints.care.url)",
    ]
    assert not any(hidden in line for line in process.lines for hidden in ("hidden", SECRET))
    assert server.requests == []


async def test_a_receivers_endpoints_get_a_test() -> None:
    async with http_server() as crm, http_server() as room:
        env = {
            "NPS_WEBHOOK__ENDPOINTS__CRM__URL": f"http://127.0.0.1:{crm.port}/hidden?token=hidden",
            "NPS_WEBHOOK__ENDPOINTS__CRM__SECRETS": f'["{SECRET}"]',
            "NPS_WEBHOOK__ENDPOINTS__OTHER__URL": "https://127.0.0.1:1/hidden",
            "NPS_WEBHOOK__ENDPOINTS__OTHER__SECRETS": f'["{SECRET}"]',
            "NPS_CHAT__ENDPOINTS__CARE__URL": f"http://127.0.0.1:{room.port}/hidden",
            "NPS_RECEIVERS__DESK__WEBHOOK": "crm",
            "NPS_RECEIVERS__DESK__CHAT": "care",
            "NPS_RECEIVERS__OTHERS__WEBHOOK": "other",
            "NPS_ROUTE__RECEIVERS": '["desk", "others"]',
        }
        async with worker_process("check-config", "--send-test-event", "desk", env=env) as both:
            assert await both.exited() == 0, both.lines
        room.does = What.NEVER
        async with worker_process("check-config", "--send-test-event", "care", env=env) as refused:
            assert await refused.exited() == 1
        async with worker_process("check-config", "--send-test-event", "nobody", env=env) as unknown:
            assert await unknown.exited() == 2

    assert both.lines[-2:] == ["webhook  ok: crm has accepted a test", "chat     ok: care has accepted a test"]
    assert refused.lines[-1].startswith("chat     failed: http_404: chat care: ")
    assert unknown.count("no receiver with an endpoint, and no endpoint, is called nobody") == 1
    assert not any("hidden" in line for process in (both, refused, unknown) for line in process.lines)
    [(request, body)] = crm.requests
    event = Webhook(SECRET).verify(body, dict(request.headers))
    assert (event["type"], event["id"]) == ("nps.ping.v1", request.headers["webhook-id"])
    assert ["Test of the detractor alerting worker" in body.decode() for _, body in room.requests] == [True, True]


async def test_a_test_mail_arrives(kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path) -> None:
    env = environment(kafka.bootstrap_servers, inbox, "checked-mail", tmp_path)
    async with worker_process("check-config", "--send-test-mail", "me@example.org", env=env, fresh=True) as process:
        assert await process.exited() == 0

    assert process.lines[-1] == "mail     ok: the server has accepted a test mail to me@example.org"
    assert [mail.message["To"] for mail in inbox.mails] == ["me@example.org"]


async def test_topics_that_fit_and_a_prefix_of_another_group_are_told_apart(
    kafka: EmbeddedKafka, inbox: Inbox, tmp_path: Path
) -> None:
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="checked-topics")
    settings = make_settings(kafka, inbox, topic_prefix="checked-topics", kafka=own)
    await topics.ensure(settings)
    env = environment(kafka.bootstrap_servers, inbox, settings.topic_prefix, tmp_path)
    async with worker_process("check-config", "--connect", env=env) as process:
        assert await process.exited() == 0
    assert "kafka    ok: it lets the worker in; all topics exist and are configured correctly" in process.lines

    async with worker_process("check-config", "--connect", env=env | {"NPS_KAFKA__GROUP": "another"}) as process:
        assert await process.exited() == 1
    assert any(f"belong to the group {settings.kafka.group}" in line for line in process.lines)
    claims = await read_topic(kafka.bootstrap_servers, topics.ownership_topic(settings))
    assert len(claims) == 1
