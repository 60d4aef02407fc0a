"""The words of the tree, of the comparison of two segments and of the heat map, in French and English."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class TreeWords:
    """The words of one language. Points and intervals are filled in as texts."""

    title: str
    views: str  # the name of the links between the three pages
    by_segment: str
    by_survey: str
    heat: str
    whole: str  # {name}: a link to the overview of a segment
    below: str  # {name}, the title of the table
    order: str
    segment: str
    effect: str
    drags: str  # {points} with their unit
    lifts: str  # {points} with their unit
    neutral: str
    sure: str
    chance: str
    deeper: tuple[str, str]  # the number of segments below: one, and {n}
    compare: str  # a link, in a row
    compare_title: str
    compare_hint: str
    choose: str
    download_charts: str
    first: str
    second: str
    compare_button: str
    no_children: str
    unanswered: tuple[str, str]  # segments without answers: one, and {n}; {window}
    rest: str  # {name}, the other answers of a segment
    others: str  # the other answers of the root segment
    rest_of: str  # {inner} {outer}: why a segment is compared with the rest of another one
    better: str  # {first} {second} {points} {low} {high}
    worse: str
    unclear: str  # {first} {second} {low} {high}
    overlap: str
    too_few: str
    change: str
    #: How an NPS has changed: {days} {points}. The beginning of a sentence, which one of the next two ends.
    rose: str
    fell: str
    stayed: str
    sure_change: str  # {low} {high}, if chance hardly explains the change
    chance_change: str  # a sentence of its own, if it may be
    within: str  # {points} {interval}
    mix: str  # {points} {interval}
    moved: str  # {name} {before} {after}
    movers: str  # the title of the segments below in which changes lie
    no_movers: str
    no_movers_compared: str  # if not all segments below were compared
    too_few_below: str  # {n}, the fewest answers with which a segment is compared
    lower_left_out: str  # {most}
    all_left_out: str  # {most}
    mover_rose: str  # {before} {after} {low} {high}
    mover_fell: str
    months: str
    so_far: str  # below the month that is not over
    heat_title: str  # {name}
    heat_hint: str  # {name} {nps}
    few: str
    legend: Mapping[str, str]  # by class of the cells
    legend_title: str
    no_months: str


_ENGLISH = TreeWords(
    title="Tree",
    views="Ways to look at the segments",
    by_segment="Segments",
    by_survey="Surveys",
    heat="By month",
    whole="Overview of {name}",
    below="Segments of {name}",
    order="The segment that drags the NPS down the most is the first.",
    segment="Segment",
    effect="Effect on the NPS above",
    drags="takes {points}",
    lifts="adds {points}",
    neutral="no effect",
    sure="more than chance",
    chance="may be chance",
    deeper=("1 segment below", "{n} segments below"),
    compare="Compare",
    compare_title="Compare two segments",
    compare_hint="Without a second one, a segment is compared with the rest of the segment above it.",
    choose="Choose two segments",
    download_charts="Download the numbers of the charts as CSV",
    first="First segment",
    second="Second segment",
    compare_button="Compare",
    no_children="No segment below has answers {window}.",
    unanswered=("1 segment has no answers {window}.", "{n} segments have no answers {window}."),
    rest="the rest of {name}",
    others="all the others",
    rest_of="{inner} is a part of {outer}, so it is compared with the other answers of {outer}.",
    better="{first} is better than {second} by {points}, between {low} and {high}: chance hardly explains that.",
    worse="{first} is worse than {second} by {points}, between {low} and {high}: chance hardly explains that.",
    unclear=(
        "It cannot be said which is better: the difference lies between {low} points in favour of {second} and {high} "
        "points in favour of {first}. That can be chance."
    ),
    overlap="A survey and a segment have answers in common, so their difference cannot be judged here.",
    too_few="One of the two has no answers {window}, so there is nothing to compare.",
    change="Why it changed",
    rose="In the last {days} days, the NPS is {points} higher than in the {days} days before",
    fell="In the last {days} days, the NPS is {points} lower than in the {days} days before",
    stayed="In the last {days} days, the NPS is the same as in the {days} days before",
    sure_change=", with 95% certainty between {low} and {high}: chance hardly explains that.",
    chance_change="A change of this size can be chance.",
    within="{points} points because the segments below became better or worse themselves ({interval}).",
    mix="{points} points because the answers come from other segments than before ({interval}).",
    moved="Most of that is due to {name}, whose share of the answers went from {before} to {after}.",
    movers="Segments below that have changed",
    no_movers="No segment below has changed by more than chance.",
    no_movers_compared="No segment that was compared has changed by more than chance.",
    too_few_below="No segment below has enough answers to be compared: it needs {n} in each of the two times.",
    lower_left_out="There are more than {most} segments below, so those of the lowest levels were not compared.",
    all_left_out="There are more than {most} segments directly below, so they were not compared.",
    mover_rose="rose from {before} to {after}, by between {low} and {high} points: chance hardly explains that.",
    mover_fell="fell from {before} to {after}, by between {low} and {high} points: chance hardly explains that.",
    months="Months",
    so_far="so far",
    heat_title="{name}, month by month",
    heat_hint=(
        "Each number is the NPS of a month. The colour compares it with {nps}, the NPS of all these months ({name})."
    ),
    few="fewer than 10 answers, in italics and brackets",
    legend={
        "low-3": "30 points or more below",
        "low-2": "15 to 30 below",
        "low-1": "5 to 15 below",
        "level": "about the same",
        "high-1": "5 to 15 above",
        "high-2": "15 to 30 above",
        "high-3": "30 points or more above",
    },
    legend_title="What the colours mean",
    no_months="No month has answers yet.",
)

_FRENCH = TreeWords(
    title="Périmètres",
    views="Façons de voir les périmètres",
    by_segment="Périmètres",
    by_survey="Enquêtes",
    heat="Par mois",
    whole=french("Synthèse : {name}"),
    below="Périmètres de {name}",
    order="Le périmètre qui tire le plus le NPS vers le bas est le premier.",
    segment="Périmètre",
    effect="Effet sur le NPS au-dessus",
    drags="enlève {points}",
    lifts="ajoute {points}",
    neutral="sans effet",
    sure="plus que le hasard",
    chance="peut être un hasard",
    deeper=("1 périmètre au-dessous", "{n} périmètres au-dessous"),
    compare="Comparer",
    compare_title="Comparer deux périmètres",
    compare_hint="Sans second périmètre, le premier est comparé au reste du périmètre au-dessus.",
    choose="Choisissez deux périmètres",
    download_charts="Télécharger les chiffres des graphiques en CSV",
    first="Premier périmètre",
    second="Second périmètre",
    compare_button="Comparer",
    no_children="Aucun périmètre au-dessous n’a de réponse {window}.",
    unanswered=("1 périmètre n’a pas de réponse {window}.", "{n} périmètres n’ont pas de réponse {window}."),
    rest=french("le reste de « {name} »"),
    others="tous les autres",
    rest_of=french("{inner} fait partie de {outer} : sa comparaison se fait avec les autres réponses de {outer}."),
    better=french(
        "{first} est au-dessus de {second}, de {points}, entre {low} et {high} : le hasard ne l’explique guère."
    ),
    worse=french(
        "{first} est au-dessous de {second}, de {points}, entre {low} et {high} : le hasard ne l’explique guère."
    ),
    unclear=french(
        "On ne peut pas dire lequel est le meilleur : l’écart est entre {low} points en faveur de {second} et {high} "
        "points en faveur de {first}. Ce peut être un hasard."
    ),
    overlap=french("Une enquête et un périmètre ont des réponses en commun : leur écart ne peut pas être jugé ici."),
    too_few=french("L’un des deux n’a pas de réponse {window} : il n’y a rien à comparer."),
    change="Pourquoi il a changé",
    rose=(
        "Au cours des {days} derniers jours, le NPS est plus haut de {points} qu’au cours des {days} jours précédents"
    ),
    fell=(
        "Au cours des {days} derniers jours, le NPS est plus bas de {points} qu’au cours des {days} jours précédents"
    ),
    stayed="Au cours des {days} derniers jours, le NPS est le même qu’au cours des {days} jours précédents",
    sure_change=french(", avec une certitude de 95 % entre {low} et {high} : le hasard ne l’explique guère."),
    chance_change="Un tel écart peut être dû au hasard.",
    within="{points} points parce que des périmètres au-dessous sont devenus meilleurs ou moins bons ({interval}).",
    mix="{points} points parce que les réponses viennent d’autres périmètres qu’avant ({interval}).",
    moved="C’est surtout dû à {name}, dont la part des réponses est passée de {before} à {after}.",
    movers="Les périmètres au-dessous qui ont changé",
    no_movers="Aucun périmètre au-dessous n’a changé plus que le hasard ne l’explique.",
    no_movers_compared="Aucun périmètre comparé n’a changé plus que le hasard ne l’explique.",
    too_few_below=french(
        "Aucun périmètre au-dessous n’a assez de réponses pour être comparé : il en faut {n} dans chacune des deux "
        "périodes."
    ),
    lower_left_out=french(
        "Il y a plus de {most} périmètres au-dessous : ceux des niveaux les plus bas n’ont pas été comparés."
    ),
    all_left_out=french("Il y a plus de {most} périmètres juste au-dessous : ils n’ont pas été comparés."),
    mover_rose=french(
        "est passé de {before} à {after}, soit une hausse de {low} à {high} points : le hasard ne l’explique guère."
    ),
    mover_fell=french(
        "est passé de {before} à {after}, soit une baisse de {low} à {high} points : le hasard ne l’explique guère."
    ),
    months="Mois",
    so_far="en cours",
    heat_title=french("{name}, mois par mois"),
    heat_hint=french(
        "Chaque nombre est le NPS d’un mois. La couleur le compare à {nps}, le NPS de tous ces mois ({name})."
    ),
    few="moins de 10 réponses, en italique et entre parenthèses",
    legend={
        "low-3": "30 points ou plus au-dessous",
        "low-2": "15 à 30 au-dessous",
        "low-1": "5 à 15 au-dessous",
        "level": "à peu près pareil",
        "high-1": "5 à 15 au-dessus",
        "high-2": "15 à 30 au-dessus",
        "high-3": "30 points ou plus au-dessus",
    },
    legend_title="Ce que signifient les couleurs",
    no_months="Aucun mois n’a encore de réponse.",
)

TREE_WORDS: Mapping[Language, TreeWords] = {"fr": _FRENCH, "en": _ENGLISH}
