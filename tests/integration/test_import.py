"""A year of answers is imported from a file: it counts, and nobody is called because of it. A fresh answer still is."""

import csv
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from integration.conftest import Bench, StartBench
from integration.processes import start_worker
from integration.test_incidents import let_time_pass, ticked
from integration.topics import create

from worker.embedded.kafka import EmbeddedKafka
from worker.flow import events
from worker.kafka import topics
from worker.settings import KafkaSettings

ANSWERS = 400
BERLIN, FORMAT = ZoneInfo("Europe/Berlin"), "%d.%m.%Y %H:%M:%S"
GOOD, BAD = [10, 8, 10, 3, 9, 8, 10, 10, 7, 5], [3, 0, 8, 5, 6, 2, 10, 4, 1, 7]
COLUMNS = ("Nummer", "Kunde", "Note", "Kommentar", "Laden", "Beantwortet", "E-Mail", "Einladung erlaubt")
OPTIONS = (
    "--survey", "autumn", "--date-format", FORMAT, "--time-zone", "Europe/Berlin",
    "--column", "response_id=Nummer", "--column", "customer_id=Kunde", "--column", "score=Note",
    "--column", "comment=Kommentar", "--column", "segment=Laden", "--column", "responded_at=Beantwortet",
    "--column", "customer.email=E-Mail", "--column", "consent.public_review=Einladung erlaubt",
)  # fmt: skip


def year(until: datetime) -> list[tuple[str, ...]]:
    """Return the rows of a year, half of them of the last week, in which one shop has had bad answers."""
    random, rows = Random(7), list[tuple[str, ...]]()
    for number in range(ANSWERS):
        is_recent = number % 2 == 1
        ago = timedelta(hours=random.randint(1, 160)) if is_recent else timedelta(days=random.randint(8, 364))
        when = (until - ago - timedelta(seconds=number)).astimezone(BERLIN)
        shop = f"fr/shop-{number // 2 % 2}"
        score = (BAD if is_recent and shop == "fr/shop-1" else GOOD)[number // 4 % 10]
        person = (f"c-{number}@example.com", "true")
        comment = f'Nummer {number} – 3 €;\n"so"'
        rows.append((str(number), f"c-{number}", str(score), comment, shop, when.strftime(FORMAT), *person))
    return rows


def write(path: Path, rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=";").writerows([COLUMNS, *rows])


async def imported(bench: Bench, file: Path, *options: str) -> list[str]:
    """Import a file with the command, and return what it says."""
    settings = bench.settings
    env = {
        "NPS_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "NPS_TOPIC_PREFIX": settings.topic_prefix,
    }
    process = await start_worker("import", str(file), *OPTIONS, *options, env=env, fresh=True)
    assert await process.exited() == 0, process.lines
    await bench.settle()
    return process.lines


async def scores(bench: Bench) -> dict[str, Any]:
    """Return the histogram of each segment over all time."""
    return {
        (record.key or b"").decode(): json.loads(record.value)["histogram"] for record in await bench.read("scores")
    }


def recount(rows: list[tuple[str, ...]]) -> dict[str, list[int]]:
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for row in rows:
        for path in ("", "fr", row[4], "/survey/autumn"):
            found[path][int(row[2])] += 1
    return {path: [count[score] for score in range(11)] for path, count in found.items()}


async def test_a_year_counts_and_calls_nobody_and_a_fresh_answer_does(
    bench: StartBench, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Ticks of later are stamped by the test.
    monkeypatch.setattr(topics, "_NEEDS", {**topics._NEEDS, events.TALLIES: {}})
    times = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(48 * 3_600_000)}
    await create(kafka.bootstrap_servers, "history.tallies", 1, times)
    own = KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group="history", partitions=1)
    now, file = datetime.now(UTC), tmp_path / "answers.csv"
    rows = year(now)
    write(file, rows)
    async with bench(kafka=own, topic_prefix="history") as running:
        await ticked(running)
        said = await imported(running, file, "--history")
        assert "400 of 400 rows are responses" in said
        assert "400 published to history.responses" in said
        for hours in (0, 1, 24):
            await let_time_pass(running, now + timedelta(hours=hours))
        assert await scores(running) == recount(rows)
        assert [await running.read(topic) for topic in ("alerts", "invitations", "deliveries")] == [[]] * 3
        assert running.inbox.mails == []

        # The same file once more changes nothing.
        await imported(running, file, "--history")
        outcomes = Counter(json.loads(record.value)["outcome"] for record in await running.read("decisions"))
        assert outcomes == {"accepted": ANSWERS, "duplicate": ANSWERS}
        assert await scores(running) == recount(rows)
        assert await running.read("alerts") == []

        fresh = ("fresh", "c-7", "1", "Jetzt", "fr/shop-1", now.astimezone(BERLIN).strftime(FORMAT), "", "")
        write(file, [fresh])
        await imported(running, file)
        [alert] = await running.read("alerts")
        assert json.loads(alert.value)["response_id"] == "fresh"
        assert await scores(running) == recount([*rows, fresh])
        await running.inbox.wait_for(1)
    assert [mail.message["X-NPS-Alert-Id"] for mail in running.inbox.mails] == [json.loads(alert.value)["alert_id"]]
