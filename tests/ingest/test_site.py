"""Deliveries over HTTP: who gets which answer, and what is published before it."""

import asyncio
import base64
import gzip
import hmac
import json
import logging
import zlib
from threading import Event
from time import monotonic
from typing import Any

import pytest
from aiohttp import ClientSession
from ingest.sites import RESPONSE, SECRET, SOURCES, Desk, post, served
from receive.deliveries import AT, deliveries, settings
from receive.deliveries import SOURCES as TOOLS
from serving import Hold

from worker.flow import events
from worker.flow.policy import IntakePolicy
from worker.flow.responses.formats import bare
from worker.flow.responses.formats.outcome import Outcomes
from worker.flow.timestamps import from_ms
from worker.ingest.counting import UNKNOWN
from worker.ingest.refusals import Refusal
from worker.ingest.site import HEADERS
from worker.metrics import words
from worker.receive.records import Delivery, Recorded, records
from worker.receive.signatures import Unauthentic

BODY = json.dumps(RESPONSE).encode()
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
WITH_SECRET = {"Authorization": f"Bearer {SECRET}"}


def signed(body: bytes = BODY) -> dict[str, str]:
    return {"X-Signature": hmac.digest(SECRET.encode(), body, "sha256").hex()}


async def raw(desk: Desk, *sent: bytes) -> bytes:
    """Send bytes over a connection; return everything that the server answers until it closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    for part in sent:
        writer.write(part)
        await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: a", *lines, "")).encode()


async def test_a_delivery_is_published_and_then_acknowledged() -> None:
    desk = Desk()
    async with served(desk) as client:
        status, headers, text = await post(client, desk.url("/receive/signed"), BODY, signed())
    [output] = desk.published

    assert (200, [{"outcome": "accepted"}]) == (status, json.loads(text)["outcomes"])
    assert headers["X-Request-Id"] == json.loads(text)["request_id"]
    assert headers.items() >= HEADERS.items()
    assert (events.RESPONSES, b"c-1") == (output.topic, output.key)
    assert bare.read(output.value or b"").comment == "Trop lent."
    assert ({("signed", "accepted"): 1}, {"signed": 1}) == (desk.counted, desk.acknowledged)


@pytest.mark.parametrize(
    ("sent", "carried"), [(TRACE, [("traceparent", TRACE.encode())]), ("00-0-0-01", []), (None, [])]
)
async def test_a_response_carries_the_trace_of_its_delivery(sent: str | None, carried: list[tuple[str, bytes]]) -> None:
    desk = Desk()
    async with served(desk) as client:
        headers = signed() if sent is None else {**signed(), "Traceparent": sent}
        assert (await post(client, desk.url("/receive/signed"), BODY, headers))[0] == 200
    [output] = desk.published

    assert [header for header in output.headers if header[0] == "traceparent"] == carried


def source_of(tool: str) -> dict[str, Any]:
    """Return the settings of the source of a tool's fixtures, with its secrets in plain text."""
    [source] = settings(tool).sources
    secrets = [secret.get_secret_value() for secret in source.secrets]
    return {**source.model_dump(exclude={"secrets_file"}), "secrets": secrets}


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "hubspot"])
async def test_the_deliveries_of_each_tool_are_taken_as_their_fixture_says(tool: str) -> None:
    desk = Desk()
    found: list[tuple[int, str]] = []
    async with served(desk, sources=[source_of(tool)]) as client:
        for delivery in deliveries(tool):
            path = f"/receive/source/{delivery.request.path_secret}".rstrip("/")
            status, _, text = await post(client, desk.url(path), delivery.request.body, delivery.request.headers)
            found.append((status, text))
    wanted = [401 if str(one.expect).startswith("refused 401") else 200 for one in deliveries(tool)]

    assert wanted == [status for status, _ in found]
    assert all(json.loads(text)["outcomes"] for status, text in found if status == 200)


@pytest.mark.parametrize(
    ("known", "forwarded", "status"),
    [
        ({"public_url": "https://nps.example.com/tools/"}, {}, 200),
        ({"trusted_proxies": ["127.0.0.1"]}, {"X-Forwarded-Host": "nps.example.com/tools"}, 200),
        ({}, {"X-Forwarded-Host": "nps.example.com/tools"}, 401),
    ],
)
async def test_hubspot_signs_the_address_that_it_knows(
    known: dict[str, Any], forwarded: dict[str, str], status: int
) -> None:
    desk = Desk()
    source, [delivery] = source_of("hubspot"), deliveries("hubspot")
    request = delivery.request
    at = request.headers["x-hubspot-request-timestamp"].encode()
    covered = b"POSThttps://nps.example.com/tools/receive/source?a=b" + request.body + at
    signature = base64.b64encode(hmac.digest(source["secrets"][0].encode(), covered, "sha256")).decode()
    async with served(desk, sources=[source], **known) as client:
        headers = {**request.headers, **forwarded, "X-HubSpot-Signature-v3": signature}
        headers.pop("x-hubspot-signature-v3")
        found = await post(client, desk.url("/receive/source?a=b"), request.body, headers)

    assert status == found[0]


async def test_an_answer_that_is_refused_is_a_dead_letter_and_acknowledged() -> None:
    desk = Desk()
    body = json.dumps({**RESPONSE, "score": 11}).encode()
    async with served(desk) as client:
        status, _, text = await post(client, desk.url("/receive/signed"), body, signed(body))

    detail = "score: expected a whole number from 0 to 10"
    wanted = {"outcome": "refused", "reason": "score_out_of_range", "detail": detail}
    assert (200, [wanted]) == (status, json.loads(text)["outcomes"])
    assert [events.DEAD_LETTERS] == [output.topic for output in desk.published]
    assert {("signed", "refused"): 1} == desk.counted


async def test_a_wrong_field_does_not_lose_the_answer_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    body = json.dumps({**RESPONSE, "comment": {"canary": 1}, "customer": {"phone": [1]}}).encode()
    async with served(desk) as client:
        _, _, text = await post(client, desk.url("/receive/signed"), body, signed(body))

    assert json.loads(text)["outcomes"] == [{"outcome": "accepted", "left_out": "comment, customer.phone"}]
    assert bare.read(desk.published[0].value or b"").comment is None
    assert "source signed: left_out: answers do without these fields, whose" in caplog.text
    assert "canary" not in caplog.text


async def test_an_answer_without_a_time_has_that_of_its_arrival() -> None:
    desk = Desk()
    mapping = {"response_id": "id", "score": "v", "customer_id": "c"}
    timeless = {**SOURCES[1], "survey_id": "s", "responded_at": "arrival", "mapping": mapping}
    async with served(desk, sources=[timeless]) as client:
        body = json.dumps({"id": "1", "v": 3, "c": "c-1"}).encode()
        await post(client, desk.url("/receive/by_header"), body, WITH_SECRET)

    assert bare.read(desk.published[0].value or b"").responded_at == from_ms(AT)


async def test_what_the_intake_would_refuse_is_refused() -> None:
    desk = Desk()
    async with served(desk, policy=IntakePolicy(max_bytes=1_000)) as client:
        body = json.dumps({**RESPONSE, "comment": "a" * 1_000}).encode()
        status, _, text = await post(client, desk.url("/receive/signed"), body, signed(body))

    assert (200, "too_large") == (status, json.loads(text)["outcomes"][0]["reason"])


async def test_what_is_refused_is_in_the_log_without_its_values(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    body = json.dumps({**RESPONSE, "score": 11}).encode()
    async with served(desk) as client:
        for _ in range(2):
            await post(client, desk.url("/receive/signed"), body, signed(body))

    [line] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith("source signed: refused: score_out_of_range: score: ")
    assert "it became a dead letter" in line
    assert str(RESPONSE["comment"]) not in line


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/receive/signed", {}),
        ("/receive/signed", signed(b"another body")),
        ("/receive/by_header", {"Authorization": "Bearer wrong"}),
        ("/receive/by_path/wrong", {}),
        ("/receive/by_path", {}),
        ("/receive/nobody", signed()),
        ("/receive/nobody/at/all", {}),
        ("/receive/%00%ff", {}),
        # What people mistype, such as a base address that ends with a slash.
        ("/receive//by_header", WITH_SECRET),
        ("//receive/by_header", WITH_SECRET),
        ("/receive/", {}),
        ("/receive", {}),
        ("/receive%2fby_header", WITH_SECRET),
        ("/", {}),
    ],
)
async def test_what_is_not_authentic_and_what_does_not_exist_are_answered_alike(
    path: str, headers: dict[str, str]
) -> None:
    desk = Desk()
    async with served(desk) as client:
        status, answered, text = await post(client, desk.url(path), BODY, headers)

    assert (401, "not authentic\n", "Bearer") == (status, text, answered["WWW-Authenticate"])
    assert (0, []) == (desk.asked, desk.published)
    [(source, outcome)] = desk.counted
    assert outcome == "unauthentic"
    assert source in {UNKNOWN, *(str(one["name"]) for one in SOURCES)}


async def test_a_header_that_comes_twice_does_not_fit() -> None:
    desk = Desk()
    length = f"Content-Length: {len(BODY)}"
    signature = f"X-Signature: {signed()['X-Signature']}"
    async with served(desk):
        once = await raw(desk, head("/receive/signed", length, signature, "Connection: close") + BODY)
        twice = await raw(desk, head("/receive/signed", length, signature, signature, "Connection: close") + BODY)

    assert (b"200", b"401") == (once.split()[1], twice.split()[1])


@pytest.mark.parametrize("name", ["by_header", "by_path/" + SECRET])
async def test_a_secret_that_others_could_read_is_not_accepted(name: str, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    found = []
    # The proxy of this test is on this machine, and is believed.
    async with served(desk, trusted_proxies=["127.0.0.1"]) as client:
        for forwarded in ({"X-Forwarded-Proto": "https"}, {"X-Forwarded-Proto": "http"}, {}):
            status, _, text = await post(client, desk.url(f"/receive/{name}"), BODY, WITH_SECRET | forwarded)
            found.append((status, text.startswith("not authentic")))
        by_signature = await post(client, desk.url("/receive/signed"), BODY, signed() | {"X-Forwarded-Proto": "http"})

    assert [(200, False), (401, True), (401, True)] == found
    assert by_signature[0] == 200, "a signature is no secret"
    assert desk.counted[name.partition("/")[0], "plain_http"] == 2
    [line] = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "replace it" in line
    assert SECRET not in line


async def test_this_machine_may_deliver_in_plain_text() -> None:
    desk = Desk()
    async with served(desk) as client:
        by_header = await post(client, desk.url("/receive/by_header"), BODY, WITH_SECRET)
        by_path = await post(client, desk.url(f"/receive/by_path/{SECRET}"), BODY, {})

    assert (200, 200) == (by_header[0], by_path[0])


async def test_while_kafka_is_away_the_tool_is_asked_to_come_again() -> None:
    desk = Desk()
    async with served(desk) as client:
        desk.is_away = True
        away = await post(client, desk.url("/receive/signed"), BODY, signed())
        health = (await client.get(desk.url("/healthz"))).status
        desk.is_away = False
        back = await post(client, desk.url("/receive/signed"), BODY, signed())

    assert (503, "5", 503) == (away[0], away[1]["Retry-After"], health)
    assert 200 == back[0]
    assert ({("signed", "unavailable"): 1, ("signed", "accepted"): 1}, 1) == (desk.counted, desk.acknowledged.total())


async def test_what_is_ignored_needs_no_kafka() -> None:
    desk = Desk()
    desk.is_away = True
    body = json.dumps({**RESPONSE, "score": None}).encode()
    async with served(desk) as client:
        status, _, text = await post(client, desk.url("/receive/signed"), body, signed(body))

    assert (200, "not_yet_answered", 0) == (status, json.loads(text)["outcomes"][0]["reason"], desk.asked)


async def test_more_deliveries_than_the_limit_are_asked_to_come_again() -> None:
    desk, hold = Desk(), Hold()
    desk.publish = hold.wait
    async with served(desk, concurrent_requests=1) as client:
        first = asyncio.create_task(post(client, desk.url("/receive/signed"), BODY, signed()))
        await hold.begun.acquire()
        second = await post(client, desk.url("/receive/signed"), BODY, signed())
        hold.go_on.set()
        third = await post(client, desk.url("/receive/signed"), BODY, signed())

        assert (503, "1") == (second[0], second[1]["Retry-After"])
        assert (200, 200) == ((await first)[0], third[0])


async def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    desk = Desk()
    async with served(desk, body_bytes=1_000) as client:
        said = await raw(desk, head("/receive/signed", "Content-Length: 1001"))
        chunks = b"3e9\r\n" + b"a" * 1_001 + b"\r\n0\r\n\r\n"
        unsaid = await raw(desk, head("/receive/signed", "Transfer-Encoding: chunked") + chunks)
        fits = await post(client, desk.url("/receive/signed"), BODY, signed())

    assert (b"413", b"413", 200) == (said.split()[1], unsaid.split()[1], fits[0])
    assert desk.counted["signed", "too_large"] == 2


async def test_a_client_may_ask_before_it_sends_a_body() -> None:
    desk = Desk()
    lines = ("Expect: 100-continue", "Connection: close", f"X-Signature: {signed()['X-Signature']}")
    async with served(desk, body_bytes=1_000):
        taken = await raw(desk, head("/receive/signed", f"Content-Length: {len(BODY)}", *lines), BODY)
        refused = await raw(desk, head("/receive/signed", "Content-Length: 1001", *lines))

    assert taken.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert refused.startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_does_not_send_its_body_is_cut_off() -> None:
    desk = Desk()
    async with served(desk, answer_seconds=0.5):
        answer = await raw(desk, head("/receive/signed", "Content-Length: 10"), b"slow")

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert {("signed", "too_slow"): 1} == desk.counted


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", gzip.compress(BODY), 200),
        ("GZIP", gzip.compress(BODY), 200),
        ("x-gzip", gzip.compress(BODY), 200),
        ("deflate", zlib.compress(BODY), 200),
        ("identity", BODY, 200),
        ("gzip", BODY, 400),
        ("gzip", gzip.compress(BODY)[:-9], 400),
        ("gzip", gzip.compress(BODY) + b"more", 400),
        ("gzip", gzip.compress(b"a" * 1_000_001), 413),
        ("br", BODY, 415),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), 415),
    ],
)
async def test_a_body_may_be_compressed_and_its_signature_covers_what_was_sent(
    encoding: str, body: bytes, status: int
) -> None:
    desk = Desk()
    async with served(desk) as client:
        headers = {**signed(body), "Content-Encoding": encoding}
        found = await post(client, desk.url("/receive/signed"), body, headers)
        of_plain = await post(client, desk.url("/receive/signed"), body, headers | signed())

    assert status == found[0]
    assert (status if body == BODY else 401) == of_plain[0]
    assert ("gzip, deflate" if status == 415 else None) == found[1].get("Accept-Encoding")


@pytest.mark.parametrize("path", ["/receive/signed", "/receive/by_path/x", "/receive/nobody"])
async def test_an_address_can_be_tried_without_a_delivery(path: str) -> None:
    desk = Desk()
    async with served(desk) as client:
        tried = [(await client.request(method, desk.url(path))).status for method in ("GET", "HEAD")]
        other = [await client.request(method, desk.url(path)) for method in ("PUT", "DELETE", "OPTIONS", "PATCH")]

    assert [200, 200] == tried
    assert {(405, "GET,HEAD,OPTIONS,POST")} == {(one.status, one.headers["Allow"]) for one in other}
    assert {} == desk.counted


async def test_other_paths_do_not_exist() -> None:
    desk = Desk()
    async with served(desk) as client:
        found = [(await client.get(desk.url(path))).status for path in ("/", "/receive", "/receives/signed")]

    assert [404, 404, 404] == found


async def test_formbricks_can_add_a_webhook_before_there_is_a_secret() -> None:
    desk = Desk()
    async with served(desk) as client:
        found = [await post(client, desk.url(f"/receive/{name}"), b'{"event":"testEndpoint"}', {})
                 for name in ("signed", "nobody")]  # fmt: skip

    assert [200, 200] == [status for status, _, _ in found]
    assert ([], {}) == (desk.published, desk.counted)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a-1.B_2", True), ("a" * 64, True), ("a" * 65, False), ("c@example.com", False), ("a b", False), ("", False)],
)
async def test_a_request_keeps_its_id_if_that_is_harmless(given: str, kept: bool) -> None:
    desk = Desk()
    async with served(desk) as client:
        _, headers, _ = await post(client, desk.url("/receive/signed"), BODY, signed() | {"X-Request-Id": given})

    assert kept is (headers["X-Request-Id"] == given)
    assert len(headers["X-Request-Id"]) > 6


async def test_connections_are_kept() -> None:
    desk = Desk()
    one = head("/receive/signed", f"Content-Length: {len(BODY)}", f"X-Signature: {signed()['X-Signature']}") + BODY
    last = head("/receive/signed", "Content-Length: 0", "Connection: close")
    async with served(desk):
        answer = await raw(desk, one, one + one, last)

    assert [b"200", b"200", b"200", b"401"] == [part.split()[0] for part in answer.split(b"HTTP/1.1 ")[1:]]


async def test_a_bug_is_an_error_of_the_log_without_its_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()

    async def broken(*_: Any) -> None:
        raise ValueError("c-1 says: Trop lent.")

    desk.publish = broken
    async with served(desk) as client:
        status, _, text = await post(client, desk.url("/receive/signed"), BODY, signed())

    assert (500, "an error in the worker\n") == (status, text)
    assert [logging.ERROR, logging.WARNING] == [record.levelno for record in caplog.records if record.levelno > 20]
    assert not any("Trop lent" in record.message for record in caplog.records)


async def test_nothing_that_was_sent_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk = Desk()
    private = "private-0d3f"
    body = json.dumps({**RESPONSE, "comment": private, "customer_id": private}).encode()
    async with served(desk) as client:
        for path in ("signed", "by_header", f"by_path/{SECRET}", f"by_path/{private}", private, f"nobody/{private}"):
            for headers in (signed(body), WITH_SECRET, {"X-Signature": private, "Authorization": private}):
                for content in (body, private.encode(), b"{", b'{"score": "private-0d3f"}'):
                    await post(client, desk.url(f"/receive/{path}?{private}"), content, headers)
        await client.get(desk.url(f"/{private}"))
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith("asyncio")]

    assert len(desk.published) > 2
    assert lines
    assert not [line for line in lines if private in line or SECRET in line]


async def test_a_stranger_who_sends_rubbish_causes_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    async with served(desk) as client:
        for number in range(50):
            await post(client, desk.url(f"/receive/nobody_{number}"), BODY, {})
            await post(client, desk.url("/receive/signed"), BODY, {})
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    assert len(lines) == 2
    assert any(str(Unauthentic.SIGNATURE_MISSING) in line for line in lines)


def test_every_word_that_is_counted_is_known_to_the_metrics() -> None:
    assert {refusal.outcome for refusal in Refusal} | {"accepted", "part", "fetch", "ignored", "refused"} == {
        *words.RECEIVED
    }


async def test_a_stop_finishes_the_deliveries_that_are_being_handled() -> None:
    desk, hold = Desk(), Hold()
    desk.publish = hold.wait
    async with ClientSession() as client:
        async with served(desk):
            posting = asyncio.create_task(post(client, desk.url("/receive/signed"), BODY, signed()))
            await hold.begun.acquire()
            asyncio.get_running_loop().call_later(0.01, hold.go_on.set)
        assert (await posting)[0] == 200


LIST = {
    "name": "list", "tool": "template", "secrets": [SECRET], "survey_id": "s",
    "mapping": {"each": "rows", "response_id": "mail", "score": "score", "responded_at": "at", "customer_id": "who"},
}  # fmt: skip


def listed(*changes: dict[str, Any]) -> bytes:
    row = {"mail": "zoe.private@example.com", "score": 5, "at": "2026-03-02T10:00:00Z", "who": "c-1"}
    return json.dumps({"rows": [row | one for one in changes]}).encode()


async def test_a_refused_answer_is_named_by_its_place_and_not_by_its_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk = Desk()
    async with served(desk, sources=[LIST]) as client:
        _, _, text = await post(client, desk.url("/receive/list"), listed({}, {"score": 11}, {"at": "x"}), WITH_SECRET)
    _, letter = desk.published
    detail = json.loads(letter.value or b"")["detail"]

    assert ["accepted", "refused", "refused"] == [one["outcome"] for one in json.loads(text)["outcomes"]]
    assert detail.startswith("answer 2 of 3: score: ")
    assert "; answer 3 of 3: responded_at: " in detail
    assert not [said for said in (detail, text, caplog.text) if "zoe" in said]


async def test_a_small_delivery_cannot_become_large_records() -> None:
    desk = Desk()
    async with served(desk, sources=[LIST]) as client:
        for body in (b'{"rows":[%b]}' % b",".join([b"0"] * 20_000), listed(*({"score": 11} for _ in range(1_000)))):
            status, _, _ = await post(client, desk.url("/receive/list"), body, WITH_SECRET)
            [letter] = desk.published
            desk.published = []

            assert (200, events.DEAD_LETTERS) == (status, letter.topic)
            assert len(letter.value or b"") < 2 * len(body) + 5_000


async def test_a_large_delivery_that_is_read_lets_others_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, may_go_on = Desk(), Event()
    large = listed(*({"mail": f"{number}"} for number in range(1_000)))

    def slowly(outcomes: Outcomes, delivery: Delivery, policy: IntakePolicy) -> list[Recorded]:
        if delivery.body == large:
            assert may_go_on.wait(10)
        return records(outcomes, delivery, policy)

    monkeypatch.setattr("worker.ingest.site.records", slowly)
    async with served(desk, sources=[LIST, *SOURCES], answer_seconds=60) as client:
        posting = asyncio.create_task(post(client, desk.url("/receive/list"), large, WITH_SECRET))
        for _ in range(3):
            assert (await post(client, desk.url("/receive/signed"), BODY, signed()))[0] == 200
        may_go_on.set()
        assert (await posting)[0] == 200
    assert len(desk.published) == 1_003


async def test_nothing_is_published_once_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk, loop = Desk(), asyncio.get_running_loop()

    def too_slowly(*given: Any) -> list[Recorded]:
        monkeypatch.setattr(loop, "time", lambda: monotonic() + 5)
        return records(*given)

    monkeypatch.setattr("worker.ingest.site.records", too_slowly)
    async with served(desk) as client:
        status, headers, _ = await post(client, desk.url("/receive/signed"), BODY, signed())

    assert (503, "5", 0) == (status, headers["Retry-After"], desk.asked)
    assert "receive.answer_seconds" in caplog.text


CLOUDEVENTS = {"name": "cloudevents", "tool": "cloudevents", "secrets": [SECRET], "allowed_origins": ["a.example.com"]}


async def test_a_cloudevent_arrives_with_its_attributes() -> None:
    desk = Desk()
    attributes = {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/%C3%A9", "ce-type": "answer"}
    async with served(desk, sources=[CLOUDEVENTS]) as client:
        status, _, text = await post(client, desk.url("/receive/cloudevents"), BODY, {**WITH_SECRET, **attributes})
    [output] = desk.published

    assert (200, [{"outcome": "accepted"}]) == (status, json.loads(text)["outcomes"])
    assert ("ce_source", "/é".encode()) in output.headers


async def test_a_sender_that_asks_first_learns_whether_it_may_deliver() -> None:
    desk = Desk()
    async with served(desk, sources=[CLOUDEVENTS, *SOURCES]) as client:
        for path, origin, status in (
            ("cloudevents", "A.example.com", 200), ("cloudevents", "b.example.com", 405), ("cloudevents", None, 405),
            ("by_header", "a.example.com", 405), ("nobody", "a.example.com", 405),
        ):  # fmt: skip
            asked = {} if origin is None else {"WebHook-Request-Origin": origin, "WebHook-Request-Rate": "120"}
            async with client.options(desk.url(f"/receive/{path}"), headers=asked) as answer:
                assert status == answer.status
                assert "POST" in answer.headers["Allow"]
                allowed = answer.headers.get("WebHook-Allowed-Origin"), answer.headers.get("WebHook-Allowed-Rate")
                assert ((origin, "*") if status == 200 else (None, None)) == allowed
    assert desk.asked == 0
