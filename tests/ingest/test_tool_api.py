"""Asking a tool's API, which is a real HTTP server here: what each of its answers means, and where the token goes."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ingest.fake_api import HOST, TOKEN, Answer, FakeApi, body, breaks, details, endless, fake_api, hangs, status

from worker.clock import SystemClock
from worker.errors import FetchError
from worker.flow.messages.fetch_order import Get
from worker.ingest.tool_api import LARGEST, ToolApi
from worker.receive.settings import ReceiveSettings, SourceSettings

REQUEST = Get("/v3/surveys/1/responses/25/details", {"simple": "true"})


@pytest.fixture
async def server() -> AsyncIterator[FakeApi]:
    async with fake_api() as found:
        yield found


def source(url: str, **changes: Any) -> SourceSettings:
    usual: dict[str, Any] = {"name": "monkey", "tool": "surveymonkey", "secrets": ["s"], "score_question": "11"}
    usual |= {"api_url": url, "api_token": TOKEN, "api_requests_per_minute": 60_000}
    given = {name: value for name, value in (usual | changes).items() if value is not None}
    return ReceiveSettings.model_validate({"sources": [given]}).sources[0]


@pytest.fixture
async def api(server: FakeApi) -> AsyncIterator[ToolApi]:
    made = ToolApi(source(server.url), SystemClock())
    yield made
    await made.aclose()


async def failure(api: ToolApi) -> FetchError:
    with pytest.raises(FetchError) as raised:
        await api.fetch({"details": REQUEST})
    assert TOKEN not in f"{raised.value!r} {raised.value.hint} {raised.value.__cause__!r}"
    assert "receive.sources, monkey" in raised.value.hint
    return raised.value


async def test_the_answer_comes_with_the_name_of_its_request(server: FakeApi, api: ToolApi) -> None:
    other = Get("/v3/surveys/1/responses/26/details", {})
    found = await api.fetch({"details": REQUEST, "other": other})

    assert {name: json.loads(text) for name, text in found.items()} == {
        "details": details("25"),
        "other": details("26"),
    }
    assert [(one.path, one.query) for one in server.asked] == [(REQUEST.path, REQUEST.query), (other.path, {})]
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("tool", "header", "text"),
    [
        ("hubspot", "Authorization", f"Bearer {TOKEN}"),
        ("google-forms", "Authorization", f"Bearer {TOKEN}"),
        ("qualtrics", "X-API-TOKEN", TOKEN),
    ],
)
async def test_each_tool_has_its_own_way_to_show_the_token(server: FakeApi, tool: str, header: str, text: str) -> None:
    server.answer = body(b"{}")
    question = {"score_question": None} if tool == "hubspot" else {}
    api = ToolApi(source(f"{server.url}/proxy/", tool=tool, **question), SystemClock())
    await api.fetch({"one": REQUEST})
    await api.aclose()

    [asked] = server.asked
    assert (asked.path, asked.headers[header]) == (f"/proxy{REQUEST.path}", text)


@pytest.mark.parametrize(
    ("number", "retry", "unavailable", "in_doubt", "alarm"),
    [
        (401, False, True, False, True),
        (403, False, False, True, True),
        (400, False, False, True, True),
        (201, False, False, True, True),
        (204, False, False, True, True),
        (404, False, False, False, False),
        (410, False, False, False, False),
        (408, True, False, False, False),
        (425, True, False, False, False),
        (500, True, False, False, False),
        (502, True, False, False, False),
        (504, True, False, False, False),
        (429, False, True, False, False),
        (503, False, True, False, False),
    ],
)
async def test_what_each_status_means(
    server: FakeApi, api: ToolApi, number: int, retry: bool, unavailable: bool, in_doubt: bool, alarm: bool
) -> None:
    server.answer = status(number)
    error = await failure(api)

    assert error.reason == f"http_{number}"
    assert (error.retry, error.unavailable, error.in_doubt, error.alarm) == (retry, unavailable, in_doubt, alarm)
    assert error.retry_after == (60 if number == 401 else 0)


@pytest.mark.parametrize("number", [429, 503, 401])
async def test_retry_after_is_respected(server: FakeApi, api: ToolApi, number: int) -> None:
    server.answer = status(number, Retry_After="120")

    assert (await failure(api)).retry_after == 120


@pytest.mark.parametrize("number", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_so_no_other_server_gets_the_token(
    server: FakeApi, api: ToolApi, number: int
) -> None:
    async with fake_api() as elsewhere:
        server.answer = status(number, Location=f"{elsewhere.url}/v3")
        error = await failure(api)

        assert (error.in_doubt, "redirects" in error.hint) == (True, True)
        assert elsewhere.asked == []
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [body(b" " * 10_000_000), endless], ids=["10 MB", "endless"])
async def test_an_answer_that_is_too_large_is_given_up(server: FakeApi, api: ToolApi, answer: Answer) -> None:
    server.answer = answer
    error = await failure(api)

    assert (error.reason, error.retry, error.unavailable, error.in_doubt) == ("too_large", False, False, False)
    server.answer = body(b" " * LARGEST)
    assert len((await api.fetch({"details": REQUEST}))["details"]) == LARGEST


async def test_an_answer_that_does_not_come_in_time_is_asked_for_again(server: FakeApi) -> None:
    server.answer = hangs
    api = ToolApi(source(server.url, api_timeout_seconds=0.05), SystemClock())
    error = await failure(api)
    await api.aclose()

    assert (error.reason, error.retry, error.unavailable) == ("timeout", True, False)


async def test_a_connection_that_breaks_is_about_this_request(server: FakeApi, api: ToolApi) -> None:
    server.answer = breaks
    error = await failure(api)

    assert (error.reason, error.retry, error.unavailable) == ("disconnected", True, False)


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    async with fake_api() as gone:
        port = gone.port
    api = ToolApi(source(f"http://{HOST}:{port}"), SystemClock())
    error = await failure(api)
    await api.aclose()

    assert (error.reason, error.retry, error.unavailable) == ("refused", False, True)


async def test_requests_keep_the_pace_that_the_settings_allow(server: FakeApi) -> None:
    class Clock(SystemClock):
        """Does not wait, and notes how long it should have."""

        waits: list[int]
        at = 0

        def steady(self) -> int:
            return self.at

        async def wait(self, event: Any, until: int | None) -> None:
            assert not event.is_set()
            assert until is not None
            self.waits.append(until - self.at)
            self.at = max(self.at, until)

    clock = Clock()
    clock.waits = []
    api = ToolApi(source(server.url, api_requests_per_minute=30), clock)
    for _ in range(3):
        await api.fetch({"details": REQUEST})
    await api.aclose()

    assert clock.waits == [0, 2_000, 2_000]


async def test_a_token_that_is_replaced_in_its_file_is_used_from_then_on(
    server: FakeApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    api = ToolApi(source(server.url, api_token=None, api_token_file=file), SystemClock())
    server.token = "second"
    assert (await failure(api)).unavailable

    fresh = tmp_path / "fresh"
    fresh.write_text("second\n")
    fresh.replace(file)
    await api.fetch({"details": REQUEST})

    with caplog.at_level(logging.WARNING):
        for content in ("", "two words"):
            fresh.write_text(content)
            fresh.replace(file)
            await api.fetch({"details": REQUEST})
    await api.aclose()
    assert [one.headers["Authorization"] for one in server.asked[1:]] == ["Bearer second"] * 3
    assert caplog.text.count("the earlier token stays in use") == 2
    assert "two words" not in caplog.text
