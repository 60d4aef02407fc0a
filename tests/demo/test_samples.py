"""The answer that `publish --sample` makes up: it fits together, and is found among the others."""

import json
import random
from datetime import UTC, datetime

import pytest

from worker.demo import samples
from worker.kafka.publishing import lines

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("score", [0, 2, 6, 7, 8, 9, 10])
def test_the_language_of_the_comment_is_that_of_the_name_and_the_segment(score: int) -> None:
    for seed in range(100):
        made = json.loads(samples.one(random.Random(seed), score, NOW))
        language = made["language"]
        texts = {text for (of, *_), found in samples._COMMENTS.items() if of == language for text in found}
        assert made["comment"] is None or made["comment"] in texts
        assert made["customer"]["name"] in samples._OWN_NAMES[language]
        assert made["score"] == score


def test_no_other_sample_has_its_name() -> None:
    shipped = b"\n".join(lines(samples.FILE)).decode()
    others = {name for names in samples._NAMES.values() for name in names}
    for seed in range(100):
        name = json.loads(samples.one(random.Random(seed), 2, NOW))["customer"]["name"]
        assert name not in others
        assert name not in shipped


def test_it_is_described_by_name_score_and_segment() -> None:
    value = {"customer": {"name": "Solène Guyot"}, "score": 2, "segment": ["fr", "nantes", "delivery"]}

    assert samples.described(json.dumps(value).encode()) == "Solène Guyot, score 2, fr/nantes/delivery"
