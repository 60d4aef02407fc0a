"""What is said of the settings is so."""

import re
import tomllib
from pathlib import Path

import pytest

from worker import reference
from worker.flow.responses.rules.detractor_alert import severity
from worker.settings import Settings, load

#: The line before the settings of sources.
_SOURCES_HEAD = "docs/sources.md says more."


def test_the_example_file_holds_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = reference.example()
    active = "\n".join(
        line.removeprefix("#") for line in text.splitlines() if not line.startswith("# ") and not line.endswith("…")
    )
    assert len(tomllib.loads(active)) > 5
    file = tmp_path / "worker.toml"
    file.write_text(active)
    monkeypatch.setenv("NPS_CONFIG", str(file))
    assert load() == Settings.model_construct()


def test_the_example_of_routes_is_in_the_file_and_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.removeprefix("#").removeprefix(" ") for line in reference.example().splitlines()]
    text = "\n".join(lines[lines.index("[receivers.support]") : lines.index(reference.ENDPOINTS.splitlines()[0]) - 1])
    file = tmp_path / "worker.toml"
    file.write_text(reference.example() + text)
    monkeypatch.setenv("NPS_CONFIG", str(file))

    settings = load()
    assert [route.name for route in settings.routing.root.all()] == ["default", "key accounts", "lyon", "lawyers"]
    assert [*settings.routing.receivers] == ["support", "lyon", "jean"]
    assert settings.vain_receivers() == []


def test_the_severities_that_are_said_are_those_of_the_alerts() -> None:
    said = {"critical": range(3), "error": range(3, 5), "warning": range(5, 7)}

    for word, scores in said.items():
        assert [word] * len(scores) == [severity(score, None, []) for score in scores]
    words = " ".join(reference.example().replace("# ", "").split())
    assert [severity(score, "vip", ["vip"]) for score in (2, 3, 5)] == ["critical", "critical", "error"]
    assert "critical for the scores 0 to 2, error for 3 and 4, and warning for 5 and 6" in words


def test_every_setting_says_what_it_means() -> None:
    assert [setting.key for setting in reference.settings() if not setting.meaning] == []


def test_the_example_of_endpoints_is_in_the_file_and_can_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line.removeprefix("#").removeprefix(" ") for line in reference.example().splitlines()]
    text = "\n".join(lines[lines.index(reference.ENDPOINTS.splitlines()[0]) : lines.index(_SOURCES_HEAD) - 1])
    file = tmp_path / "worker.toml"
    file.write_text(reference.example() + text)
    monkeypatch.setenv("NPS_CONFIG", str(file))

    settings = load()
    assert settings.further_channels == {"webhook", "chat"}
    assert settings.chat.endpoints["care"].format == "mattermost"


def test_the_example_of_sources_is_in_the_file_and_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("made-up")
    lines = [line.removeprefix("#").removeprefix(" ") for line in reference.example().splitlines()]
    text = "\n".join(lines[lines.index(reference.SOURCES.splitlines()[0]) :])
    file = tmp_path / "worker.toml"
    file.write_text(re.sub(r"/run/secrets/\w+", str(secret), reference.example() + text))
    monkeypatch.setenv("NPS_CONFIG", str(file))

    receive = load().receive
    assert [source.path for source in receive.sources] == ["/receive/after_delivery", "/receive/care"]
    assert receive.sources[1].mapping.fields["customer.email"] == "caller.email"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("incidents.least_points", "At least 1 and at most 20."),
        ("incidents.false_alarms_per_year", "At least 0.01 and at most 10,000."),
        ("alerts.max_age_days", "More than 0 and at most 36,500."),
        ("invitations.platform.selective", 'One of "allowed", "forbidden".'),
    ],
)
def test_the_limits_of_a_setting_are_said(key: str, words: str) -> None:
    (setting,) = (one for one in reference.settings() if one.key == key)

    assert setting.meaning.endswith(words)


def test_a_setting_without_limits_says_nothing_of_them() -> None:
    (setting,) = (one for one in reference.settings() if one.key == "topic_prefix")

    assert " at most " not in setting.meaning
