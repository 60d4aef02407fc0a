"""The pages about "Why?": what they say, to whom, and what their forms do."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from board.records import dead_letter as letter
from board.records import delivery as line
from flow.records import Record
from web.boards import LEAVES, NOW, visit
from web.pages import html, plain, text
from web.test_look import FORBIDDEN
from web.why_boards import CUSTOMER, RESPONSE, answered, why_board

from worker.errors import Rejected
from worker.flow.batch import Place
from worker.flow.ids import make_id
from worker.flow.policy import IntakePolicy
from worker.flow.responses.intake import validate
from worker.flow.timestamps import from_ms
from worker.routing.receiver import Language
from worker.web.gate import Given
from worker.web.pages import dead_letters as dead_letter_page
from worker.web.pages.answers import answers, find_answers
from worker.web.pages.dead_letters import dead_letter, dead_letters, problems_of, send_again, text_of
from worker.web.pages.deliveries import deliveries, delivery, digest, digests
from worker.web.pages.incidents import incident, incidents
from worker.web.pages.silences import add_silence, end_silence, silences
from worker.web.rendering import main_of
from worker.web.routes import Show
from worker.web.searching import Search
from worker.web.view import NotFound, SeeOther, Shown, View
from worker.web.visit import Permission, Visit
from worker.web.words.dead_letters import DEAD_LETTER_WORDS

BOARD = why_board()
ANSWER = (
    '{"response_id": "r-1", "survey_id": "s", "customer_id": "c-77", "score": 1, '
    '"responded_at": "2026-12-01T10:00:00Z"}'
)
#: The pages, each with the parts of its path.
PAGES: Mapping[str, tuple[Show, dict[str, str]]] = {
    "/answers": (answers, {}),
    "/incidents": (incidents, {}),
    "/incidents/i-1": (incident, {"alert_id": "i-1"}),
    "/incidents/i-2": (incident, {"alert_id": "i-2"}),
    "/deliveries": (deliveries, {}),
    "/deliveries/d-1": (delivery, {"delivery_id": "d-1"}),
    "/digests": (digests, {}),
    "/digests/digest-1": (digest, {"digest_id": "digest-1"}),
    "/digests/digest-2": (digest, {"digest_id": "digest-2"}),
    "/silences": (silences, {}),
    "/dead-letters": (dead_letters, {}),
    "/dead-letters/l-1": (dead_letter, {"letter_id": "l-1"}),
    "/dead-letters/l-2": (dead_letter, {"letter_id": "l-2"}),
    "/dead-letters/l-3": (dead_letter, {"letter_id": "l-3"}),
    "/dead-letters/l-4": (dead_letter, {"letter_id": "l-4"}),
}


class Gate:
    """A gate that keeps what it is given, and says what became of it."""

    def __init__(self, given: Given | None = None) -> None:
        self.given = given or Given("applied")
        self.commands: list[dict[str, Any]] = []
        self.sent: list[tuple[str, str, bytes]] = []

    async def on_case(self, visit: Visit, command: dict[str, Any]) -> Given:
        raise NotImplementedError

    async def on_silence(self, visit: Visit, command: dict[str, Any]) -> Given:
        assert visit.person.may(Permission.ADMIN)
        self.commands.append(command)
        return self.given

    async def send_again(self, visit: Visit, *, letter: str, customer_id: str, value: bytes) -> Given:
        assert visit.person.may(Permission.ADMIN)
        self.sent.append((letter, customer_id, value))
        return self.given


def visiting(path: str, language: Language = "en", *, sees: bool = True, may: Permission = Permission.ADMIN,
             segments: tuple[str, ...] = ("",), **query: str) -> Visit:  # fmt: skip
    found = visit(path, language, segments, query)
    person = replace(found.person, permission=may, sees_customers=sees)
    return replace(found, person=person, parts=PAGES[path][1] if path in PAGES else {}, form_token="secret-token")


def read(path: str, language: Language = "en", **changes: Any) -> str:
    return text(PAGES[path][0], visiting(path, language, **changes), BOARD)


def of(shown: Shown) -> str:
    """Return what a person reads on a page that a form has led to."""
    assert isinstance(shown, View), shown
    visited = visiting("/answers")
    return plain(main_of(html(lambda *_: shown, visited, BOARD)))


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_nothing_that_the_policy_forbids_and_its_parts_are_named(path: str, language: Language) -> None:
    found = html(PAGES[path][0], visiting(path, language), BOARD)
    assert not FORBIDDEN.search(found)
    assert (found.count('<main id="main"'), found.count("<h1")) == (1, 1)
    ids = re.findall(r'\sid="([^"]*)"', found)
    assert sorted(set(ids)) == sorted(ids)
    named = re.findall(r'aria-(?:labelledby|describedby)="([^"]*)"', found)
    assert {name for names in named for name in names.split()} | set(re.findall(r'<label for="([^"]*)"', found)) <= {
        *ids
    }
    assert len(found.encode()) <= 200_000
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", found, flags=re.DOTALL)
    assert all('name="token" value="secret-token"' in form for form in forms)


@pytest.mark.parametrize("path", PAGES)
def test_customers_are_hidden_from_those_who_may_not_see_them(path: str) -> None:
    shown, hidden = read(path), read(path, sees=False)
    assert not {CUSTOMER, RESPONSE, "c-77", "r-90500"} & set(re.findall(r"[\w-]+", hidden))
    if path in {"/answers", "/dead-letters/l-1"}:
        assert {CUSTOMER, "c-77"} & set(re.findall(r"[\w-]+", shown))
    assert "Nobody" in hidden or path != "/answers"


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_what_is_about_other_segments(path: str) -> None:
    own = ("Retail/Lyon",)
    shown = PAGES[path][0](visiting(path, segments=own), BOARD)
    others = {leaf.rpartition("/")[2] for leaf in LEAVES if leaf not in own} | {"The survey tool moves"}
    others -= {"Chat", "E-mail"}  # channels of messages are called like this as well
    if not isinstance(shown, NotFound):
        found = html(PAGES[path][0], visiting(path, segments=own), BOARD)
        assert not {name for name in others if name in found}
    hidden = ("/dead-letters", "/digests", "/incidents/", "/deliveries/")
    assert isinstance(shown, NotFound) == path.startswith(hidden), path


def test_of_a_customer_it_is_said_why_nobody_was_told() -> None:
    found = read("/answers")
    assert "An alert was opened, because the customer is unhappy (0 to 6)." in found
    assert "Nobody was told, because the answer was already too old to call the customer when it arrived." in found
    assert "repeat Nothing has changed, because the same answer had already come." in found
    assert "asked for it, right after a contact. (minutes after the contact: 12)" in found
    assert "76 rows" not in found
    assert "79 rows" in found
    assert "Personne n’a été prévenu, car la réponse était déjà trop ancienne" in read("/answers", "fr")
    quiet = read("/answers", told="untold")
    assert "2 rows" in quiet
    assert "An alert was opened" not in quiet
    assert "1 row" in read("/answers", outcome="duplicate")
    assert "Retail" not in read("/answers", segment="Online").split("What was decided, and why")[-1]


def test_the_pages_of_the_list_follow_each_other() -> None:
    first = html(answers, visiting("/answers"), BOARD)
    (after,) = re.findall(r'href="/answers\?after=([^"&]*)"', first)
    second = read("/answers", after=after)
    assert "To the newest" in second
    assert "Older" not in second
    assert "customer is unhappy" not in second


async def test_a_customer_is_found_by_a_form_and_not_by_an_address() -> None:
    async def found_by(number: str, visited: Visit) -> str:
        shown = await find_answers(visited, {"text": number}, BOARD, Gate())
        assert isinstance(shown, SeeOther)
        assert shown.address == "/answers"
        search = Search("name", shown.search)
        return of(answers(replace(visited, query={"found": "name"}, search=search), BOARD))

    for number in (CUSTOMER, f" {RESPONSE} "):
        found = await found_by(number, visiting("/answers"))
        assert "What was found" in found
        assert found.count("Everything that was decided") == 1
    assert "Nothing was found." in await found_by("c-x", visiting("/answers"))
    assert "Search for it again." in read("/answers", found="name")
    hidden = visiting("/answers", sees=False)
    assert isinstance(await find_answers(hidden, {"text": CUSTOMER}, BOARD, Gate()), NotFound)
    other = visiting("/answers", segments=("Online",))
    assert "Nothing was found." in await found_by(CUSTOMER, other)


def test_a_message_is_shown_attempt_by_attempt() -> None:
    found = read("/deliveries/d-1")
    for said in (
        "planned It was planned.",
        "The mail server has refused it for the moment.",
        "attempt 1",
        "next attempt: 1 Dec",
        "The receiver’s server has accepted it.",
        "attempt 2",
        "an incident",
    ):
        assert said in found
    found = read("/deliveries")
    assert "failed Given up after the last attempt. The server has not answered in time." in found
    assert "to nobody No route has a receiver for it." in found
    assert "1 row" in read("/deliveries", status="failed")
    assert "No message fits." in read("/deliveries", receiver="nobody at all")
    assert isinstance(delivery(visiting("/deliveries"), BOARD), NotFound)


def test_who_sees_a_segment_sees_the_messages_about_it() -> None:
    own = visiting("/deliveries/d-1", segments=("Retail/Marseille",))
    assert "an incident" in text(delivery, own, BOARD)
    assert "3 rows" in text(deliveries, visiting("/deliveries", segments=("Retail/Marseille", "Retail/Lyon")), BOARD)


@pytest.mark.parametrize("path", PAGES)
def test_a_title_begins_with_a_capital_letter_and_has_the_colons_of_its_language(path: str) -> None:
    show, parts = PAGES[path]
    colons: Mapping[Language, str] = {"en": r"\S: ", "fr": "\N{NO-BREAK SPACE}: "}
    for language, colon in colons.items():
        found = html(show, replace(visit(path, language), parts=parts), BOARD)
        [title] = re.findall("<title>(.*?)</title>", found)
        [heading] = re.findall("<h1[^>]*>(.*?)</h1>", found)
        for text_ in (title, heading):
            assert text_[0].isupper()
            assert text_.count(":") == len(re.findall(colon, text_))


def test_a_digest_is_shown_with_its_members() -> None:
    found = read("/digests/digest-1")
    assert found.count("It was in a digest.") == 2
    assert "sent" in found
    assert "Not sent yet" in read("/digests/digest-2")
    assert "2 messages" in read("/digests")
    assert isinstance(digest(visiting("/digests"), BOARD), NotFound)


def test_an_incident_is_shown_before_and_after() -> None:
    found = read("/incidents/i-2")
    assert "open Severity: error" in found
    assert "Before (at most 90 days) NPS +32.6" in found
    assert "Since then NPS −21.2" in found
    assert "planned It was planned." in found
    over = read("/incidents/i-1")
    assert "over Severity" in over
    assert isinstance(incident(visiting("/incidents"), BOARD), NotFound)
    assert "Retail › Marseille" in read("/incidents")


def test_who_sees_few_segments_learns_nothing_of_those_above() -> None:
    found = text(incident, visiting("/incidents/i-2", segments=("Retail/Marseille",)), BOARD)
    assert "This drop also explains" in read("/incidents/i-2")
    assert "This drop also explains" not in found
    assert "This page keeps the latest answers only" in read("/answers")
    assert "This page keeps the latest answers only" not in read("/answers", segments=("Retail",))


async def test_a_silence_is_added_as_the_form_says() -> None:
    gate, form = Gate(), {"segment": " Retail / Lyon ", "until": "2026-12-03T08:00", "reason": " strike ",
                          "severity_warning": "1", "kind_detractor": "1", "receivers": "care, lyon,"}  # fmt: skip
    shown = await add_silence(visiting("/silences"), form, BOARD, gate)
    assert shown == SeeOther("/silences?done=added")
    (command,) = gate.commands
    assert (command["action"], command["until"], command["reason"]) == ("add", "2026-12-03T08:00:00+00:00", "strike")
    assert {name: value for name, value in command["match"].items() if value} == {
        "segment": "Retail/Lyon", "kinds": ["detractor"], "severities": ["warning"], "receivers": ["care", "lyon"],
    }  # fmt: skip
    assert "The silence is added." in read("/silences", done="added")
    assert "The silence is ended." in read("/silences", done="ended")


async def test_the_form_of_a_silence_that_is_sent_twice_adds_one() -> None:
    gate, form = Gate(), {"segment": "Retail/Lyon", "reason": "strike", "for": "hour"}
    shown = silences(visiting("/silences"), BOARD)
    form["seen"] = str(shown.values["seen"])
    for later in (0, 300):
        visited = visiting("/silences")
        await add_silence(replace(visited, now=visited.now + later), form, BOARD, gate)
    first, second = gate.commands
    assert first["silence_id"] == second["silence_id"]
    for changes in ({"for": "day"}, {"reason": "fair"}, {"segment": "Retail"}, {"seen": "another"}):
        await add_silence(visiting("/silences"), form | changes, BOARD, gate)
    assert len({command["silence_id"] for command in gate.commands}) == 5


async def test_a_silence_of_an_unknown_segment_is_added_only_if_it_is_sent_again() -> None:
    gate, form = Gate(), {"segment": "Retial", "reason": "strike", "for": "hour"}
    shown = await add_silence(visiting("/silences"), form, BOARD, gate)
    assert "No answers of the segment “Retial” are known." in of(shown)
    assert gate.commands == []
    assert isinstance(shown, View)
    sure = {"sure": shown.values["unknown"]}
    await add_silence(visiting("/silences"), form | sure | {"segment": "Retali"}, BOARD, gate)
    assert gate.commands == []
    await add_silence(visiting("/silences"), form | sure, BOARD, gate)
    (command,) = gate.commands
    assert datetime.fromisoformat(command["until"]) == from_ms(NOW + 3_600_000)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"segment": ""}, "Say what is to be held back"),
        ({"until": "tomorrow"}, "Say until when"),
        ({"reason": " "}, "Say why."),
        ({"reason": "x" * 501}, "This is not possible: reason"),
        ({"segment": "Online"}, "only in the segments that you may see"),
    ],
)
async def test_a_silence_that_makes_no_sense_is_not_added(changes: dict[str, str], said: str) -> None:
    gate = Gate()
    form = {"segment": "Retail", "until": "2026-12-03T08:00", "reason": "strike"} | changes
    shown = await add_silence(visiting("/silences", segments=("Retail",)), form, BOARD, gate)
    assert said in of(shown)
    assert gate.commands == []
    assert isinstance(shown, View)
    assert (shown.status, shown.values["form"]["reason"]) == (422, form["reason"])


async def test_what_the_worker_refuses_is_said_in_words() -> None:
    form = {"segment": "Retail", "until": "2020-12-03T08:00", "reason": "strike"}
    for given, said in (
        (Given("refused", "time_past"), "The end of the silence is not in the future."),
        (Given("refused", "other_word"), "This was refused (other_word)."),
        (Given("busy"), "Too much is being done"),
        (Given("unsure"), "It is not certain"),
    ):
        assert said in of(await add_silence(visiting("/silences"), form, BOARD, Gate(given)))
        assert said in of(await end_silence(visiting("/silences"), {"silence": "all"}, BOARD, Gate(given)))


async def test_a_silence_is_ended_by_those_who_see_it() -> None:
    gate = Gate(Given("unanswered"))
    shown = await end_silence(visiting("/silences"), {"silence": "lyon-strike"}, BOARD, gate)
    assert shown == SeeOther("/silences?done=unanswered")
    assert gate.commands == [{"silence_id": "lyon-strike", "action": "end"}]
    for person, silence_id in ((visiting("/silences"), "x"), (visiting("/silences", segments=("Online",)), "all")):
        assert isinstance(await end_silence(person, {"silence": silence_id}, BOARD, gate), NotFound)


def test_silences_say_what_they_hold_back_until_when_and_who_wants_it() -> None:
    found = read("/silences")
    for said in ("Retail › Lyon", "warnings and errors, not critical ones", "Strike of the carriers",
                 "added by amelie.roux", "1 message is held back", "ended by amelie.roux", "over since"):  # fmt: skip
        assert said in found
    viewer = html(silences, visiting("/silences", may=Permission.VIEW), BOARD)
    assert "<form" not in main_of(viewer)
    assert "Only administrators" in viewer


async def test_an_example_of_an_answer_is_shown_and_would_be_accepted() -> None:
    assert dead_letter_page.key_of(dead_letter_page.EXAMPLE.encode(), NOW) == "c-1"
    shown = await send_again(visiting("/dead-letters/l-1"), {"value": "{}"}, BOARD, Gate())
    assert "Not sent" in of(shown)
    assert "after-delivery" in of(shown)


async def test_a_corrected_answer_is_sent_again_under_its_customers_key() -> None:
    gate = Gate()
    visited = visiting("/dead-letters/l-1")
    value = ANSWER.replace("c-77", "c-é")
    shown = await send_again(visited, {"value": value}, BOARD, gate)
    assert shown == SeeOther("/dead-letters/l-1?done=sent")
    assert gate.sent == [("nps.responses/1/9917", "c-é", value.encode())]
    assert "It was sent again." in read("/dead-letters/l-1", done="sent")
    placed = Gate(Given("applied", place=Place(2, 12)))
    shown = await send_again(visited, {"value": value}, BOARD, placed)
    assert shown == SeeOther("/dead-letters/l-1?done=sent&place=2.12")

    anonymous = value.replace('"customer_id": "c-é"', '"anonymous": true')
    await send_again(visited, {"value": anonymous}, BOARD, gate)
    assert gate.sent[-1][1].startswith("anonymous:")


def test_a_refused_record_names_each_field_that_is_wrong_in_words_of_the_language() -> None:
    with pytest.raises(Rejected) as refused:
        validate(Record(b'{"score": 11, "segment": "fr", "revision": "x"}'), IntakePolicy())
    detail, found = refused.value.detail, why_board()
    found.dead_letters.take(letter(NOW, dead_letter_id="l-1", detail=detail, reason="missing_field"))

    english = problems_of(detail, DEAD_LETTER_WORDS["en"])
    assert {"response_id is missing", "survey_id is missing", "score: expected a whole number from 0 to 10"} < {
        *english
    }
    assert len(english) > 5
    french = problems_of(detail, DEAD_LETTER_WORDS["fr"])
    assert not any(re.search("missing|must|expected", text) for text in french), french
    assert "response_id manque" in french

    of_list = text(dead_letters, visiting("/dead-letters"), found)
    assert f"{'; '.join(english[:5])}; and {len(english) - 5} more" in of_list
    own = text(dead_letter, visiting("/dead-letters/l-1"), found)
    assert all(one in own for one in english)

    many = "; ".join([*(f"f{number}: is missing" for number in range(10)), "and 3 more"])
    assert problems_of(many, DEAD_LETTER_WORDS["en"])[-1] == "and 3 more"
    assert problems_of(many, DEAD_LETTER_WORDS["fr"], 5)[-1] == "et 8 de plus"
    assert problems_of("has no time zone; expected one", DEAD_LETTER_WORDS["en"]) == ["has no time zone; expected one"]


def test_of_a_refused_delivery_each_problem_says_of_which_answer_it_is() -> None:
    detail = (
        "answer 3 of 2000: score: is missing; and 2 more; answer 4 of 2000: answer 1 of 7: ce-id: is missing; "
        "and 1,234 more"
    )
    assert problems_of(detail, DEAD_LETTER_WORDS["en"]) == [
        "answer 3 of 2000: score is missing",
        "and 2 more",
        "answer 4 of 2000: answer 1 of 7: ce-id is missing",
        "and 1234 more",
    ]
    assert [one.replace("\N{NO-BREAK SPACE}", " ") for one in problems_of(detail, DEAD_LETTER_WORDS["fr"], 1)] == [
        "réponse 3 sur 2000 : score manque",
        "et 1236 de plus",
    ]
    assert problems_of(f"and {'9' * 5000} more", DEAD_LETTER_WORDS["en"]) == [f"and {'9' * 5000} more"]


def test_after_an_answer_was_sent_again_its_page_leads_to_what_became_of_this_very_record() -> None:
    found = why_board()

    def leads_to(place: str) -> list[str]:
        shown = html(dead_letter, visiting("/dead-letters/l-1", done="sent", place=place), found)
        return re.findall(r'<p><a href="([^"]*)">', main_of(shown))

    decision_id = make_id("decision", 2, 12)
    assert leads_to("2.12") == [f"/answers?decision={decision_id}"]
    asked = visiting("/answers", decision=decision_id)
    undecided = text(answers, asked, found)
    assert "It is not decided yet" in undecided
    assert "If the answer was refused again, it is one of the “Refused records”." in undecided

    found.answers.take(answered(3, 0, decision_id=decision_id, customer_id="c-77", segment="Online"))
    read_now = text(answers, asked, found)
    assert "What was decided about this answer" in read_now
    assert ("c-77" in read_now, "c-48120" in read_now) == (True, False)
    others = visiting("/answers", decision=decision_id, segments=("Retail",))
    assert "c-77" not in text(answers, others, found)

    again = make_id("dead-letter", "nps.responses", 2, 13)
    found.dead_letters.take(letter(NOW, dead_letter_id=again))
    assert leads_to("2.13") == [f"/dead-letters/{again}"]
    for unknown in ("", "2", "2.x", "-1.-1", "1.2.3", f"2.{10**19}", "2.1٣"):
        assert leads_to(unknown) == ["/answers"]


async def test_an_answer_that_would_be_refused_again_is_not_sent() -> None:
    gate = Gate()
    visited = visiting("/dead-letters/l-1")
    form = {"value": ANSWER.replace('"score": 1', '"score": 11')}
    shown = await send_again(visited, form, BOARD, gate)
    assert isinstance(shown, View)
    assert (shown.status, shown.values["text"]) == (422, form["value"])
    assert "It was not sent, because it would be refused again. The score does not lie between 0 and 10." in of(shown)
    french = await send_again(visiting("/dead-letters/l-1", language="fr"), form, BOARD, gate)
    assert "score doit être un nombre entier de 0 à 10" in of(french)
    for value in ("", "noise", "[]", "\ud800"):
        assert isinstance(await send_again(visited, {"value": value}, BOARD, gate), View)
    assert gate.sent == []
    failing = await send_again(visited, {"value": ANSWER}, BOARD, Gate(Given("unsure")))
    assert "It is not certain" in of(failing)


@pytest.mark.parametrize(
    ("letter", "changes", "said"),
    [
        ("l-2", {}, "Correct it in the tool, and let the tool deliver it again."),
        ("l-3", {}, "only its beginning was kept"),
        ("l-4", {}, "because it had no value"),
        ("l-1", {"may": Permission.ACT}, "Only administrators"),
        ("l-1", {"sees": False}, "Only administrators"),
    ],
)
async def test_what_cannot_be_sent_again_says_why(letter: str, changes: dict[str, Any], said: str) -> None:
    path, gate = f"/dead-letters/{letter}", Gate()
    assert said in read(path, **changes)
    assert "<textarea" not in html(dead_letter, visiting(path, **changes), BOARD)
    assert isinstance(await send_again(visiting(path, **changes), {"value": "{}"}, BOARD, gate), NotFound)
    assert gate.sent == []


def test_the_envelope_of_a_refused_event_is_left_out_of_what_is_corrected() -> None:
    event = b'{"specversion": "1.0", "type": "nps.response.v1", "data": {"score": 11}}'
    assert text_of(event) == '{\n  "score": 11\n}'
    assert text_of(b'{"score": 11}') == '{\n  "score": 11\n}'
    assert text_of(b"[1]") == "[1]"
    assert text_of(b"no \xff json") == "no \ufffd json"
    assert text_of(b"[" * 100_000).startswith("[[")


def test_what_people_have_written_is_text_and_never_markup() -> None:
    bad = "\"><script>alert(1)</script><img src=x onerror='x'>"
    board = why_board()
    board.answers.take(answered(0, 1, customer_id=bad, response_id=bad, segment=bad, outcome=bad, category=bad))
    board.dead_letters.take(letter(NOW, dead_letter_id="bad", reason=bad, detail=bad, topic=bad))
    board.deliveries.take(line(NOW, delivery_id="bad", receiver=bad, route=bad, channel=bad, reason=bad, status=bad))
    for path, (handler, parts) in PAGES.items():
        visited = replace(visiting(path), parts=dict.fromkeys(parts, "bad"))
        shown = handler(visited, board)
        if isinstance(shown, View):
            found = html(handler, visited, board)
            assert "<script>alert" not in found
            assert "<img" not in found


@pytest.mark.parametrize(
    ("segments", "offered"),
    [
        (("",), ["Online", "Retail", "Support"]),
        (("Retail/Lyon", "Online"), ["Online"]),
        (("Retail/Lyon",), ["Retail/Lyon"]),
    ],
)
def test_the_form_of_a_silence_offers_the_first_levels_of_what_a_person_may_see(
    segments: tuple[str, ...], offered: list[str]
) -> None:
    shown = silences(visiting("/silences", segments=segments), BOARD)
    assert isinstance(shown, View)
    found = shown.values["segments"]
    levels = [path.count("/") for path in found]

    assert found[: len(offered)] == offered
    assert levels == sorted(levels)
    assert len(found) == len({*found})
    assert all(any(own in {path, ""} or path.startswith(f"{own}/") for own in segments) for path in found)
