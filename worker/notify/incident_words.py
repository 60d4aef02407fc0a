"""The words of an incident's mail, in French and English, beside those that it shares with an alert's."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.incident import IncidentReason
from worker.notify.language import Language
from worker.notify.typography import NUMERALS_EN, NUMERALS_FR, Numerals, french


@dataclass(frozen=True)
class Wording:
    """What happened: as a headline, and in a sentence. {before} {after}, and {place} in the sentence."""

    headline: str
    sentence: str


@dataclass(frozen=True)
class IncidentWords:
    """One language. Names in braces are filled in by incident_page.py."""

    numerals: Numerals
    everything: str  # the root
    resolved: str
    updated: str
    news: Mapping[str, Wording]  # by reason
    fell: Wording  # when the numbers are not known
    over: Wording  # for a reason that this version has no words for
    something: Wording  # likewise
    explains_one: str  # {ancestors}
    explains_several: str  # {ancestors}
    comma: str  # between ancestors
    and_: str  # before the last of them
    facts: str
    since: str
    last_answer: str
    expected: str
    change: str
    points: str  # {points}
    interval: str  # {value} {low} {high}
    before: str
    after: str
    nps: str
    indicative: str  # {nps}
    hint: str
    answers: str
    promoters: str
    passives: str
    detractors: str


_FRENCH = IncidentWords(
    numerals=NUMERALS_FR,
    everything="tous les périmètres",
    resolved="Résolu",
    updated="Mise à jour",
    news={
        IncidentReason.NPS_FELL: Wording(
            "Le NPS est passé de {before} à {after}", "Le NPS de {place} est passé de {before} à {after}."
        ),
        IncidentReason.SILENT: Wording(
            "Plus aucune réponse",
            "Il n’arrive plus de réponses de {place}, depuis plus longtemps que le rythme habituel ne l’explique.",
        ),
        IncidentReason.RECOVERED: Wording("Le NPS s’est rétabli", "Le NPS de {place} s’est rétabli."),
        IncidentReason.NEW_LEVEL: Wording(
            "Le NPS reste à son nouveau niveau",
            "Le NPS de {place} ne s’est pas rétabli, mais reste à son nouveau niveau, qui compte désormais comme son "
            "niveau habituel.",
        ),
        IncidentReason.ANSWERED_AGAIN: Wording(
            "Les réponses arrivent de nouveau", "Les réponses de {place} arrivent de nouveau."
        ),
        IncidentReason.RETIRED: Wording(
            "Le périmètre n’est plus surveillé", "La surveillance de {place} est arrivée à son terme."
        ),
    },
    fell=Wording("Le NPS a chuté", "Le NPS de {place} a chuté."),
    over=Wording("L’incident est clos", "L’incident qui concernait {place} est clos."),
    something=Wording("Un incident vous est signalé", "Un incident vous est signalé, qui concerne {place}."),
    explains_one=french(
        "La baisse de {ancestors} s’explique par ce périmètre ; aucune alerte n’est envoyée à ce sujet."
    ),
    explains_several=french(
        "Les baisses de {ancestors} s’expliquent par ce périmètre ; aucune alerte n’est envoyée à leur sujet."
    ),
    comma=", de ",
    and_=" et de ",
    facts="En bref",
    since="Depuis",
    last_answer="Dernière réponse",
    expected="Réponses attendues depuis",
    change="Évolution",
    points="{points} points",
    interval=french("{value} (intervalle à 95 % : de {low} à {high})"),
    before="Avant (90 jours au plus)",
    after="Depuis lors",
    nps="NPS",
    indicative="{nps}, indicatif",
    hint=french("« Indicatif » : moins de 30 réponses. Sans son intervalle, un tel NPS n’est qu’un indice."),
    answers="Réponses",
    promoters="Promoteurs",
    passives="Passifs",
    detractors="Détracteurs",
)

_ENGLISH = IncidentWords(
    numerals=NUMERALS_EN,
    everything="all segments",
    resolved="Resolved",
    updated="Updated",
    news={
        IncidentReason.NPS_FELL: Wording(
            "NPS fell from {before} to {after}", "The NPS of {place} fell from {before} to {after}."
        ),
        IncidentReason.SILENT: Wording(
            "No responses any more",
            "Responses from {place} have stopped coming, for longer than the usual rhythm explains.",
        ),
        IncidentReason.RECOVERED: Wording("NPS has recovered", "The NPS of {place} has recovered."),
        IncidentReason.NEW_LEVEL: Wording(
            "NPS stays at its new level",
            "The NPS of {place} has not recovered, but stays at its new level, which counts as its usual one from now "
            "on.",
        ),
        IncidentReason.ANSWERED_AGAIN: Wording(
            "Responses are coming again", "Responses from {place} are coming again."
        ),
        IncidentReason.RETIRED: Wording("Segment is no longer watched", "The watch over {place} has ended."),
    },
    fell=Wording("NPS fell", "The NPS of {place} fell."),
    over=Wording("Incident is over", "The incident that concerned {place} is over."),
    something=Wording("There is an incident", "There is an incident that concerns {place}."),
    explains_one="The drop of {ancestors} is explained by this segment; no alert is sent for it.",
    explains_several="The drop of {ancestors} is explained by this segment; no alert is sent for them.",
    comma=", ",
    and_=" and ",
    facts="In short",
    since="Since",
    last_answer="Last answer",
    expected="Answers expected since",
    change="Change",
    points="{points} points",
    interval="{value} (95% interval: {low} to {high})",
    before="Before (at most 90 days)",
    after="Since then",
    nps="NPS",
    indicative="{nps}, indicative",
    hint="“Indicative”: fewer than 30 answers. Without its interval, such an NPS is no more than a hint.",
    answers="Answers",
    promoters="Promoters",
    passives="Passives",
    detractors="Detractors",
)

INCIDENT_WORDS: Mapping[Language, IncidentWords] = {"fr": _FRENCH, "en": _ENGLISH}
