"""The plan as commands: what they create, read back, is what the worker would create."""

import shlex

import pytest

from worker import topic_plan
from worker.kafka import topics
from worker.notify.channels.chat.settings import ChatSettings
from worker.receive.settings import ReceiveSettings
from worker.settings import KafkaSettings, Settings

SETTINGS = Settings.model_construct(
    topic_prefix="acme", kafka=KafkaSettings(group="desk", partitions=6, replication_factor=3)
)


def options(line: str) -> dict[str, list[str]]:
    """Return a command's options, each with all its values."""
    words, found = shlex.split(line)[1:], dict[str, list[str]]()
    while words:
        option = words.pop(0)
        values = found.setdefault(option, [])
        if words and not words[0].startswith("--"):
            values.append(words.pop(0))
    return found


def commands(
    form: topic_plan.Form, role: topic_plan.Role = "all", settings: Settings = SETTINGS
) -> list[dict[str, list[str]]]:
    return [options(line) for line in topic_plan.shown(settings, form, role, "User:x")]


def test_kafka_topics_creates_every_topic_with_all_of_its_configs() -> None:
    made = {found["--topic"][0]: found for found in commands("kafka-topics")}
    for plan in topics.planned_topics(SETTINGS):
        found = made.pop(plan.name)
        assert {"--create", "--if-not-exists"} <= found.keys()
        assert found["--partitions"] == [str(plan.partitions or 6)]
        assert found["--replication-factor"] == ["3"]
        assert dict(pair.split("=", 1) for pair in found["--config"]) == plan.config
    assert made == {}


def test_kafka_configs_sets_every_config_of_every_topic() -> None:
    made = {found["--entity-name"][0]: found["--add-config"][0] for found in commands("kafka-configs")}
    assert {name: dict(pair.split("=", 1) for pair in text.split(",")) for name, text in made.items()} == {
        plan.name: plan.config for plan in topics.planned_topics(SETTINGS)
    }


def allowed(role: topic_plan.Role, settings: Settings = SETTINGS) -> dict[str, set[str]]:
    made = commands("kafka-acls", role, settings)
    assert all(found["--allow-principal"] == ["User:x"] for found in made)
    return {
        name: set(found["--operation"])
        for found in made
        for name in (*found.get("--topic", ()), *found.get("--group", ()))
    }


def test_whoever_only_sends_mail_may_write_no_response_and_read_none() -> None:
    granted = allowed("notify")
    assert {"Read", "Write"} & granted["acme.responses"] == set()
    assert {"Read", "Write"} & granted["acme.alerts"] == {"Read"}
    assert {"Read", "Write"} & granted["acme.silences"] == {"Read"}
    assert {"Read", "Write"} & granted["acme.silence-commands"] == set()
    assert {"Read", "Write"} <= granted["desk-notify-outbox-changelog"]
    assert "desk-process" not in granted


def test_a_publisher_may_write_responses_only() -> None:
    assert allowed("publisher") == {"acme.responses": {"Describe", "Write"}}


def test_a_commander_may_write_commands_and_read_their_answers_only() -> None:
    assert allowed("commander") == {
        "acme.alert-commands": {"Describe", "Write"},
        "acme.alert-command-results": {"Describe", "Read"},
        "acme.silence-commands": {"Describe", "Write"},
        "acme.silence-command-results": {"Describe", "Read"},
        "acme.silences": {"Describe", "Read"},
    }


def test_the_role_web_may_write_commands_answers_and_who_did_what_and_read_what_the_page_shows_only() -> None:
    both, reads, writes = {"Describe", "Read", "Write"}, {"Describe", "Read"}, {"Describe", "Write"}
    read = (
        "acme.scores", "desk-process-segments-changelog", "desk-process-cases-changelog", "acme.silences",
        "acme.alerts", "acme.recoveries", "acme.decisions", "acme.deliveries", "acme.dead-letters",
        "acme.alert-command-results", "acme.silence-command-results",
    )  # fmt: skip
    written = ("acme.alert-commands", "acme.silence-commands", "acme.responses")
    expected = {**dict.fromkeys(read, reads), **dict.fromkeys(written, writes), "acme.audit": both}
    assert allowed("web") == expected


def test_the_role_receive_may_write_what_deliveries_become_and_read_no_response() -> None:
    source = {"name": "care", "tool": "template", "secrets": ["s"]}
    settings = Settings.model_construct(
        topic_prefix="acme", kafka=SETTINGS.kafka, receive=ReceiveSettings(sources=[source])
    )
    granted = allowed("receive", settings)

    used = {name: {"Read", "Write"} & operations for name, operations in granted.items()}
    assert {"acme.responses": {"Write"}, "acme.dead-letters": {"Write"}, "acme.worker": {"Read", "Write"}} == {
        name: operations for name, operations in used.items() if operations
    }
    assert not any(name.startswith("desk-receive") for name in granted)


def test_all_is_both_roles() -> None:
    both, process, notify = allowed("all"), allowed("process"), allowed("notify")
    assert both == {name: process.get(name, set()) | notify.get(name, set()) for name in process | notify}


@pytest.mark.parametrize("name", ["acme.responses", "acme.worker", "desk-notify-outbox-changelog"])
def test_the_text_names_every_topic(name: str) -> None:
    assert any(line.startswith(f"{name}: partitions ") for line in topic_plan.shown(SETTINGS, "text", "all", ""))


def test_a_channel_that_has_endpoints_has_a_group_an_outbox_and_plans_and_may_write_them() -> None:
    outbox, group = "desk-chat-chats-changelog", "desk-chat"
    own = {outbox, "desk-chat-chat-plans-changelog", "acme.chat-notices"}
    chat = ChatSettings(endpoints={"care": {"url": "https://chat.example.org/"}})
    settings = Settings.model_construct(topic_prefix="acme", kafka=SETTINGS.kafka, chat=chat)

    assert own.isdisjoint(plan.name for plan in topics.planned_topics(SETTINGS))
    assert {*own, group}.isdisjoint(allowed("all"))
    assert {plan.name for plan in topics.planned_topics(settings)} - {
        plan.name for plan in topics.planned_topics(SETTINGS)
    } == own
    assert own <= topics.internal_topics(settings)
    for role in ("notify", "all"):
        granted = allowed(role, settings)
        assert all({"Read", "Write"} <= granted[name] for name in own)
        assert granted[group] == {"Describe", "Read"}
    assert not any("Write" in allowed("process", settings)[name] for name in own)
    assert group not in allowed("process", settings)
    assert [consumer.role for consumer in topics.consumers(settings, "alerts")] == ["notify", "chat"]
    assert [consumer.role for consumer in topics.consumers(SETTINGS, "alerts")] == ["notify"]
    assert topics.consumers(settings, "chat-notices") == [topics.Consumed("chat", "chat-plans")]
    assert topics.consumers(SETTINGS, "chat-notices") == []


def test_a_topic_of_another_program_is_only_read_and_has_a_group_and_a_changelog_of_its_own() -> None:
    topic = {"name": "crm", "topic": "crm.answers", "tool": "template"}
    settings = Settings.model_construct(
        topic_prefix="acme", kafka=SETTINGS.kafka, receive=ReceiveSettings(topics=[topic])
    )
    changelog, group = "desk-topic-crm-offsets-changelog", "desk-topic-crm"
    granted, usual = allowed("receive", settings), allowed("receive", SETTINGS)

    assert {name: granted[name] for name in granted.keys() - usual.keys()} == {
        "crm.answers": {"Describe", "Read"},
        changelog: {"Create", "Describe", "DescribeConfigs", "Read", "Write", "Alter"},
        group: {"Describe", "Read"},
    }
    assert not {"crm.answers", changelog, group} & allowed("all", settings).keys()
    assert changelog in topics.internal_topics(settings)
    assert changelog not in {plan.name for plan in topics.planned_topics(settings)}
    [made] = [found for found in commands("kafka-topics", settings=settings) if found["--topic"] == [changelog]]
    assert made["--partitions"] == ["as many as crm.answers has"]
    assert [changelog] in [found["--entity-name"] for found in commands("kafka-configs", settings=settings)]
    text = topic_plan.shown(settings, "text", "all", "")
    assert f"{changelog}: as many partitions as crm.answers has, replication factor 3" in text
    assert not [line for line in text if line.startswith("crm.answers")]


def test_the_receivers_internal_topics_exist_only_if_a_source_needs_them() -> None:
    usual = {plan.name for plan in topics.planned_topics(SETTINGS)}

    def further(tool: str) -> set[str]:
        source = {"name": "one", "tool": tool, "secrets": ["s"], "score_question": "q"}
        settings = Settings.model_construct(
            topic_prefix="acme", kafka=SETTINGS.kafka, receive=ReceiveSettings(sources=[source])
        )
        return {plan.name for plan in topics.planned_topics(settings)} - usual

    assert further("typeform") == set()
    assert further("surveymonkey") == {"acme.fetches"}
    assert further("survicate") == {"acme.response-parts", "desk-merge-answers-changelog"}
