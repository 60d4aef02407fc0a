"""The words of charts of an NPS over time, in French and English."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class HistoryWords:
    """The words of one language."""

    history: str
    #: What a chart shows, in words: {before} {half_before} {from} {after} {half_after} {days}.
    rose: str
    fell: str
    unchanged: str
    few: str  # there is too little to compare
    chart: str  # {name} {first} {last}
    by_day: str
    by_week: str
    smoothed: str
    band: str
    mark: str
    not_marked: tuple[str, str]  # earlier incidents that are not marked: one, and {n}
    no_line: str
    table: Mapping[str, str]  # the heads of the table of the chart, by column
    since: str  # {first}, of an incident that is open
    until: str  # {first} {last}, of one that is over


_ENGLISH = HistoryWords(
    history="How the NPS has changed",
    rose="The NPS rose from {before} (±{half_before}) {from} to {after} (±{half_after}) in the last {days} days.",
    fell="The NPS fell from {before} (±{half_before}) {from} to {after} (±{half_after}) in the last {days} days.",
    unchanged=(
        "The NPS was {before} (±{half_before}) {from} and {after} (±{half_after}) in the last {days} days. A "
        "difference of this size can be chance."
    ),
    few="There are too few answers in this time to compare its beginning with its end.",
    chart="The NPS of {name} from {first} to {last}",
    by_day="single days; dashed: fewer than 10 answers",
    by_week="single weeks; dashed: fewer than 10 answers",
    smoothed="smoothed",
    band="where the smoothed NPS lies with 95% certainty",
    mark="incident",
    not_marked=("1 earlier incident is not marked.", "{n} earlier incidents are not marked."),
    no_line="There are too few answers for a smoothed line.",
    table={
        "first": "From",
        "last": "To",
        "n": "Answers",
        "nps": "NPS",
        "interval": "95% interval",
        "smoothed": "Smoothed",
    },
    since="Since {first}, open",
    until="{first} to {last}, over",
)

_FRENCH = HistoryWords(
    history="L’évolution du NPS",
    rose=french(
        "Le NPS est passé de {before} (±{half_before}) {from} à {after} (±{half_after}) au cours des {days} derniers "
        "jours : il a monté."
    ),
    fell=french(
        "Le NPS est passé de {before} (±{half_before}) {from} à {after} (±{half_after}) au cours des {days} derniers "
        "jours : il a baissé."
    ),
    unchanged=(
        "Le NPS était de {before} (±{half_before}) {from}, et de {after} (±{half_after}) au cours des {days} derniers "
        "jours. Un tel écart peut être dû au hasard."
    ),
    few="Les réponses de cette période sont trop peu nombreuses pour comparer son début et sa fin.",
    chart="Le NPS de {name}, du {first} au {last}",
    by_day=french("par jour ; en pointillé : moins de 10 réponses"),
    by_week=french("par semaine ; en pointillé : moins de 10 réponses"),
    smoothed="lissé",
    band=french("où se trouve le NPS lissé, avec une certitude de 95 %"),
    mark="incident",
    not_marked=("1 incident plus ancien n’est pas indiqué.", "{n} incidents plus anciens ne sont pas indiqués."),
    no_line="Les réponses sont trop peu nombreuses pour une courbe lissée.",
    table={
        "first": "Du",
        "last": "Au",
        "n": "Réponses",
        "nps": "NPS",
        "interval": french("Intervalle à 95 %"),
        "smoothed": "Lissé",
    },
    since="Depuis le {first}, en cours",
    until="Du {first} au {last}, terminé",
)

HISTORY_WORDS: Mapping[Language, HistoryWords] = {"fr": _FRENCH, "en": _ENGLISH}
