"""The words of the overview, in French and English."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class OverviewWords:
    """The words of one language."""

    changed: str
    drags: str
    drags_hint: str
    drags_line: str  # {points} with their unit
    no_drags: str
    all_segments: str
    open: str
    cases: tuple[str, str]  # one, and {n}
    no_cases: str
    overdue: tuple[str, str]
    none_overdue: str
    to_cases: str
    no_incidents: str
    eleven: str
    eleven_hint: str
    same: str  # in a row with the answers of the row "all time"; {n}
    meanings: Mapping[str, str]  # by window
    by_customer_meaning: str
    by_customer_name: str  # {window}
    not_counted: str
    gaming: str  # {since} {before} {after} {beside_before} {beside_after}
    scale: str  # {n} {lowest} {highest}
    newest: str  # {when}


_ENGLISH = OverviewWords(
    changed="What has changed lately",
    drags="What drags the score down",
    drags_hint="How many points each segment takes from this NPS, by its share of the answers.",
    drags_line="takes {points}",
    no_drags="No segment below stands out.",
    all_segments="See all segments below",
    open="Open now",
    cases=("1 case is open", "{n} cases are open"),
    no_cases="No case is open",
    overdue=("1 is overdue", "{n} are overdue"),
    none_overdue="none is overdue",
    to_cases="Go to the cases",
    no_incidents="No incident is open.",
    eleven="The same NPS, counted in eleven ways",
    eleven_hint="Long windows are certain but slow, short ones are quick but uncertain.",
    same="the same answers as “all time” ({n})",
    meanings={
        "24h": "What is happening today. Usually few answers.",
        "7d": "One full week, so every weekday counts once.",
        "30d": "The usual figure: recent, and mostly certain enough.",
        "90d": "A quarter, for comparisons of segments with few answers.",
        "365d": "A full year, so no season weighs more than another.",
        "last_100": "The last 100 answers, however long they took to come.",
        "all": "Every answer that has been counted.",
    },
    by_customer_meaning="Only the latest answer of each customer, so nobody counts more by answering often.",
    by_customer_name="{window}, each customer once",
    not_counted="not counted for the whole time yet",
    gaming=(
        "A question to ask: were answers asked for in person here? Since {since}, the share of promoters has gone from "
        "{before} to {after}, while it went from {beside_before} to {beside_after} elsewhere."
    ),
    scale=(
        "A question to ask: does this survey use a scale of its own? All {n} answers lie between {lowest} and "
        "{highest}, so happy customers may be counted as detractors."
    ),
    newest="Newest answer counted: {when}",
)

_FRENCH = OverviewWords(
    changed="Ce qui a changé récemment",
    drags="Ce qui tire le score vers le bas",
    drags_hint="Combien de points chaque périmètre enlève à ce NPS, selon sa part des réponses.",
    drags_line="enlève {points}",
    no_drags="Aucun périmètre ne se distingue.",
    all_segments="Voir tous les périmètres au-dessous",
    open="En cours",
    cases=("1 dossier est ouvert", "{n} dossiers sont ouverts"),
    no_cases="Aucun dossier n’est ouvert",
    overdue=("1 est en retard", "{n} sont en retard"),
    none_overdue="aucun n’est en retard",
    to_cases="Voir les dossiers",
    no_incidents="Aucun incident n’est en cours.",
    eleven="Le même NPS, compté de onze façons",
    eleven_hint="Une longue période est sûre mais lente, une courte est rapide mais incertaine.",
    same=french("les mêmes réponses que « depuis le début » ({n})"),
    meanings={
        "24h": "Ce qui se passe aujourd’hui. En général, peu de réponses.",
        "7d": french("Une semaine entière : chaque jour de la semaine compte une fois."),
        "30d": french("Le chiffre habituel : récent, et le plus souvent assez sûr."),
        "90d": "Un trimestre, pour comparer des périmètres qui ont peu de réponses.",
        "365d": french("Une année entière : aucune saison ne pèse plus qu’une autre."),
        "last_100": "Les 100 dernières réponses, quel que soit le temps qu’elles ont pris.",
        "all": "Toutes les réponses comptées.",
    },
    by_customer_meaning=french(
        "Seulement la dernière réponse de chaque client : répondre souvent ne donne pas plus de poids."
    ),
    by_customer_name="{window}, chaque client une fois",
    not_counted="pas encore compté sur toute la période",
    gaming=french(
        "Une question à poser : des réponses ont-elles été sollicitées en personne ? Depuis le {since}, la part des "
        "promoteurs est passée de {before} à {after} ici, et de {beside_before} à {beside_after} ailleurs."
    ),
    scale=french(
        "Une question à poser : cette enquête a-t-elle sa propre échelle ? Ses {n} réponses sont toutes entre {lowest} "
        "et {highest} : des clients satisfaits comptent peut-être comme détracteurs."
    ),
    newest=french("Dernière réponse comptée : {when}"),
)

OVERVIEW_WORDS: Mapping[Language, OverviewWords] = {"fr": _FRENCH, "en": _ENGLISH}
