"""The mail about a segment: what it says in both languages, and that no name of a segment does any harm in it."""

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from notify.channels.email.mails import ADDRESS, DELIVERY, HEADERS, NBSP, Elements, mail, part, subject
from notify.channels.email.notices import HOSTILE

from schemas.alert import Alert, Severity
from schemas.incident import Incident, IncidentAction, IncidentReason
from schemas.scores import WindowScore
from worker.notify.channels.email.compose import compose
from worker.notify.channels.email.letterhead import Letterhead
from worker.notify.content.incident_page import incident_page
from worker.notify.content.incident_words import INCIDENT_WORDS
from worker.notify.content.readers import Readers
from worker.routing.receiver import Language

MakeAlert = Callable[..., Alert]
MakeIncident = Callable[..., Incident]

MINUS, THIN = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
PLACE = "fr/shop-3/delivery"
#: A drop that is over, a segment that fell silent, and too many segments.
RESOLVED: dict[str, Any] = {"action": IncidentAction.RESOLVED, "reason": IncidentReason.RECOVERED}
SILENCE: dict[str, Any] = {
    "kind": "no_responses",
    "reason": IncidentReason.SILENT,
    "severity": Severity.ERROR,
    "before": None,
    "after": None,
    "change": None,
    "explains": [],
    "expected": 14.23,
}
FULL: dict[str, Any] = {
    "kind": "too_many_segments",
    "reason": IncidentReason.LEFT_OUT,
    "severity": Severity.ERROR,
    "segment": "",
    "touchpoint": "",
    "before": None,
    "after": None,
    "change": None,
    "explains": [],
    "segments": 99_412,
    "most": 100_000,
    "example": "/survey/order-20461",
}


def window(**changes: Any) -> WindowScore:
    usual: dict[str, Any] = {"n": 12, "promoters": 3, "passives": 4, "detractors": 5}
    usual |= {"nps": -16.7, "low": -54.5, "high": 27.9, "indicative": True}
    return WindowScore(**(usual | changes))


def text_of(incident: Incident, language: Language = "en") -> str:
    return part(mail(incident, language=language), "plain")


def sentences(incident: Incident, language: Language = "en") -> str:
    """Return the text on one line."""
    return " ".join(text_of(incident, language).split())


def test_the_headers_are_an_alerts(make_alert: MakeAlert, make_incident: MakeIncident) -> None:
    received = mail(make_incident())

    assert received.keys() == HEADERS == mail(make_alert()).keys()
    assert received["To"] == "support@example.org, boss@example.org"
    assert received["Date"] == "Sat, 01 Aug 2026 12:00:07 +0000"
    assert received["Message-ID"] == f"<{DELIVERY}@example.org>"
    assert received["X-NPS-Alert-Id"] == "5f1c2b7a-1111-5222-8333-444455556666"


def test_the_steps_of_an_incident_are_one_thread_and_another_one_is_not(make_incident: MakeIncident) -> None:
    opened, resolved = mail(make_incident()), mail(make_incident(**RESOLVED))
    other = mail(make_incident(alert_id="5f1c2b7a-1111-5222-8333-444455557777"))

    assert opened["References"] == resolved["References"] == opened["In-Reply-To"] == resolved["In-Reply-To"]
    assert re.fullmatch(r"<[0-9a-f-]{36}@example\.org>", opened["References"])
    assert other["References"] != opened["References"]


def test_the_same_incident_gives_the_same_bytes(make_incident: MakeIncident) -> None:
    first, second = (
        compose(make_incident(), ADDRESS, delivery_id=DELIVERY, letterhead=Letterhead("nps@example.org", "fr"))
        for _ in range(2)
    )

    assert first == second


def test_a_drop_in_english(make_incident: MakeIncident) -> None:
    received = mail(make_incident())
    text = part(received, "plain")

    assert subject(received) == "[Critical] NPS fell from +38 to -21: fr/shop-3/delivery"
    for line in (
        "The NPS of fr/shop-3/delivery fell from +38.5 to -21.2.",
        "Severity: critical",
        "This drop also explains those of fr/shop-3 and of fr, which therefore\nhave no incidents of their own.",
        "Segment: fr/shop-3/delivery",
        "Drop began: 24 July 2026 at 06:00 (UTC)",
        "Change (estimate): -59.7 points (95% interval: -84.1 to -30.8)",
        "NPS: +38.5 (95% interval: +34.2 to +42.6)\nAnswers: 1,268\nPromoters: 700\nPassives: 356\nDetractors: 212",
        "NPS: -21.2 (95% interval: -44.5 to +5.6)\nAnswers: 33\nPromoters: 7\nPassives: 12\nDetractors: 14",
        "“default”",
        "Alert: 5f1c2b7a-1111-5222-8333-444455556666",
    ):
        assert line in text
    assert text.index("Before (at most 90 days)") < text.index("+34.2") < text.index("Since then") < text.index("-44.5")
    assert Elements(part(received, "html")).tags[0] == ("html", {"lang": "en"})


def test_a_drop_in_french(make_incident: MakeIncident) -> None:
    received = mail(make_incident(), language="fr")
    text = part(received, "plain")

    assert subject(received) == f"[Critique] Le NPS est passé de +38 à {MINUS}21{NBSP}: fr/shop-3/delivery"
    for line in (
        f"Le NPS de fr/shop-3/delivery est passé de +38,5 à {MINUS}21,2.",
        f"Gravité{NBSP}: critique",
        "Cette chute explique aussi celles de fr/shop-3 et de fr, qui n’ont donc\npas d’incidents à part.",
        f"Début de la chute{NBSP}: 24{NBSP}juillet 2026 à 6{NBSP}h{NBSP}00 (UTC)",
        f"Évolution (estimation){NBSP}: {MINUS}59,7 points (intervalle à 95{NBSP}%{NBSP}: de {MINUS}84,1 à",
        f"NPS{NBSP}: +38,5 (intervalle à 95{NBSP}%{NBSP}: de +34,2 à +42,6)",
        f"Réponses{NBSP}: 1{THIN}268",
        f"Détracteurs{NBSP}: 14",
    ):
        assert line in text
    assert Elements(part(received, "html")).tags[0] == ("html", {"lang": "fr"})


def test_the_page_says_what_the_text_says(make_incident: MakeIncident) -> None:
    received = mail(make_incident(after=window()))
    page = " ".join(Elements(part(received, "html")).text.split())
    for line in part(received, "plain").splitlines():
        label, colon, value = line.partition(": ")
        for words in (label, value) if colon else (line,):
            if set(words) - set("-= "):
                assert words.strip() in page


@pytest.mark.parametrize(
    ("language", "expected", "lines"),
    [
        (
            "en",
            "[Error] No answers from a source any more: typeform_lyon",
            [
                "No answers come from the source typeform_lyon any more.",
                "Perhaps the survey tool has disabled its webhook",
                "Source: typeform_lyon",
                "Last answer: 24 July 2026 at",
            ],
        ),
        (
            "fr",
            f"[Élevée] Plus aucune réponse d’une source{NBSP}: typeform_lyon",
            [
                "Il n’arrive plus de réponses de la source typeform_lyon.",
                "L’outil d’enquête a peut-être désactivé son webhook",
                "Source : typeform_lyon",
            ],
        ),
    ],
)
def test_a_source_that_has_stopped_is_named_with_what_to_look_at(
    make_incident: MakeIncident, language: Language, expected: str, lines: list[str]
) -> None:
    path = "/source/typeform_lyon"
    received = mail(
        make_incident(**SILENCE | {"segment": path, "touchpoint": "typeform_lyon", "source": "typeform_lyon"}),
        language=language,
    )
    text = " ".join(part(received, "plain").split())

    assert expected == subject(received)
    for line in lines:
        assert line in text
    assert path not in text


@pytest.mark.parametrize(
    ("language", "expected", "line"),
    [
        ("en", "[Error] No responses any more: fr/shop-3/delivery", "Answers expected since: 14.2"),
        ("fr", f"[Élevée] Plus aucune réponse{NBSP}: fr/shop-3/delivery", f"Réponses attendues depuis{NBSP}: 14,2"),
    ],
)
def test_a_silence_says_when_the_last_answer_came_and_how_many_were_expected_since(
    make_incident: MakeIncident, language: Language, expected: str, line: str
) -> None:
    received = mail(make_incident(**SILENCE), language=language)
    text = part(received, "plain")
    last = {"en": "Last answer: 24 July 2026 at", "fr": f"Dernière réponse{NBSP}: 24{NBSP}juillet 2026"}[language]

    assert expected == subject(received)
    assert line in text
    assert last in text
    assert "NPS" not in text


@pytest.mark.parametrize(
    ("language", "expected", "lines"),
    [
        (
            "en",
            "[Error] Too many segments and surveys",
            [
                "Answers to further ones count for the segments above them only",
                "a survey id or a segment name that is different for each answer",
                "raise segments.most in the worker's settings",
                "Since: 24 July 2026 at 06:00 (UTC)",
                "Segments and surveys counted: 99,412",
                "At most (segments.most): 100,000",
                "Not counted, for example: /survey/order-20461",
            ],
        ),
        (
            "fr",
            "[Élevée] Trop de périmètres et d’enquêtes",
            [
                "Les réponses aux suivants ne comptent que pour les périmètres au-dessus d’eux",
                "un identifiant d’enquête ou un nom de périmètre différent pour chaque réponse",
                "augmentez segments.most dans les réglages du worker",
                f"Périmètres et enquêtes comptés{NBSP}: 99{THIN}412",
                f"Au plus (segments.most){NBSP}: 100{THIN}000",
                f"Non compté, par exemple{NBSP}: /survey/order-20461",
            ],
        ),
    ],
)
def test_too_many_segments_are_told_with_an_example_the_setting_and_what_to_do(
    make_incident: MakeIncident, language: Language, expected: str, lines: list[str]
) -> None:
    received = mail(make_incident(**FULL), language=language)
    text, page = part(received, "plain"), Elements(part(received, "html")).text

    assert expected == subject(received)
    for line in lines:
        assert line in " ".join(text.split(" ")).replace("\n", " ")
        assert " ".join(line.split(": ")[-1].split()) in " ".join(page.split())
    assert "NPS" not in text
    assert "all segments" not in text


def test_when_there_is_room_again_it_is_not_said_what_to_do(make_incident: MakeIncident) -> None:
    incident = make_incident(**FULL | {"action": "resolved", "reason": "room_again", "example": None})
    text = sentences(incident)

    assert subject(mail(incident)) == "[Resolved] New segments are counted again"
    assert "Segments and surveys counted: 99,412" in text
    assert "usual cause" not in text
    assert "for example" not in text


@pytest.mark.parametrize(
    ("reason", "english", "french", "sentence"),
    [
        ("recovered", "NPS has recovered", "Le NPS s’est rétabli", "has recovered."),
        (
            "new_level",
            "The lower NPS counts as usual from now on",
            "Le NPS plus bas compte désormais comme habituel",
            "has recovered. From now on",
        ),
        ("answered_again", "Responses are coming again", "Les réponses arrivent de nouveau", "are coming again."),
        ("retired", "Segment is no longer watched", "Le périmètre n’est plus surveillé", ", so the worker"),
        ("ousted", "Incident is over", "L’incident est clos", "is over."),
    ],
)
def test_its_end_says_why_it_is_over(
    make_incident: MakeIncident, reason: str, english: str, french: str, sentence: str
) -> None:
    incident = make_incident(action="resolved", reason=reason)

    end, fin = ("Closed", "Clos") if reason in ("new_level", "retired") else ("Resolved", "Résolu")

    assert f"[{end}] {english}: {PLACE}" == subject(mail(incident))
    assert f"[{fin}] {french}{NBSP}: {PLACE}" == subject(mail(incident, language="fr"))
    assert f"\n{end}\n" in text_of(incident)
    assert sentence in sentences(incident)
    assert PLACE in sentences(incident).split(sentence)[0]


def test_its_end_is_grey_and_says_no_severity_and_nothing_of_ancestors(make_incident: MakeIncident) -> None:
    received = mail(make_incident(**RESOLVED))

    assert "#b91c1c" in part(mail(make_incident()), "html")
    assert "#b91c1c" not in part(received, "html")
    assert "ritical" not in received.as_string()
    assert "explained" not in received.as_string()


def test_every_severity_reason_and_language_has_its_words(make_incident: MakeIncident) -> None:
    for language in INCIDENT_WORDS:
        for action in IncidentAction:
            for reason in IncidentReason:
                for severity in Severity:
                    incident = make_incident(action=action, reason=reason, severity=severity)
                    assert "{" not in mail(incident, language=language).as_string()


def test_every_reason_has_words_of_its_own() -> None:
    for words in INCIDENT_WORDS.values():
        assert set(IncidentReason) == words.news.keys()
        assert len(set(words.news.values()) | {words.fell, words.over, words.something}) == len(IncidentReason) + 3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reason": "bewitched"}, f"[Critical] There is an incident: {PLACE}"),
        ({"kind": "bewitched", "reason": "bewitched"}, f"[Critical] There is an incident: {PLACE}"),
        ({"action": "worsened"}, f"[Critical, updated] NPS fell from +38 to -21: {PLACE}"),
        ({"action": "worsened", "reason": "bewitched"}, f"[Critical, updated] There is an incident: {PLACE}"),
    ],
)
def test_words_added_later_do_not_stop_a_mail(
    make_incident: MakeIncident, changes: dict[str, Any], expected: str
) -> None:
    received = mail(make_incident(**changes))

    assert expected == subject(received)
    assert "Answers: 33" in part(received, "plain")


@pytest.mark.parametrize("name", ["before", "after"])
@pytest.mark.parametrize("score", [None, window(n=0, nps=None, low=None, high=None)], ids=["none", "of nobody"])
def test_a_drop_whose_numbers_are_not_known_is_told_without(
    make_incident: MakeIncident, name: str, score: WindowScore | None
) -> None:
    incident = make_incident(**{name: score, "change": None})

    assert subject(mail(incident)) == f"[Critical] NPS fell: {PLACE}"
    assert f"The NPS of {PLACE} fell." in sentences(incident)
    assert text_of(incident).count("NPS: ") == 1
    assert ("Answers: 0" in text_of(incident)) is (score is not None)
    assert "None" not in text_of(incident)


# Hints


@pytest.mark.parametrize("name", ["before", "after"])
@pytest.mark.parametrize(
    ("language", "line", "hint"),
    [
        ("en", "NPS: -16.7 (95% interval: -54.5 to +27.9), indicative", "no more than a hint"),
        (
            "fr",
            f"NPS{NBSP}: {MINUS}16,7 (intervalle à 95{NBSP}%{NBSP}: de {MINUS}54,5 à +27,9), indicatif",
            "n’est qu’un indice",
        ),
    ],
)
def test_an_nps_of_few_answers_is_called_indicative_and_it_is_said_what_that_means(
    make_incident: MakeIncident, name: str, language: Language, line: str, hint: str
) -> None:
    received = mail(make_incident(**{name: window()}), language=language)

    for text in (part(received, "plain"), Elements(part(received, "html")).text):
        assert hint in text.replace("\n", " ")
    assert line in part(received, "plain")


def test_an_nps_without_interval_has_none(make_incident: MakeIncident) -> None:
    text = text_of(make_incident(after=window(low=None, high=None)))

    assert "NPS: -16.7, indicative\n" in text
    assert "no more than a hint" in " ".join(text.split())


def test_an_nps_of_many_answers_needs_no_hint(make_incident: MakeIncident) -> None:
    assert "ndicative" not in mail(make_incident()).as_string()
    assert "ndicative" not in text_of(make_incident(after=window(n=0, nps=None, low=None, high=None)))


# Segments


@pytest.mark.parametrize(("language", "expected"), [("en", "all answers"), ("fr", "l’ensemble des réponses")])
def test_the_root_is_called_all_answers(make_incident: MakeIncident, language: Language, expected: str) -> None:
    received = mail(make_incident(segment="", touchpoint="", explains=[]), language=language)

    assert subject(received).endswith(f": {expected}")
    assert part(received, "plain").count(expected) == 2


@pytest.mark.parametrize(
    ("language", "expected", "sentence"),
    [
        ("en", "all segments", "No responses come any more, from any segment."),
        ("fr", "tous les périmètres", "Il n’arrive plus aucune réponse, d’aucun périmètre."),
    ],
)
def test_a_silence_of_the_root_is_told_in_words_of_its_own(
    make_incident: MakeIncident, language: Language, expected: str, sentence: str
) -> None:
    received = mail(make_incident(**SILENCE | {"segment": "", "touchpoint": ""}), language=language)

    assert subject(received).endswith(f": {expected}")
    assert sentence in " ".join(part(received, "plain").split())


def test_a_segment_whose_name_cannot_be_seen_is_not_taken_for_the_root(make_incident: MakeIncident) -> None:
    assert subject(mail(make_incident(segment="\u202e "))).endswith(": not given")


@pytest.mark.parametrize(
    ("explains", "expected"),
    [
        (["fr"], "This drop also explains that of fr, which therefore has no incident of its own."),
        (
            ["a/b", "a", ""],
            "This drop also explains those of a/b, of a and of all answers, which therefore have no incidents",
        ),
    ],
)
def test_it_says_which_ancestors_it_explains(make_incident: MakeIncident, explains: list[str], expected: str) -> None:
    received = mail(make_incident(explains=explains))

    assert expected in " ".join(part(received, "plain").split())
    assert expected in Elements(part(received, "html")).text


def test_it_says_nothing_of_ancestors_where_it_explains_none(make_incident: MakeIncident) -> None:
    assert "explains" not in mail(make_incident(explains=[])).as_string()


def test_no_more_ancestors_are_named_than_a_path_can_have(make_incident: MakeIncident) -> None:
    text = sentences(make_incident(explains=[f"name-{n}" for n in range(1_000)]))

    assert ", of name-8 and of 991 more, which therefore" in text
    assert text.count("name-") == 9


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:20]))
def test_a_hostile_name_adds_no_header_and_no_element(make_incident: MakeIncident, name: str) -> None:
    for changes in ({}, SILENCE, RESOLVED, FULL):
        received = mail(
            make_incident(**changes | {"segment": name, "touchpoint": name, "summary": name, "example": name})
        )
        html = Elements(part(received, "html"))

        assert received.keys() == HEADERS
        assert len(subject(received)) <= 160
        assert not received.defects
        assert {tag for tag, _ in html.tags} == {tag for tag, _ in Elements(part(mail(make_incident()), "html")).tags}
        assert not [key for _, attributes in html.tags for key in attributes if key.startswith("on")]


def test_a_hostile_name_is_shown_as_it_is(make_incident: MakeIncident) -> None:
    name = "<b onclick=x>{{7*7}} {place} {0}</b>"
    received = mail(make_incident(segment=name, explains=[name]))
    page = Elements(part(received, "html")).text

    assert subject(received).endswith(name)
    assert f"The NPS of {name} fell" in page
    assert f"explains that of {name}, which therefore" in page


@pytest.mark.parametrize("name", ["00 ¡ ¡¡ ¡¡ ¡", "00 \xa0\xa0¡ \xa0\xa0¡", "Zoë 😀 " * 20, "plain " * 20])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_name_is_whole_in_the_subject_wherever_that_is_folded(
    make_incident: MakeIncident, name: str, language: Language
) -> None:
    incident = make_incident(segment=name)
    page = incident_page(incident, Readers(language))

    assert subject(mail(incident, language=language)) == page.subject


def test_the_plain_text_fits_72_columns(make_incident: MakeIncident) -> None:
    names = "/".join(["nom de périmètre"] * 8)
    for language in INCIDENT_WORDS:
        text = text_of(make_incident(segment=names, explains=[names] * 8, after=window()), language)

        assert max(len(line) for line in text.splitlines()) <= 72


def test_french_typography_has_no_plain_space_before_high_punctuation() -> None:
    table = asdict(INCIDENT_WORDS["fr"])
    wordings = [wording for name in ("news", "sources", "root") for wording in table.pop(name).values()]
    wordings += [table.pop(name) for name in ("fell", "mixed", "surer", "merged", "over", "something")]
    french = "\n".join([*(text for wording in wordings for text in wording.values()), *map(str, table.values())])

    assert not re.search(" [:;!?»%]|« ", french)


def test_a_detractors_mail_shows_no_nps(make_alert: MakeAlert) -> None:
    assert "NPS" not in part(mail(make_alert()), "plain")
