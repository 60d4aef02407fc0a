"""The pages of links: reading changes nothing, sending the form acts once, and every answer is guarded."""

import asyncio
import base64
import gzip
import hashlib
import re
from html.parser import HTMLParser
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiokafka.errors import KafkaConnectionError
from flow.cases.following import Following, command, opened, record, resolution, step
from flow.records import HOUR, NOW
from pydantic import SecretStr
from serving import Hold
from web.sites import ACKNOWLEDGE, FORM, LINKS, RESOLVE, Desk, served

from schemas.alert_command_result import AlertCommandResult
from worker.errors import Refused, Unreachable
from worker.flow.messages import case_log
from worker.flow.policy import CasePolicy
from worker.flow.timestamps import DAY
from worker.links.commanding import LONGEST_NAME, LONGEST_NOTE
from worker.links.signing import Link, Links
from worker.web.site import LARGEST_BODY, preferred_language

LATER = NOW + HOUR
#: What no page may show: it is in the message with the link, or nobody's business.
CANARIES = ("c-1", "canary note")


class Elements(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def check_guarded(response: ClientResponse, text: str) -> None:
    """Assert what holds for every answer."""
    headers = response.headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "script-src" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Connection"] == "close"
    assert "Set-Cookie" not in headers
    elements = Elements(text)
    assert not elements.of("script")
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert not [name for _, attributes in elements.found for name in attributes if name in {"style", "src"}]
    assert not [link for link in elements.of("a") if not (link["href"] or "").startswith("https://nps.example/case/")]
    for style in re.findall("<style>(.*?)</style>", text, re.DOTALL):
        hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert policy["style-src"] == f"'sha256-{hashed}'"
    assert not [canary for canary in CANARIES if canary in text]


async def get(desk: Desk, link: Link, links: Links = LINKS, languages: str = "") -> tuple[int, str]:
    headers = {"Accept-Language": languages}
    async with served(desk) as client, client.get(desk.url(link, links), headers=headers) as response:
        text = await response.text()
        check_guarded(response, text)
        return response.status, text


async def post(desk: Desk, link: Link, **fields: str) -> tuple[int, str]:
    async with served(desk) as client, client.post(desk.url(link), data=fields, headers=FORM) as response:
        text = await response.text()
        check_guarded(response, text)
        return response.status, text


async def test_a_thousand_readers_of_a_page_change_nothing_and_the_link_stays_good() -> None:
    desk = Desk()
    before = dict(desk.following.rows)
    async with served(desk) as client:

        async def read(number: int) -> None:
            link = (ACKNOWLEDGE, RESOLVE)[number // 2 % 2]
            async with client.request(("GET", "HEAD")[number % 2], desk.url(link)) as response:
                text = await response.text()
                assert response.status == 200
                assert ("<form" in text) == (number % 2 == 0)
                check_guarded(response, text)

        for first in range(0, 1_000, 50):
            await asyncio.gather(*(read(number) for number in range(first, first + 50)))
    assert (desk.following.rows, desk.given) == (before, [])

    assert (await post(desk, ACKNOWLEDGE))[0] == 200
    assert [given["action"] for given in desk.given] == ["acknowledge"]


async def test_a_page_shows_the_case_and_a_form_that_only_a_person_sends() -> None:
    desk = Desk()
    desk.following.say(command(action="note", note="canary note"))
    status, text = await get(desk, RESOLVE)
    (form,) = Elements(text).of("form")

    assert status == 200
    assert form == {"method": "post", "accept-charset": "utf-8"}
    for shown in ("2 out of 10", "critical", "fr › shop-3", "autumn", "Open since", "open", "Case number: a-1"):
        assert shown in text
    assert [field.get("name") for field in Elements(text).of("input")] == ["outcome"] * 4 + ["name"]
    assert [option["value"] for option in Elements(text).of("option")] == ["", "delivery", "price"]


async def test_sending_a_form_twice_is_the_same_as_once() -> None:
    desk = Desk()
    first = await post(desk, ACKNOWLEDGE, name="Anna", note="canary note")
    second = await post(desk, ACKNOWLEDGE, name="Anna", note="canary note")

    assert first[0] == second[0] == 200
    assert "The case is acknowledged by Anna (care)." in first[1]
    assert "Anna (care) has looked after this case since" in second[1]
    assert len(desk.given) == 1
    assert (desk.given[0]["actor"], desk.given[0]["via"], desk.given[0]["opening"]) == ("Anna (care)", "link", 1)
    case = desk.following.case()
    assert case is not None
    assert (case.state, [note.text for note in case.notes]) == ("acknowledged", ["canary note"])


@pytest.mark.parametrize("link", [ACKNOWLEDGE, RESOLVE])
async def test_the_page_after_an_action_names_the_case_and_leads_to_it_if_the_page_is_served(link: Link) -> None:
    desk = Desk()
    desk.page_url = "https://nps.example"
    _, text = await post(desk, link, outcome="solved", cause="price")
    for shown in ("2 out of 10", "fr › shop-3", "Case number: a-1"):
        assert shown in text
    assert Elements(text).of("a") == [{"href": "https://nps.example/case/a-1"}]

    _, text = await get(desk, ACKNOWLEDGE)  # it cannot be used any more
    assert Elements(text).of("a") == [{"href": "https://nps.example/case/a-1"}]

    desk = Desk()
    assert not Elements((await post(desk, link, outcome="solved", cause="price"))[1]).of("a")


async def test_a_form_that_is_sent_twice_before_the_page_knows_it_changes_the_case_once() -> None:
    desk = Desk()
    behind, ahead = opened(), desk.following
    desk.following = behind

    async def carry_out(given: dict[str, Any]) -> AlertCommandResult:
        desk.given.append(given)
        return AlertCommandResult.model_validate(ahead.say(given), strict=False)

    desk.give = carry_out
    answers = [await post(desk, RESOLVE, outcome="solved", cause="price") for _ in range(2)]
    other = await post(desk, RESOLVE, outcome="solved", cause="delivery")

    assert answers[0] == answers[1]
    assert "Thank you, the case is resolved" in answers[0][1]
    assert desk.given[0]["command_id"] == desk.given[1]["command_id"]
    assert "This case is resolved" in other[1]
    case = ahead.case()
    assert case is not None
    assert (case.step, case.cause) == (2, "price")


def changed(*events: str) -> Following:
    following = opened()
    for number, event in enumerate(events, start=1):
        at = NOW + number * 60_000
        match event:
            case "acknowledged":
                following.say(command(actor="Bob & <b>Co</b>"), at)
            case "resolved":
                following.say(resolution(actor="Bob & <b>Co</b>"), at)
            case "reopened":
                following.say(command(command_id="k-9", action="reopen"), at)
            case "withdrawn":
                following.take(record(step(number, action="withdrawn", at=at), at))
            case "erased":
                following.take(record(case_log.Erasure(number, 0), at))
    return following


@pytest.mark.parametrize(
    ("events", "status", "title", "said"),
    [
        (["acknowledged"], 200, "Somebody looks after this case", "Bob &amp; &lt;b&gt;Co&lt;/b&gt; has looked after"),
        (["acknowledged", "resolved"], 200, "This case is resolved", "Bob &amp; &lt;b&gt;Co&lt;/b&gt; resolved"),
        (["resolved"], 200, "This case is resolved", "Outcome: The problem is solved."),
        (["withdrawn"], 200, "This alert was withdrawn", "There is no need to call this customer back."),
        (["resolved", "reopened"], 200, "This case was reopened", "after the message with this link was sent"),
        (["erased"], 404, "This case is not known any more", "the customer’s data were erased"),
    ],
)
async def test_an_outdated_link_says_what_has_happened_and_does_nothing(
    events: list[str], status: int, title: str, said: str
) -> None:
    desk = Desk(changed(*events))
    before = dict(desk.following.rows)
    read, sent = await get(desk, ACKNOWLEDGE), await post(desk, ACKNOWLEDGE)

    assert read == sent
    assert read[0] == status
    assert f"<h1>{title}</h1>" in read[1]
    assert said in read[1]
    assert "<form" not in read[1]
    assert (desk.given, desk.following.rows) == ([], before)


async def test_a_link_that_is_too_old_changed_or_signed_with_another_key_says_so() -> None:
    desk = Desk()
    other = Links((SecretStr("o" * 32),), 30)
    desk.clock.time = NOW + 30 * DAY + 1_000
    expired = await get(desk, ACKNOWLEDGE)
    desk.clock.time = LATER
    replaced = await get(desk, ACKNOWLEDGE, other)
    async with served(desk) as client:
        for method in ("GET", "POST"):
            async with client.request(method, desk.url(ACKNOWLEDGE) + "x", headers=FORM) as response:
                assert response.status == 404
                assert "This link is not valid" in await response.text()

    assert expired[0] == 410
    assert "A link can be used for 30 days." in expired[1]
    assert replaced[0] == 404
    assert desk.given == []


async def test_who_guesses_links_or_sends_forms_without_end_has_to_wait_and_others_do_not() -> None:
    desk = Desk()
    proxies = (ip_network("127.0.0.1"),)
    async with served(desk, proxies=proxies) as client:

        async def status(method: str, url: str, address: str) -> int:
            headers = {"X-Forwarded-For": address, **(FORM if method == "POST" else {})}
            async with client.request(method, url, headers=headers) as response:
                return response.status

        wrong, right = desk.url(ACKNOWLEDGE) + "x", desk.url(ACKNOWLEDGE)
        assert [await status("GET", wrong, "192.0.2.1") for _ in range(61)] == [404] * 60 + [429]
        assert await status("GET", wrong, "192.0.2.2") == 404
        assert await status("GET", right, "192.0.2.1") == 200
        assert [await status("POST", right, "192.0.2.1") for _ in range(61)][-1] == 429
        assert await status("POST", right, "192.0.2.2") == 200
        # A line of the client's own comes before the one of the proxy.
        lines = [("X-Forwarded-For", "192.0.2.3"), ("X-Forwarded-For", "192.0.2.1")]
        async with client.get(wrong, headers=lines) as response:
            assert response.status == 429


async def test_a_page_is_not_shown_before_the_cases_are_known_and_a_new_alert_asks_for_patience() -> None:
    desk = Desk()
    desk.ready = False
    starting = await get(desk, ACKNOWLEDGE)
    desk.ready = True
    new = await post(desk, ACKNOWLEDGE._replace(at=LATER, alert_id="a-2"))

    assert (starting[0], new[0]) == (503, 503)
    assert "This page is starting" in starting[1]
    assert "This alert is very new" in new[1]


async def test_a_wrong_form_comes_back_with_what_was_filled_in_and_what_is_wrong() -> None:
    desk = Desk()
    desk.following.policy = CasePolicy(causes=["price"], cause_required=True)
    status, text = await post(desk, RESOLVE, name="<b>", outcome="called_back", note="</textarea>\n<script>")
    elements = Elements(text)

    assert (status, desk.given) == (422, [])
    assert "Please choose what had gone wrong." in text
    assert [field["value"] for field in elements.of("input") if "checked" in field] == ["called_back"]
    assert [field["value"] for field in elements.of("input") if field["type"] == "text"] == ["<b>"]
    assert "\n&lt;/textarea&gt;\n&lt;script&gt;</textarea>" in text


async def test_the_longest_form_is_accepted_and_a_larger_body_is_not() -> None:
    desk = Desk()
    widest = "\N{PILE OF POO}"
    status, _ = await post(
        desk, RESOLVE, name=widest * LONGEST_NAME, note=widest * LONGEST_NOTE, outcome="solved", cause="price"
    )
    too_large, text = await post(Desk(), RESOLVE, note="n" * LARGEST_BODY)

    assert (status, len(desk.given), len(desk.given[0]["note"])) == (200, 1, LONGEST_NOTE)
    assert too_large == 413
    assert "This was not accepted" in text


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"", {"Content-Type": "multipart/form-data; boundary=x"}, 415),
        (b"&".join(b"a%d=" % number for number in range(30)), FORM, 400),
        (b"no gzip", {**FORM, "Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"n" * 10_000_000), {**FORM, "Content-Encoding": "gzip"}, 413),
    ],
)
async def test_what_is_no_form_is_refused(body: bytes, headers: dict[str, str], status: int) -> None:
    desk = Desk()
    async with served(desk) as client, client.post(desk.url(ACKNOWLEDGE), data=body, headers=headers) as response:
        text = await response.text()
        check_guarded(response, text)

    assert (response.status, desk.given, desk.failure.error) == (status, [], None)


async def test_bytes_that_are_no_text_are_only_strange_texts() -> None:
    desk = Desk()
    body = b"name=%FF%00\xe9\xff&note=%ED%A0%80;&;&="
    async with served(desk) as client, client.post(desk.url(ACKNOWLEDGE), data=body, headers=FORM) as response:
        assert response.status == 200

    (given,) = desk.given
    assert given["actor"] == "\N{REPLACEMENT CHARACTER}" * 3 + " (care)"


async def test_other_paths_and_methods_are_guarded_as_well() -> None:
    desk = Desk()
    async with served(desk) as client:
        for method, path, status in [
            ("GET", "/", 404),
            ("GET", "/acknowledge", 404),
            ("GET", "/reopen/x", 404),
            ("GET", "/../etc/passwd", 404),
            ("DELETE", LINKS.url(ACKNOWLEDGE), 405),
            ("OPTIONS", LINKS.url(ACKNOWLEDGE), 405),
        ]:
            async with client.request(method, f"http://127.0.0.1:{desk.port}{path}") as response:
                check_guarded(response, await response.text())
                assert response.status == status
        async with client.get(f"http://127.0.0.1:{desk.port}/healthz") as response:
            assert (response.status, await response.text()) == (200, "ready\n")
        desk.ready = False
        async with client.get(f"http://127.0.0.1:{desk.port}/healthz") as response:
            assert (response.status, await response.text()) == (503, "starting\n")


@pytest.mark.parametrize(
    ("error", "status"),
    [(Unreachable("Kafka does not answer"), 503), (KafkaConnectionError(), 503), (RuntimeError("canary note"), 500)],
)
async def test_a_failure_says_that_the_answer_may_not_have_arrived_and_stops_nothing(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()

    async def fail(_: dict[str, Any]) -> None:
        raise error

    desk.give = fail
    found = await post(desk, ACKNOWLEDGE)

    assert found[0] == status
    assert "It is not sure whether your answer has arrived" in found[1]
    assert desk.failure.error is None
    assert [record.levelname for record in caplog.records] == ["ERROR" if status == 500 else "WARNING"]
    assert LINKS.token(ACKNOWLEDGE) not in caplog.text


async def test_a_worker_that_is_not_let_in_stops() -> None:
    desk = Desk()

    async def fail(_: dict[str, Any]) -> None:
        raise Refused("Kafka does not let the worker in")

    desk.give = fail

    assert (await post(desk, ACKNOWLEDGE))[0] == 503
    assert isinstance(desk.failure.error, Refused)


async def test_an_answer_that_does_not_come_in_time_is_on_its_way() -> None:
    desk = Desk()

    async def wait(_: dict[str, Any]) -> None:
        return None

    desk.give = wait
    status, text = await post(desk, ACKNOWLEDGE)

    assert status == 202
    assert "Your answer is on its way" in text


async def test_a_refusal_that_no_page_foresees_is_only_said() -> None:
    desk = Desk()
    desk.following.policy = CasePolicy(causes=["price"])

    async def refuse(given: dict[str, Any]) -> AlertCommandResult:
        other = opened(CasePolicy(causes=["weather"])).say(given)
        return AlertCommandResult.model_validate(other, strict=False)

    desk.give = refuse
    status, text = await post(desk, RESOLVE, outcome="solved", cause="price")

    assert status == 422
    assert "This was not accepted" in text


async def test_only_some_commands_wait_at_the_same_time() -> None:
    desk, hold = Desk(), Hold()
    desk.give = hold.wait
    async with served(desk) as client:
        sending = [asyncio.create_task(client.post(desk.url(ACKNOWLEDGE), headers=FORM)) for _ in range(8)]
        for _ in sending:
            await hold.begun.acquire()
        async with client.post(desk.url(ACKNOWLEDGE), headers=FORM) as response:
            assert response.status == 503
            assert "Too many people" in await response.text()
        hold.go_on.set()
        assert [(await response).status for response in sending] == [202] * 8


async def test_a_page_is_in_the_language_of_the_receiver_or_else_of_the_browser() -> None:
    desk = Desk()
    french = await get(desk, ACKNOWLEDGE._replace(receiver="lyon"), languages="en")
    of_browser = await get(desk, ACKNOWLEDGE, languages="de-DE,fr-FR;q=0.8,en;q=0.5")
    of_settings = await get(desk, ACKNOWLEDGE, languages="de")

    assert '<html lang="fr">' in french[1]
    assert "Je m’en occupe" in french[1]
    assert "(UTC+01:00)" in french[1] or "(UTC+02:00)" in french[1]
    assert '<html lang="fr">' in of_browser[1]
    assert '<html lang="en">' in of_settings[1]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", None),
        ("de", None),
        ("fr", "fr"),
        ("FR-ca", "fr"),
        ("en;q=0.5, fr;q=0.4", "en"),
        ("en;q=0.4, fr-FR;q=0.5", "fr"),
        ("fr;q=0", None),
        ("frisian, *;q=0.1", None),
        ("," * 100_000, None),
    ],
)
def test_the_language_that_a_browser_prefers(accepted: str, language: str | None) -> None:
    assert preferred_language(accepted) == language
