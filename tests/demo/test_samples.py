"""The answer that `publish --sample` makes up: it fits together, and is found among the others."""

import json
import random
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from worker.demo import samples, show
from worker.kafka.publishing import lines

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
#: The times of answers, as the samples have them.
_TIMES = re.compile(r'(?<="responded_at": ")\d{4}-[^"]+[+-]\d\d:\d\d')


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


def test_the_shipped_answers_get_new_times_and_nothing_else_is_changed() -> None:
    before, after = list(lines(samples.FILE)), samples.shipped(NOW)
    times = [datetime.fromisoformat(found) for value in after for found in _TIMES.findall(value.decode())]

    assert (min(times), max(times)) == (NOW - timedelta(days=13), NOW)
    assert len(times) > 200
    assert [_TIMES.sub("", value.decode()) for value in after] == [_TIMES.sub("", value.decode()) for value in before]
    old = [datetime.fromisoformat(found) for value in before for found in _TIMES.findall(value.decode())]
    newer_than_the_one_before = [[a < b for a, b in pairwise(some)] for some in (old, times)]
    assert newer_than_the_one_before[0] == newer_than_the_one_before[1]


@pytest.mark.parametrize("seed", range(50))
def test_the_first_of_endless_answers_is_of_a_very_unhappy_customer(seed: int) -> None:
    first = json.loads(next(samples.endless(random.Random(seed), 0, lambda: NOW)))

    assert first["score"] <= 2
    assert first["comment"] in {
        text for (_, mood, _), found in samples._COMMENTS.items() if mood == "low" for text in found
    }


async def test_the_answers_of_a_file_keep_their_times(tmp_path: Path) -> None:
    """Both demos publish what the file says, byte by byte; without a file, the samples have the time of today."""
    value = b'{"response_id": "r-1", "score": 0, "responded_at": "2019-03-01T10:00:00+01:00"}'
    file = tmp_path / "answers.jsonl"
    file.write_bytes(value + b"\n" + value + b"\n")

    assert list(show.values_to_publish(file, NOW)) == [value, value]
    assert [published async for published in show.Published(file, rate=1e6)] == [value, value]
    assert show.values_to_publish(None, NOW) == samples.shipped(NOW)
