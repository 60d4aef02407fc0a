"""Cases on the page: what is shown, what a person can do, and what nobody may see or send."""

import re
from html import unescape
from importlib.resources import files
from urllib.parse import quote

import pytest
from flow.cases.following import Following, command, record, step
from flow.records import DAY, NOW
from web.board_rig import Browser, check_guarded, served, token_of, with_users
from web.case_desk import Desk

from worker.flow.cases.case import Case, Cases, encode_cases
from worker.flow.policy import CasePolicy
from worker.flow.timestamps import rfc3339
from worker.web.searching import cookie_of, new_search, search_of


def case_of(desk: Desk, alert_id: str = "a-1") -> Case:
    found = desk.following.case(alert_id)
    assert found is not None
    return found


def value_of(browser: Browser, name: str) -> str:
    """Return the value of a field of the page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', browser.text)
    assert found is not None
    return unescape(found[1])


async def test_a_case_shows_the_answer_its_steps_and_what_can_be_done() -> None:
    desk = Desk().open()
    async with served(desk.rig) as [browser]:
        check_guarded(await browser.get("/case/a-1"))
        assert browser.status == 200
        for shown in ("2 out of 10", "fr › shop-3", "critical", "open", "The parcel was wet.", "c-1", "autumn"):
            assert shown in browser.text
        assert "The alert was opened" in browser.text
        assert "What has happened" in browser.text
        assert [*re.findall(r'<button name="action" value="(\w+)"', browser.text)] == [
            "acknowledge",
            "assign",
            "note",
            "resolve",
        ]


@pytest.mark.parametrize("may_call", [True, False])
async def test_a_number_is_called_only_if_the_customer_has_agreed(may_call: bool) -> None:
    desk = Desk().open(consent={"callback": may_call, "public_review": False, "marketing": False})
    async with served(desk.rig) as [browser]:
        text = await browser.open("/case/a-1")
        assert ("no, do not call about this answer" in text) == (not may_call)
        assert ("yes, about this answer" in text) == may_call
        assert ('href="tel:' in text) == may_call


async def test_the_list_has_the_name_and_the_beginning_of_the_comment() -> None:
    desk = Desk().open(name="Camille Petit", comment="The parcel was wet. " * 10).open(b"c-2", alert_id="a-2")
    async with served(desk.rig) as [browser]:
        text = await browser.open("/cases")
        assert "Camille Petit<small>c-1</small>" in text
        assert "The parcel was wet. The parcel" in text
        assert "The parcel was wet. " * 5 not in text


async def test_an_open_case_of_nobody_says_so_and_its_notes_keep_their_lines() -> None:
    desk = Desk().open()
    async with served(desk.rig) as [browser]:
        assert re.search(r"<dt>Looked after by</dt><dd[^>]*>nobody</dd>", await browser.open("/case/a-1"))
        await browser.post("/case/a-1", {"case": value_of(browser, "case"), "action": "note", "note": "one\ntwo"})
        assert 'class="said" dir="auto">one\ntwo</span>' in await browser.open("/case/a-1")


def test_the_list_of_cases_is_printed_although_it_is_a_form() -> None:
    sheet = (files("worker.web") / "static" / "page.css").read_text().partition("@media print")[2]
    hidden = {
        part.strip() for found in re.findall(r"([^{}]*){[^{}]*display: none[^{}]*}", sheet) for part in found.split(",")
    }
    assert "form:not(.panel)" in hidden
    assert hidden.isdisjoint({"form", "form.panel", ".panel", "table"})


async def test_people_acknowledge_assign_note_resolve_and_reopen_a_case() -> None:
    desk = Desk(with_users()).open(segment="Retail/Lyon")
    async with served(desk.rig) as [ann]:
        await ann.log_in("ann")

        async def act(**fields: str) -> str:
            await ann.open("/case/a-1")
            response = await ann.post("/case/a-1", {"case": value_of(ann, "case"), **fields})
            assert response.status == 303
            return await ann.open(response.headers["Location"])

        text = await act(action="acknowledge", note="I call her.")
        assert "You have this case now. The note is added." in text
        assert "acknowledged" in text
        assert "I call her." in text
        assert (case_of(desk).state, case_of(desk).acknowledged_by) == ("acknowledged", "ann")
        assert "to bob" in await act(action="assign", assignee=" bob ")
        assert case_of(desk).assignee == "bob"
        assert "second note" in await act(action="note", note="second note")
        text = await act(action="resolve", outcome="solved", cause="delivery")
        assert "The case is resolved." in text
        assert "The problem is solved" in text
        assert "delivery" in text
        assert (case_of(desk).state, case_of(desk).resolved_by) == ("resolved", "ann")
        assert 'value="reopen"' in text
        assert 'value="resolve"' not in text
        assert "The case is open again." in await act(action="reopen")
        assert case_of(desk).opening == 2

    assert {(one["actor"], one["via"]) for one in desk.rig.given} == {("ann", "page")}
    said = [(one["command"], one["outcome"], one["about"]) for one in desk.rig.audited if one["command"]]
    actions = ("acknowledge", "assign", "note", "resolve", "reopen")
    assert said == [(action, "applied", "a-1") for action in actions]


async def test_a_form_that_is_sent_twice_does_it_once() -> None:
    desk = Desk().open()
    async with served(desk.rig) as [browser]:
        await browser.open("/case/a-1")
        fields, token = {"case": value_of(browser, "case"), "action": "note", "note": "once"}, browser.token
        for _ in range(2):
            assert (await browser.post("/case/a-1", fields, token=token)).status == 303

    assert [note.text for note in case_of(desk).notes] == ["once"]
    assert len({command["command_id"] for command in desk.rig.given}) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Choose a case, and what to do with it."),
        ({"action": "reapply"}, "Choose a case, and what to do with it."),
        ({"action": "note", "note": " \n "}, "Write a note first."),
        ({"action": "note", "note": "x" * 2_001}, "The note is too long."),
        ({"action": "assign"}, "Say to whom the case is assigned."),
        ({"action": "assign", "assignee": "x" * 201}, "The name is too long."),
        ({"action": "resolve"}, "Choose what came of it."),
        ({"action": "resolve", "outcome": "solved", "cause": "weather"}, "Choose what had gone wrong."),
    ],
)
async def test_what_is_missing_is_said_and_what_was_written_stays(fields: dict[str, str], says: str) -> None:
    desk = Desk().open()
    async with served(desk.rig) as [browser]:
        for address in ("/case/a-1", "/cases"):
            await browser.open(address)
            to = "/cases/act" if address == "/cases" else address
            sent = {"case": value_of(browser, "case"), "note": "what I wrote", **fields}
            await browser.post(to, sent)
            assert browser.status == 422
            assert says in browser.text
            assert "what I wrote" in browser.text or "note" in fields

    assert desk.rig.given == []


async def test_what_was_refused_is_said_in_plain_words() -> None:
    desk = Desk().open()
    async with served(desk.rig, 2) as [early, late]:
        await early.open("/case/a-1")
        await late.open("/case/a-1")
        seen = value_of(early, "case")
        await late.post("/case/a-1", {"case": seen, "action": "resolve", "outcome": "solved"})
        response = await early.post("/case/a-1", {"case": seen, "action": "acknowledge"})
        assert response.headers["Location"] == "/case/a-1?said=acknowledge.refused.case_resolved"
        assert "The case was resolved meanwhile." in await early.open(response.headers["Location"])
        await late.open("/case/a-1")
        await late.post("/case/a-1", {"case": value_of(late, "case"), "action": "reopen"})
        await early.open("/case/a-1")
        response = await early.post("/case/a-1", {"case": seen, "action": "assign", "assignee": "bob"})
        assert "Read it again before you act." in await early.open(response.headers["Location"])


@pytest.mark.parametrize("address", ["/case/a-1", "/cases"])
async def test_a_note_that_was_not_added_stays_in_the_form(address: str) -> None:
    desk = Desk().open()
    async with served(desk.rig, 2) as [first, second]:
        await first.open(address)
        await second.open(address)
        to, fields = address.replace("/cases", "/cases/act"), {"case": value_of(first, "case")}
        await first.post(to, {**fields, "action": "acknowledge"})
        await second.post(to, {**fields, "action": "acknowledge", "note": "She is away until Friday."})
        assert second.status == 409
        assert "It was so already, so nothing has changed. Your note is not added." in second.text
        assert "\nShe is away until Friday.</textarea>" in second.text
        await first.open(address)
        await first.post(to, {**fields, "action": "resolve", "outcome": "solved"})
        await second.post(to, {**fields, "action": "acknowledge", "note": "She is back on Monday."})
        assert second.status == 409
        assert "The case was resolved meanwhile." in second.text
        assert "\nShe is back on Monday.</textarea>" in second.text
        assert case_of(desk).notes == []
        await second.post(to, {**fields, "action": "note", "note": "She is away until Friday."})
        assert second.status == 303

    assert [note.text for note in case_of(desk).notes] == ["She is away until Friday."]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/case/a-1?said=acknowledge.applied", "You have this case now."),
        ("/cases?said=acknowledge.applied&about=a-1", "You have this case now."),
        ("/silences?done=added", "The silence is added."),
    ],
)
async def test_what_became_of_a_form_is_not_said_to_whoever_is_sent_the_address(path: str, said: str) -> None:
    async with served(Desk().open().rig) as [browser]:
        for site, is_said in (("same-origin", True), ("none", False), ("cross-site", False)):
            await browser.get(path, **{"Sec-Fetch-Site": site})
            assert (said in browser.text) == is_said


async def test_the_browser_shows_what_is_wrong_with_a_form() -> None:
    desk = Desk().open()
    async with served(desk.rig) as [browser]:
        assert "autofocus" not in await browser.open("/case/a-1")
        await browser.post("/case/a-1", {"case": value_of(browser, "case"), "action": "resolve"})
        assert re.findall(r"<(\w+)[^>]* autofocus>([^<]*)", browser.text) == [("p", "Choose what came of it.")]


async def test_a_case_of_the_list_is_acknowledged_and_resolved_there() -> None:
    desk = Desk().open().open(b"c-2", alert_id="a-2", segment="be", severity="warning")
    async with served(desk.rig) as [browser]:
        await browser.open("/cases?severity=critical")
        assert "1 case, not overdue" in browser.text
        assert "a-2" not in browser.text
        button = re.search(r'name="do" value="([^"]*)"', browser.text)
        assert button is not None
        response = await browser.post("/cases/act", {"do": button[1], "back": "/cases?severity=critical"})
        assert response.headers["Location"] == "/cases?severity=critical&said=acknowledge.applied&about=a-1"
        text = await browser.open(response.headers["Location"])
        assert "You have this case now." in text
        assert 'value="critical" selected' in text
        assert case_of(desk).acknowledged_by == "local"
        fields = {"case": value_of(browser, "case"), "action": "resolve", "outcome": "solved", "back": "/cases"}
        response = await browser.post("/cases/act", fields)
        assert response.headers["Location"] == "/cases?said=resolve.applied&about=a-1"
        assert case_of(desk).state == "resolved"
        assert "a-1" not in re.findall(r'href="/case/([^"]*)"', await browser.open("/cases"))
        assert "a-1" in re.findall(r'href="/case/([^"]*)"', await browser.open("/cases?state=all"))


async def test_the_list_is_in_pages_of_50_and_has_few_bytes() -> None:
    desk = Desk()
    for number in range(120):
        desk.open(f"c-{number}".encode(), alert_id=f"a-{number:03}", at=NOW + number, segment="fr/" + "x" * 90)
    async with served(desk.rig) as [browser]:
        seen, address = list[str](), "/cases?segment=fr"
        for _ in range(3):
            await browser.open(address)
            assert len(browser.text.encode()) < 150_000
            found = re.findall(r'href="/case/([^"]*)"', browser.text)
            assert len(found) <= 50
            seen += found
            following = re.search(r'<a href="([^"]*)" rel="next"', browser.text)
            if following is None:
                break
            address = unescape(following[1])
        assert seen == [f"a-{number:03}" for number in range(120)]
        assert "120 cases" in browser.text


async def test_a_customer_is_found_by_a_form_and_never_by_an_address() -> None:
    desk = Desk().open().open(b"c-2", alert_id="a-2")
    async with served(desk.rig) as [browser]:
        await browser.open("/cases")
        response = await browser.post("/cases", {"customer": " c-2 "})
        assert response.status == 303
        address = response.headers["Location"]
        await browser.open(address)
        assert re.findall(r'href="/case/([^"]*)"', browser.text) == ["a-2"]
        assert 'data-live="' not in browser.text
        assert "c-2" not in "".join(re.findall(r'(?:href|action)="([^"]*)"', browser.text))
        assert "c-1" not in await browser.open("/cases.csv" + address.removeprefix("/cases"))
        button = re.search(r'name="do" value="([^"]*)"', await browser.open(address))
        assert button is not None
        response = await browser.post("/cases/act", {"do": button[1], "back": value_of(browser, "back")})
        assert re.findall(r'href="/case/([^"]*)"', await browser.open(response.headers["Location"])) == ["a-2"]
        assert "You have this case now." in browser.text
        response = await browser.post("/cases", {"customer": "nobody"})
        assert "No case of this customer is known." in await browser.open(response.headers["Location"])
        assert "Search for the customer again." in await browser.open(address)
        response = await browser.post("/cases", {"customer": " "})
        assert response.headers["Location"] == "/cases"
        await browser.get("/cases?customer=c-2")
        assert {"a-1", "a-2"} == {*re.findall(r'href="/case/([^"]*)"', browser.text)}


async def test_a_person_sees_the_cases_of_the_own_segments_only_and_acts_on_no_other() -> None:
    desk = Desk(with_users()).open(segment="Retail/Lyon").open(b"c-2", alert_id="a-2", segment="Support/Hotline")
    async with served(desk.rig) as [ann]:
        await ann.log_in("ann")  # who sees Retail
        for address in ("/cases", "/cases?state=all", "/cases?segment=Support", "/cases.csv", "/case/a-1"):
            await ann.open(address)
            assert "Support/" not in ann.text
            assert "Hotline" not in ann.text
            assert "c-2" not in ann.text
        assert "1 case, " in await ann.open("/cases")
        await ann.get("/case/a-2")
        assert ann.status == 404
        await ann.open("/case/a-1")
        for path, fields in (("/case/a-2", {}), ("/cases/act", {"case": "1.1.a-2"})):
            await ann.open("/case/a-1")
            await ann.post(path, {"action": "acknowledge", **fields})
            assert ann.status == 404
        await ann.open("/cases")
        response = await ann.post("/cases", {"customer": "c-2"})
        assert "No case of this customer is known." in await ann.open(response.headers["Location"])
        await ann.get("/loop?segment=Support")
        assert ann.status == 404

    assert desk.rig.given == []


async def test_customers_are_hidden_from_those_who_only_look_if_the_settings_say_so() -> None:
    desk = Desk(with_users(auth={"view_hides_customers": True}))
    desk.open(b"canary-customer", "canary comment", "canary name")
    desk.say(
        {
            "command_id": "k-9",
            "alert_id": "a-1",
            "customer_id": "canary-customer",
            "action": "note",
            "actor": "ann",
            "note": "canary note",
        }
    )
    desk.renew()
    async with served(desk.rig) as [viv]:
        await viv.log_in("viv")
        for address in ("/case/a-1", "/cases", "/cases.csv"):
            await viv.open(address)
            assert viv.status == 200
            assert "canary" not in viv.text
            assert "hidden" in viv.text
        await viv.open("/case/a-1")
        assert "You may look at this case, but not act on it." in viv.text
        assert 'name="action"' not in viv.text
        await viv.post("/cases", {"customer": "canary-customer"})
        assert viv.status == 404
        await viv.post("/case/a-1", {"action": "acknowledge"}, token=await token_of(viv, "/cases"))
        assert viv.status == 403


async def test_a_case_that_is_overdue_says_so_in_words() -> None:
    following = Following(CasePolicy(causes=["delivery"]))
    desk = Desk(following=following).open()
    case = case_of(desk)
    case.acknowledge_due = NOW
    following.rows[b"c-1"] = encode_cases(Cases([case]))
    desk.renew()
    async with served(desk.rig) as [browser]:
        assert "overdue" in await browser.open("/case/a-1")
        assert "1 case, overdue" in await browser.open("/cases?overdue=1")


async def test_the_figures_count_an_untouched_overdue_case_as_missed() -> None:
    desk = Desk().open()
    case = case_of(desk)
    case.acknowledge_due = NOW
    desk.following.rows[b"c-1"] = encode_cases(Cases([case]))
    desk.renew()
    async with served(desk.rig) as [browser]:
        assert "in time: 0 of 1 (0%)" in await browser.open("/loop")
        desk.rig.clock.time = NOW - 1
        assert "none is overdue" in await browser.open("/loop")


async def test_a_search_that_finds_nothing_says_that_the_number_must_be_complete() -> None:
    async with served(Desk().open().rig) as [browser]:
        await browser.open("/cases")
        response = await browser.post("/cases", {"customer": "c-"})
        assert "The number must be complete." in await browser.open(response.headers["Location"])


async def test_what_was_searched_for_is_kept_by_one_browser_until_the_person_logs_out() -> None:
    desk = Desk(with_users()).open(segment="Retail/Lyon", name="Zoé Petit")
    async with served(desk.rig, 2) as [ann, other]:
        for browser in (ann, other):
            await browser.log_in("ann")
            await browser.open("/cases")
        response = await ann.post("/cases", {"customer": "c-1"})
        address = response.headers["Location"]
        assert 'value="c-1"' in await ann.open(address)
        assert 'value="c-1"' not in await other.open(address)
        assert "Search for the customer again." in other.text
        async with ann.client.get(f"{ann.base}/live?page={quote(address, safe='')}") as live:
            assert live.status == 204
        await ann.open("/cases")
        await ann.post("/logout", {})
        await ann.log_in("ann")
        assert 'value="c-1"' not in await ann.open(address)


@pytest.mark.parametrize("text", ["c-1", "Zoé 📞 مرحبا", "📞" * 5_000, "a.b=c; d", "\ud800"])
def test_a_cookie_has_a_search(text: str) -> None:
    search = new_search(text)
    cookie = cookie_of(search)
    assert re.fullmatch(r"[\w.-]+", cookie, re.ASCII)
    assert len(cookie) < 2_000  # a browser keeps no cookie of more than 4,096 bytes
    assert search_of(cookie) == search._replace(text=text[:201].replace("\ud800", "?"))
    for wrong in ("", "name", "name.A", "name._w", "name.!"):
        assert search_of(wrong).text == ""


async def test_on_a_phone_an_open_case_is_taken_above_the_contact() -> None:
    desk = Desk().open()
    async with served(desk.rig) as [browser]:
        text = await browser.open("/case/a-1")
        assert text.index('class="narrow"') < text.index('href="tel:')
        await browser.post("/case/a-1", {"case": value_of(browser, "case"), "action": "acknowledge"})
        assert 'class="narrow"' not in await browser.open("/case/a-1")


async def test_the_file_of_cases_has_scores_and_times_for_programs() -> None:
    async with served(Desk().open().rig) as [browser]:
        head, row = (await browser.open("/cases.csv")).splitlines()[:2]
        assert "Score (0 to 10)" in head.split(",")
        assert rfc3339(NOW).decode()[:19] in row


@pytest.mark.parametrize("address", ["/case/nothing", "/case/a-1%2F..", "/loop?segment=nothing&by=x&days=y"])
async def test_an_address_that_leads_nowhere_breaks_nothing(address: str) -> None:
    async with served(Desk().open().rig) as [browser]:
        await browser.get(address)
        assert browser.status in {200, 404}


async def test_old_cases_and_odd_addresses_break_nothing() -> None:
    desk = Desk().open()
    desk.rig.clock.time = NOW + 30 * DAY
    async with served(desk.rig) as [browser]:
        for query in (
            "after=x",
            "after=1.2.3.4",
            "state=x",
            "severity=x",
            "said=x",
            "said=note.refused.<b>",
            "owner=-",
        ):
            await browser.get(f"/cases?{query}")
            assert browser.status == 200
            assert "<b>" not in browser.text


async def test_a_case_whose_steps_the_page_no_longer_keeps_shows_what_it_knows_and_where_the_rest_is() -> None:
    desk = Desk().open()
    for action in ({"action": "acknowledge"}, {"action": "resolve", "outcome": "solved", "cause": "delivery"}):
        desk.say(command(actor="ann", command_id=action["action"], **action))
    board = desk.renew().rig.board
    async with served(desk.rig) as [browser]:
        kept = await browser.open("/case/a-1")
        assert "The parcel was wet." in kept
        assert "keeps the newest steps only" not in kept

        board.alerts.forget(0)
        gone = await browser.open("/case/a-1")
    assert "The parcel was wet." not in gone
    for said in (
        "2 out of 10, 14 November 2023 at",
        "in the first message about this case",
        "so earlier ones may be missing",
        "The alert was opened",
        ">Acknowledged</span>, <span",
        "The problem is solved, delivery",
    ):
        assert said in gone.replace("\N{NO-BREAK SPACE}", " ")
    assert kept.count('class="said"') == gone.count('class="said"') == 1


async def test_a_withdrawn_case_whose_steps_are_gone_says_when_the_alert_was_withdrawn() -> None:
    desk = Desk().open()
    desk.following.take(record(step(7, action="withdrawn")))
    board = desk.renew().rig.board
    board.alerts.forget(0)
    async with served(desk.rig) as [browser]:
        assert "The alert was withdrawn: the answer was corrected" in await browser.open("/case/a-1")
