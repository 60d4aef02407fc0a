"""The sample history says which shop got worse last month, which one got better in the year, and how sure that is."""

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from schemas.decision import Category
from worker.demo import samples
from worker.demo.history import DAYS, history
from worker.flow.responses.formats import bare
from worker.lineage import SEPARATOR
from worker.nps.histogram import classify
from worker.nps.interval import difference
from worker.nps.windows import Classes

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ANSWERS = [bare.read(value) for value in history(NOW)]
SHOPS = ("fr/lyon", "fr/nantes", "fr/paris", "uk/bristol", "uk/leeds")


def counts(shop: str, first: int, last: int) -> Classes:
    """Return the answers of a shop that were given from `last` to `first` days before today."""
    found = Counter(
        classify(answer.score)
        for answer in ANSWERS
        if SEPARATOR.join(map(str, answer.segment[:2])) == shop
        and first <= (NOW.date() - answer.responded_at.astimezone(UTC).date()).days <= last
    )
    return found[Category.PROMOTER], found[Category.PASSIVE], found[Category.DETRACTOR]


def test_every_answer_is_one_of_the_past_and_lies_in_the_year_before_today() -> None:
    days = {answer.responded_at.date() for answer in ANSWERS}

    assert len(ANSWERS) == 7_313  # docs/demo.md names it
    assert all(answer.history and not answer.test for answer in ANSWERS)
    assert (date(2025, 5, 2), date(2026, 4, 30), DAYS) == (min(days), max(days), len(days))
    assert [answer.responded_at for answer in ANSWERS] == sorted(answer.responded_at for answer in ANSWERS)


def test_no_id_is_used_twice_or_by_another_sample() -> None:
    ids = {answer.response_id for answer in ANSWERS}

    assert len(ids) == len(ANSWERS)
    assert ids.isdisjoint(re.findall('"response_id": "([^"]+)"', samples.FILE.read_text()))


@pytest.mark.parametrize("later", [timedelta(hours=11, minutes=59), timedelta(days=40)])
def test_each_day_before_today_has_the_same_scores_at_each_start(later: timedelta) -> None:
    again = [bare.read(value) for value in history((NOW + later).astimezone(timezone(timedelta(hours=9))))]
    shifted = timedelta(days=later.days)

    assert [(one.score, one.segment) for one in ANSWERS] == [(one.score, one.segment) for one in again]
    assert [one.responded_at + shifted for one in ANSWERS] == [one.responded_at for one in again]


@pytest.mark.parametrize("shop", SHOPS)
def test_only_one_shop_has_surely_changed_in_the_last_30_days_and_another_seems_to_have(shop: str) -> None:
    """The page compares today and the 29 days before it with the 30 days before them."""
    before, after = counts(shop, 30, 59), counts(shop, 1, 29)
    low, high = difference(after, before)

    assert min(sum(before), sum(after)) >= 60
    if shop == "fr/nantes":
        assert high < -20
    else:
        assert low < 0 < high
    if shop == "uk/leeds":
        assert (low + high) / 2 < -15


def test_one_shop_got_better_within_the_year() -> None:
    low, _ = difference(counts("uk/bristol", 1, 90), counts("uk/bristol", 275, DAYS))

    assert low > 20
