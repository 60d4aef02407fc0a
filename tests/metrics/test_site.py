"""Metrics and probes over HTTP: what Prometheus' own parser reads, and nothing that changes anything."""

import asyncio
import platform
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from prometheus_client.parser import text_string_to_metric_families
from serving import listening

from worker import __version__
from worker.metrics import catalogue
from worker.metrics.catalogue import METRICS, Kind
from worker.metrics.exposition import Exposition
from worker.metrics.figures import Figures, Values
from worker.metrics.probes import Probes
from worker.metrics.site import HEADERS, application
from worker.server import Server
from worker.service import Failure

PATHS = ("/metrics", "/livez", "/readyz", "/startupz")


class Process:
    """A process, whose worker has the state that a test sets."""

    def __init__(self) -> None:
        self.figures = Figures()
        self.sampled: Values = {}
        self.probes = Probes()
        self.worker: Any = SimpleNamespace(ready=True, is_failing=False, is_stopping=False)
        self.probes.watch(self.worker)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        site = application(Exposition(self.figures, "all", lambda: self.sampled), self.probes)
        server = Server(site, "127.0.0.1", 0, Failure(), headers=HEADERS)
        async with listening(server) as address:
            yield address

    async def get(self, path: str, method: str = "GET", **headers: str) -> tuple[ClientResponse, str]:
        async with (
            self.served() as url,
            ClientSession() as client,
            client.request(method, url + path, headers=headers) as answer,
        ):
            return answer, await answer.text()


def read(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values by the names of samples, and by the values of labels in the order of the labels' names."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


@pytest.fixture
def process() -> Process:
    return Process()


async def test_every_metric_is_served_with_its_type_and_meaning(process: Process) -> None:
    for metric in METRICS:
        if metric.kind is Kind.GAUGE:
            process.sampled[metric.name] = {("x",) * len(metric.labels): 2}
        else:
            process.figures.begin(metric, *("x",) * len(metric.place))
    _, text = await process.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text)}

    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (metric.kind, metric.meaning) == (family.type, family.documentation)
        expected = {*metric.labels} | ({"le"} if metric.kind is Kind.HISTOGRAM else set())
        assert {*family.samples[0].labels} == expected
    assert [name for name in families if not name.startswith(("nps_", "process_"))] == []


async def test_values_are_those_of_this_moment(process: Process) -> None:
    process.figures.begin(catalogue.INVITATIONS)
    process.figures.add(catalogue.INVITATIONS, (), 7)
    process.figures.begin(catalogue.TO_DELIVERY, "email")
    for seconds in (0.02, 0.3, 70.0):
        process.figures.observe(catalogue.TO_DELIVERY, ("email",), seconds)
    process.sampled = {catalogue.OUTAGE.name: {("webhook", 'a "b"\n\\c'): 1}}
    answer, text = await process.get("/metrics")
    found = read(text)

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert found["nps_invitations_total"] == {(): 7}
    assert found["nps_outage_open"] == {("webhook", 'a "b"\n\\c'): 1}
    assert found["nps_response_to_delivery_seconds_bucket"] == {
        ("email", bound): count
        for bound, count in zip(
            ("0.01", "0.03", "0.1", "0.3", "1.0", "3.0", "10.0", "60.0", "+Inf"),
            (0, 1, 1, 2, 2, 2, 2, 2, 3),
            strict=True,
        )
    }
    assert found["nps_response_to_delivery_seconds_count"] == {("email",): 3}
    assert found["nps_build_info"] == {(platform.python_version(), "all", __version__): 1}


async def test_what_a_process_does_not_have_is_left_out(process: Process) -> None:
    """A metric without values would look as if it were there."""
    _, text = await process.get("/metrics")
    assert {name for name in read(text) if name.startswith("nps_")} == {"nps_build_info"}


async def test_other_work_goes_on_while_the_text_is_made() -> None:
    turns, seen = 0, list[int]()

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def pieces() -> Iterator[bytes]:
        for _ in range(5):
            seen.append(turns)
            yield b"nps_ready 1\n"

    exposition: Any = SimpleNamespace(pieces=pieces)
    server = Server(application(exposition, Probes()), "127.0.0.1", 0, Failure(), headers=HEADERS)
    async with listening(server) as address, ClientSession() as client:
        counting = asyncio.create_task(count())
        async with client.get(f"{address}/metrics") as answer:
            assert await answer.text() == "nps_ready 1\n" * 5
        counting.cancel()
    assert seen == sorted({*seen}), "there is another turn before each piece"


async def test_probes_say_the_state_by_their_status(process: Process) -> None:
    assert [(await process.get(path))[0].status for path in PATHS] == [200] * 4

    process.worker.ready = False
    answer, text = await process.get("/readyz")
    assert (answer.status, text) == (503, "starting, or its group is rebalancing\n")
    assert [(await process.get(path))[0].status for path in PATHS] == [200, 200, 503, 200]

    process.worker.is_failing = process.worker.is_stopping = True
    assert [(await process.get(path))[0].status for path in PATHS] == [200, 503, 503, 200]


@pytest.mark.parametrize("path", PATHS)
async def test_only_reading_is_answered(process: Process, path: str) -> None:
    assert (await process.get(path, "HEAD"))[0].status == 200
    assert {(await process.get(path, method))[0].status for method in ("POST", "PUT", "DELETE")} == {405}
    assert (await process.get(f"{path}/x"))[0].status == 404
    answer, _ = await process.get(path)
    assert answer.headers["Connection"] == "close"
