"""The demo as its users start it: once with a result, or live until Ctrl-C."""

import asyncio
import csv
import email
import io
import json
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from deploy.files import DEPLOY, expressions, metrics_in, tool
from deploy.own_prometheus import PROGRAM, configuration, prometheus, written
from integration.processes import DEAF, ROOT
from integration.recount import Recount, recount_lines
from integration.test_links import posted, read_until
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from worker.demo import receivers, samples, show
from worker.demo.history import history
from worker.embedded.die_with_parent import dying_with_parent
from worker.embedded.kafka import EmbeddedKafka
from worker.kafka.publishing import lines


@asynccontextmanager
async def demo(*arguments: str, within: tuple[str, ...] = ()) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the demo; whatever happens, it is gone at the end, and its Kafka with it."""
    process = await asyncio.create_subprocess_exec(
        *dying_with_parent(*within, sys.executable, "-m", "worker", "demo", *arguments),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def once(kafka: EmbeddedKafka, *arguments: str) -> dict[str, Any]:
    async with demo("--once", "--json", "--kafka", kafka.bootstrap_servers, *arguments) as process:
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    result: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return result


@pytest.fixture(scope="module")
def mails(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the mails about the shipped samples."""
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
async def shipped(kafka: EmbeddedKafka, mails: Path) -> dict[str, Any]:
    return await once(kafka, "--mails", str(mails))


def recounted(values: list[bytes]) -> tuple[Recount, int]:
    """Recount the samples; which of their lines are broken is told by how the samples are made."""
    broken = {number for number, value in enumerate(values) if b"r-bad" in value or b'"segment"' not in value}
    return recount_lines(values, set(range(len(values))) - broken), len(broken)


def test_the_result_equals_a_recount_of_the_shipped_samples(shipped: dict[str, Any]) -> None:
    shipped = dict(shipped)
    values = lines(samples.FILE)
    recount, broken = recounted(values)
    expected = {
        "published": len(values),
        "accepted": len(recount.current),
        "duplicates": recount.duplicates,
        "dead_letters": broken,
        "alerts": len(recount.alerts),
        "invitations": len(recount.invited),
        "emails": len(recount.alerts),
        "scores": {path: windows["all"] for path, windows in recount.windows().items()},
    }
    records = shipped.pop("records")
    assert sum(records.values()) == len(values)
    assert (records.get("duplicate", 0) + records.get("superseded", 0), records["dead_letter"]) == (
        recount.duplicates,
        broken,
    )
    root = expected["scores"][""]  # type: ignore[index]
    assert shipped.pop("test_answers") == len(recount.current) - root["n"]
    expected |= {name: root[name] for name in ("promoters", "passives", "detractors")}
    assert shipped == expected


def test_each_mail_of_a_result_goes_to_the_desk_and_has_no_links_since_no_page_is_served(
    shipped: dict[str, Any], mails: Path
) -> None:
    messages = received(mails)

    assert shipped["emails"] == len(messages)
    assert {"support@example.com"} == {message["To"] for message in messages}
    texts = [
        part.get_content() for message in messages for part in message.walk() if part.get_content_maintype() == "text"
    ]
    assert [] == [text for text in texts if "http://127.0.0.1" in text]
    assert len(texts) >= len(messages)


def received(folder: Path) -> list[EmailMessage]:
    """Return the mails that the demo has written to a folder."""
    files = folder.glob("*.eml")
    return [email.message_from_bytes(file.read_bytes(), EmailMessage, policy=default_policy) for file in files]


def to_lead(folder: Path) -> list[str]:
    """Return the subjects of the mails to the lead."""
    return [message["Subject"] for message in received(folder) if message["To"] == "lead@example.com"]


def has_mail(folder: Path, words: str) -> bool:
    """Say whether the subject of a mail has these words."""
    return any(words in message["Subject"] for message in received(folder))


class Screen(io.StringIO):
    """What the demo has printed, and a way to wait for more."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Event()

    def write(self, text: str) -> int:
        self._written.set()
        return super().write(text)

    async def says(self, expression: str, live: asyncio.Task[None]) -> re.Match[str]:
        """Wait until the demo has printed a text that matches. Raise what ends the demo before that."""
        while (found := re.search(expression, self.getvalue())) is None:
            self._written.clear()
            writing = asyncio.create_task(self._written.wait())
            await asyncio.wait([writing, live], return_when=asyncio.FIRST_COMPLETED)
            writing.cancel()
            if live.done():
                live.result()
        return found


@asynccontextmanager
async def live_demo(options: show.Options) -> AsyncIterator[tuple[Screen, asyncio.Task[None]]]:
    """Run the live demo in this process; at the end, stop it as Ctrl-C does."""
    screen = Screen()
    live = asyncio.create_task(show._live(Console(file=screen, width=200), options))
    try:
        yield screen, live
    finally:
        live.cancel()
        await asyncio.wait([live])
    assert live.cancelled()


async def test_live_an_alert_escalates_and_is_acknowledged_on_the_page_and_a_digest_arrives(
    kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(receivers, "ACKNOWLEDGE_SECONDS", 1.0)
    monkeypatch.setattr(receivers, "DIGEST_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(receivers, "DIGEST_INTERVAL_SECONDS", 2.0)
    rng, now = random.Random(3), datetime.now().astimezone()
    file, mails = tmp_path / "answers.jsonl", tmp_path / "mails"
    mails.mkdir()
    file.write_bytes(b"\n".join(samples.one(rng, score, now) for score in (1, *[5] * 40)))
    options = show.Options(path=file, kafka=kafka.bootstrap_servers, rate=20.0, mails=mails)
    async with live_demo(options) as (screen, live), ClientSession() as client:
        address = (await screen.says(r"or (\S+) to acknowledge", live))[1]
        by_hand = (await screen.says(r'curl -d "score=2&at=\$\(date \+%s\)" (\S+)', live))[1]
        async with client.post(by_hand, data={"score": "2", "at": str(int(now.timestamp()))}) as answer:
            assert answer.status == 200, await answer.text()
        await screen.says("escalated to lead: ", live)  # if several come at once, one has a line
        while not any("[Escalated]" in subject for subject in to_lead(mails)) or not has_mail(mails, " 2/10"):
            assert not live.done()
            await asyncio.sleep(0.05)  # the arrival of a mail raises no event here
        async with client.get(address) as response:
            page = await response.text()
        link = re.findall('href="([^"]+)"', page.partition("<h2>Escalated")[2])[0]
        await read_until(client, link, "Will you look after this customer?")
        assert "Thank you, you have it" in await posted(client, link)
        await screen.says("1 alert acknowledged", live)
        await screen.says(r"digest to lead: \d+ notices", live)
        assert any("Digest: " in subject for subject in to_lead(mails))

    for url in (address, link, by_hand):
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", int(url.split(":")[2].partition("/")[0]))


async def test_the_live_demo_begins_with_a_year_on_the_page_of_which_nobody_is_told(kafka: EmbeddedKafka) -> None:
    past = [json.loads(value)["segment"][:2] for value in history(datetime.now().astimezone())]
    english = {"Accept-Language": "en"}
    async with live_demo(show.Options(kafka=kafka.bootstrap_servers)) as (screen, live), ClientSession() as client:
        page = (await screen.says(r"Open (\S+) to see scores", live))[1]
        first = (await screen.says(r"(\d+) published, (\d+) mails", live)).groups()
        for query, n in (("", len(past)), ("&segment=fr/nantes", past.count(["fr", "nantes"]))):
            weeks: list[dict[str, str]] = []
            while sum(int(week["Answers"]) for week in weeks) < n:  # the page may not have read all rows yet
                assert not live.done()
                async with client.get(f"{page}/history.csv?range=12{query}", headers=english) as answer:
                    weeks = list(csv.DictReader(io.StringIO(await answer.text())))
            assert len(weeks) > 50
            assert all(int(week["Answers"]) >= 10 for week in weeks[2:-2])
        async with client.get(page, headers=english) as answer:
            overview = await answer.text()
        assert re.search(r"> *fr › nantes</a> fell from \+\d+ to −\d+, .* chance hardly explains that", overview)
        assert "leeds" not in overview.partition('id="change"')[2].partition("</section>")[0]

    assert max(map(int, first)) < 10


async def metrics_ports(screen: Screen, live: asyncio.Task[None]) -> list[int]:
    """Return the ports at which the demo serves the metrics of the worker and of the role receive."""
    found = await screen.says(r"Prometheus can scrape http://127\.0\.0\.1:(\d+)/metrics and :(\d+)", live)
    return [int(found[1]), int(found[2])]


async def test_every_metric_of_the_dashboards_and_alarms_is_in_a_scrape_of_the_live_demo(kafka: EmbeddedKafka) -> None:
    options = show.Options(kafka=kafka.bootstrap_servers, rate=20.0)
    async with live_demo(options) as (screen, live), ClientSession() as client:
        ports = await metrics_ports(screen, live)
        texts: list[str] = []
        # The end of a partition, and so its lag, is known when its first fetch is answered, which takes up to 5 s if no
        # records come.
        while not any("\nnps_lag_records{" in text for text in texts):
            assert not live.done()
            await asyncio.sleep(0.05)  # what a scrape will say raises no event here
            texts = [await (await client.get(f"http://127.0.0.1:{port}/metrics")).text() for port in ports]

    families = [family for text in texts for family in text_string_to_metric_families(text)]
    served = {sample.name for family in families for sample in family.samples}
    wanted = {name for group in expressions().values() for one in group for name in metrics_in(one)}
    assert len(wanted) > 20
    # The demo has no source whose answers have to be fetched. test_alarms.py scrapes a receiver that has one.
    assert wanted - served == {"nps_fetch_outage_open"}


async def test_a_prometheus_beside_the_live_demo_has_data_for_each_chart(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    """Only charts of what has gone wrong may be empty: their expressions end with a comparison."""
    tool(PROGRAM)
    asked = {
        title: [one.replace("$job", ".*").replace("$__rate_interval", "1m").replace("$__range", "5m") for one in group]
        for title, group in expressions().items()
        if ":" in title
    }
    async with live_demo(show.Options(kafka=kafka.bootstrap_servers, rate=20.0)) as (screen, live):
        rules, ports = DEPLOY / "prometheus/rules.yml", await metrics_ports(screen, live)
        config = written(tmp_path / "demo.yml", configuration(ports, rules, every="1s"))
        async with prometheus(config, tmp_path / "data") as watching:
            for title, group in asked.items():
                for expression in group:
                    while not await watching.query(expression) and not expression.endswith("> 0"):
                        assert not live.done(), title
                        await asyncio.sleep(0.2)  # a scrape raises no event here
    assert len(asked) > 20


async def test_shuffled_and_sent_twice_only_the_duplicates_differ(
    kafka: EmbeddedKafka, shipped: dict[str, Any], tmp_path: Path
) -> None:
    values = samples.shipped(datetime.now().astimezone()) * 2  # a file keeps its times, and those of 2025 are too old
    random.Random(5).shuffle(values)
    file = tmp_path / "shuffled.jsonl"
    file.write_bytes(b"\n".join(values))
    result = await once(kafka, "--input", str(file))
    # Twice as many lines, and a line that is refused is refused each time.
    changed = {"published", "duplicates", "dead_letters", "records"}
    assert {k: v for k, v in result.items() if k not in changed} == {
        k: v for k, v in shipped.items() if k not in changed
    }
    assert result["published"] == 2 * shipped["published"]
    assert result["dead_letters"] == 2 * shipped["dead_letters"]


@pytest.mark.parametrize("asked", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)])
async def test_ctrl_c_and_sigterm_stop_the_live_demo_and_everything_it_started(asked: signal.Signals) -> None:
    async with demo("--rate", "50", within=DEAF) as process:
        assert process.stdout is not None
        broker = ""
        async for line in process.stdout:
            broker = broker or _port(line.decode())
            if b"published" in line:
                break
        process.send_signal(asked)
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert "stopped" in out.decode().splitlines()[-1]
    assert err == b""
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(broker))


def _port(line: str) -> str:
    return line.rpartition(":")[2].strip() if "127.0.0.1:" in line else ""
