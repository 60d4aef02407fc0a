"""The words of the pages about scores, in French and English: what all of them say about an NPS."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class ScoreWords:
    """The words of one language. Points and intervals are filled in as texts."""

    segment: str
    segment_hint: str
    survey: str
    every_survey: str
    window: str
    windows: Mapping[str, str]  # by window, as a noun
    within: Mapping[str, str]  # by window, within a sentence
    range: str
    ranges: Mapping[str, str]  # by months
    #: Where the NPS is going, by direction; {change} for 30 days, with its unit.
    trends: Mapping[str, str]
    trend_range: str  # {low} {high}
    no_trend: str
    #: The same in a word or two, for tables.
    steady_but: str  # in place of steady, if the last days surely differ from those before
    trend_words: Mapping[str, str]
    certainty: str  # {interval}
    answers: tuple[str, str]  # one, and {n}
    indicative: str
    no_answers: str  # {window}
    shares: Mapping[str, str]  # by class, {share}
    bars: str  # {promoters} {passives} {detractors}, the description of a bar
    whisker: str  # {nps} {interval}
    nps: str
    interval: str
    dotted: str  # {nps}: what the dotted line beside intervals stands for
    n: str
    trend: str
    unknown: str  # {name}
    unknown_hint: str
    nothing: str
    nothing_hint: str


_ENGLISH = ScoreWords(
    segment="Segment",
    segment_hint="Names from the top down, separated by slashes",
    survey="Survey",
    every_survey="all surveys",
    window="Answers of",
    windows={
        "24h": "last 24 hours",
        "7d": "last 7 days",
        "30d": "last 30 days",
        "90d": "last 90 days",
        "365d": "last 365 days",
        "last_100": "last 100 answers",
        "all": "all time",
    },
    within={
        "24h": "in the last 24 hours",
        "7d": "in the last 7 days",
        "30d": "in the last 30 days",
        "90d": "in the last 90 days",
        "365d": "in the last 365 days",
        "last_100": "among the last 100",
        "all": "since the beginning",
    },
    range="Chart of",
    ranges={"1": "1 month", "3": "3 months", "12": "12 months"},
    trends={
        "rising": "Over the last months, the NPS has been rising by about {change} every 30 days.",
        "falling": "Over the last months, the NPS has been falling by about {change} every 30 days.",
        "steady": "Over the last months, the NPS has been steady.",
        "unclear": "Over the last months, the NPS has shown no clear direction.",
    },
    trend_range="Counted by complete weeks, the change is between {low} and {high} points every 30 days.",
    no_trend="It is too early to say where the NPS is going: that needs 30 answers, and answers in 5 complete weeks.",
    steady_but="Over the last months, the NPS has had no lasting direction, but it has changed lately.",
    trend_words={"rising": "rising", "falling": "falling", "steady": "steady", "unclear": "unclear"},
    certainty="{interval} with 95% certainty",
    answers=("1 answer", "{n} answers"),
    indicative="Fewer than 30 answers: take this as a hint only.",
    no_answers="There are no answers {window}.",
    shares={
        "promoters": "{share} promoters (9 and 10)",
        "passives": "{share} passives (7 and 8)",
        "detractors": "{share} detractors (0 to 6)",
    },
    bars="{promoters} promoters, {passives} passives, {detractors} detractors",
    whisker="NPS {nps}, with 95% certainty {interval}",
    nps="NPS",
    interval="95% interval",
    dotted="dotted line: {nps}",
    n="Answers",
    trend="Trend",
    unknown="No answers are known for “{name}”",
    unknown_hint="Check the spelling, or choose one of these segments.",
    nothing="No answers have arrived yet",
    nothing_hint="As soon as the first answer has been counted, this page shows the score, its trend and its history.",
)

_FRENCH = ScoreWords(
    segment="Périmètre",
    segment_hint="Les noms de haut en bas, séparés par des barres obliques",
    survey="Enquête",
    every_survey="toutes les enquêtes",
    window="Réponses",
    windows={
        "24h": "24 dernières heures",
        "7d": "7 derniers jours",
        "30d": "30 derniers jours",
        "90d": "90 derniers jours",
        "365d": "365 derniers jours",
        "last_100": "100 dernières réponses",
        "all": "depuis le début",
    },
    within={
        "24h": "au cours des 24 dernières heures",
        "7d": "au cours des 7 derniers jours",
        "30d": "au cours des 30 derniers jours",
        "90d": "au cours des 90 derniers jours",
        "365d": "au cours des 365 derniers jours",
        "last_100": "parmi les 100 dernières",
        "all": "depuis le début",
    },
    range="Graphique sur",
    ranges={"1": "1 mois", "3": "3 mois", "12": "12 mois"},
    trends={
        "rising": "Ces derniers mois, le NPS a monté, d’environ {change} tous les 30 jours.",
        "falling": "Ces derniers mois, le NPS a baissé, d’environ {change} tous les 30 jours.",
        "steady": "Ces derniers mois, le NPS a été stable.",
        "unclear": "Ces derniers mois, le NPS n’a pas eu de tendance nette.",
    },
    trend_range="Par semaines complètes, l’évolution est de {low} à {high} points tous les 30 jours.",
    no_trend=french(
        "Il est trop tôt pour dire où va le NPS : il faut 30 réponses, et des réponses dans 5 semaines complètes."
    ),
    steady_but="Ces derniers mois, le NPS n’a pas eu de direction durable, mais il a changé récemment.",
    trend_words={"rising": "en hausse", "falling": "en baisse", "steady": "stable", "unclear": "incertaine"},
    certainty=french("{interval}, avec une certitude de 95 %"),
    answers=("1 réponse", "{n} réponses"),
    indicative=french("Moins de 30 réponses : ce n’est qu’un indice."),
    no_answers="Il n’y a pas de réponse {window}.",
    shares={
        "promoters": "{share} de promoteurs (9 et 10)",
        "passives": "{share} de passifs (7 et 8)",
        "detractors": "{share} de détracteurs (0 à 6)",
    },
    bars="{promoters} de promoteurs, {passives} de passifs, {detractors} de détracteurs",
    whisker=french("NPS de {nps} ; avec une certitude de 95 %, {interval}"),
    nps="NPS",
    interval=french("Intervalle à 95 %"),
    dotted=french("en pointillé : {nps}"),
    n="Réponses",
    trend="Tendance",
    unknown=french("Aucune réponse n’est connue pour « {name} »"),
    unknown_hint="Vérifiez l’orthographe, ou choisissez un de ces périmètres.",
    nothing="Aucune réponse n’est encore arrivée",
    nothing_hint=(
        "Dès que la première réponse sera comptée, cette page montrera le score, sa tendance et son historique."
    ),
)

SCORE_WORDS: Mapping[Language, ScoreWords] = {"fr": _FRENCH, "en": _ENGLISH}
