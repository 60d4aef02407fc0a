"""README.md says what is so."""

import re
import tomllib
from pathlib import Path

import pytest
import readme

from worker import reference
from worker.settings import Settings, load

ROOT = Path(__file__).parents[1]


def test_its_generated_parts_are_up_to_date() -> None:
    text = readme.README.read_text()
    assert readme.filled(text) == text, "run: make readme"


def test_every_file_it_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", readme.README.read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


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


def test_every_setting_says_what_it_means() -> None:
    assert [setting.key for setting in reference.settings() if not setting.meaning] == []
