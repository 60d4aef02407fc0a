"""The words of an incident's mail, in French and English, beside those that it shares with an alert's."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.incident import IncidentReason
from worker.notify.channels.email.language import Language
from worker.notify.channels.email.typography import NUMERALS_EN, NUMERALS_FR, Numerals, french


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
    segments: str
    most: str
    example: str
    advice: str  # beside there being too many segments
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
        IncidentReason.LEFT_OUT: Wording(
            "Trop de périmètres et d’enquêtes",
            "Il y a plus de périmètres et d’enquêtes que le réglage segments.most ne permet d’en compter. Les réponses "
            "aux suivants ne comptent que pour les périmètres au-dessus d’eux, pas sous leur propre nom, et n’y seront "
            "pas comptées plus tard. Les alertes sur les réponses individuelles ne sont pas concernées.",
        ),
        IncidentReason.ROOM_AGAIN: Wording(
            "De nouveaux périmètres sont de nouveau comptés",
            "Depuis un jour, il y a de nouveau de la place pour d’autres périmètres et enquêtes. Les réponses qui "
            "n’ont pas été comptées sous leur propre nom entre-temps ne le seront pas.",
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
    segments="Périmètres et enquêtes comptés",
    most="Au plus (segments.most)",
    example="Non compté, par exemple",
    advice=french(
        "La cause habituelle est un identifiant d’enquête ou un nom de périmètre différent pour chaque réponse ou "
        "chaque client : faites envoyer le même identifiant pour toutes les réponses à une enquête. S’il y en a "
        "vraiment autant, augmentez segments.most dans les réglages du worker et redémarrez-le. Ce qui reste sans "
        "réponse pendant 365 jours est oublié, ce qui libère aussi de la place. Chaque partition a sa part de "
        "segments.most : l’une peut être pleine avant les autres."
    ),
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
        IncidentReason.LEFT_OUT: Wording(
            "Too many segments and surveys",
            "There are more segments and surveys than the setting segments.most allows to be counted. Answers to "
            "further ones count for the segments above them only, not under their own name, and will not be counted "
            "there later. Alerts about single answers are not affected.",
        ),
        IncidentReason.ROOM_AGAIN: Wording(
            "New segments are counted again",
            "For a day there has been room for further segments and surveys. Answers that were not counted under their "
            "own name meanwhile will not be.",
        ),
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
    segments="Segments and surveys counted",
    most="At most (segments.most)",
    example="Not counted, for example",
    advice="The usual cause is a survey id or a segment name that is different for each answer or each customer: have "
    "the same id sent for all answers to a survey. If there really are so many, raise segments.most in the worker's "
    "settings and restart the worker. What has no answer for 365 days is forgotten, which makes room as well. Each "
    "partition has its share of segments.most, so one may be full before the others.",
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
