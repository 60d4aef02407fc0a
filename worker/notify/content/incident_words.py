"""The words of an incident's mail, in French and English. language.py has those that it shares with an alert's mail."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.incident import IncidentReason
from worker.notify.content.typography import NUMERALS_EN, NUMERALS_FR, Numerals, french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class IncidentText:
    """What happened, as a headline and as a sentence. Placeholders: {before} {after}; in the sentence also {place}.

    In the sentence about an update there is {also} after {place}: further segments, if there are any.
    """

    headline: str
    sentence: str


@dataclass(frozen=True)
class IncidentWords:
    """The words of one language. incident_page.py fills in the placeholders, which are in braces."""

    numerals: Numerals
    everything: str  # the name of the root segment
    resolved: str
    updated: str
    news: Mapping[str, IncidentText]  # by reason
    sources: Mapping[str, IncidentText]  # by reason, for an incident about a source
    fell: IncidentText  # for a drop whose numbers are not known
    over: IncidentText  # for the end of an incident with a reason that this version does not know
    something: IncidentText  # for another step with a reason that this version does not know
    also: str  # {segments}: further segments that an incident is about
    moved: str  # {place} {after} {before}: whose share of the answers changed, in per cent
    within: str
    mix: str
    hidden: str  # {place}: the segment above, whose NPS did not fall, since its mix became better
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
    advice: str  # if there are too many segments
    check_tool: str  # if no answers come by a source any more, or none at all
    source: str
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
        IncidentReason.NPS_FELL: IncidentText(
            "Le NPS est passé de {before} à {after}", "Le NPS de {place} est passé de {before} à {after}."
        ),
        IncidentReason.MIX_CHANGED: IncidentText(
            french("Le NPS est passé de {before} à {after} : les réponses viennent d’ailleurs"),
            french(
                "Le NPS de {place} est passé de {before} à {after}, mais aucun périmètre au-dessous n’a chuté : c’est "
                "la répartition des réponses entre eux qui a changé."
            ),
        ),
        IncidentReason.WIDER: IncidentText(
            "La chute du NPS est plus large",
            french("La chute du NPS qui vous a été signalée est plus large : elle concerne {place}{also}."),
        ),
        IncidentReason.DEEPER: IncidentText(
            "La cause de la chute est mieux connue",
            "La chute du NPS qui vous a été signalée vient de {place}{also}.",
        ),
        IncidentReason.WORSE: IncidentText(
            "Le NPS a encore chuté", "La chute du NPS de {place}{also} est plus grave qu’au moment du premier message."
        ),
        IncidentReason.PARTLY_RECOVERED: IncidentText(
            "Le NPS s’est redressé en partie",
            "Le NPS s’est redressé dans l’un des périmètres de cet incident, mais pas dans {place}{also}.",
        ),
        IncidentReason.MERGED: IncidentText(
            "Cet incident fait partie d’un autre",
            "La chute du NPS de {place} a la même cause qu’un autre incident, qui vous est signalé à part.",
        ),
        IncidentReason.SILENT: IncidentText(
            "Plus aucune réponse",
            "Il n’arrive plus de réponses de {place}. Leur rythme habituel n’explique pas une absence aussi longue.",
        ),
        IncidentReason.RECOVERED: IncidentText("Le NPS s’est rétabli", "Le NPS de {place} s’est rétabli."),
        IncidentReason.NEW_LEVEL: IncidentText(
            "Le NPS reste à son nouveau niveau",
            "Le NPS de {place} ne s’est pas rétabli, mais reste à son nouveau niveau, qui compte désormais comme son "
            "niveau habituel.",
        ),
        IncidentReason.ANSWERED_AGAIN: IncidentText(
            "Les réponses arrivent de nouveau", "Les réponses de {place} arrivent de nouveau."
        ),
        IncidentReason.RETIRED: IncidentText(
            "Le périmètre n’est plus surveillé",
            "Depuis 90 jours, il n’y a pas eu de réponse de {place}, qui n’est donc plus surveillé.",
        ),
        IncidentReason.LEFT_OUT: IncidentText(
            "Trop de périmètres et d’enquêtes",
            "Il y a plus de périmètres et d’enquêtes que le réglage segments.most ne permet d’en compter. Les réponses "
            "aux suivants ne comptent que pour les périmètres au-dessus d’eux. Elles ne comptent pas pour leur propre "
            "périmètre ou enquête, et ne le feront pas plus tard. Les alertes sur les réponses individuelles ne sont "
            "pas concernées.",
        ),
        IncidentReason.ROOM_AGAIN: IncidentText(
            "De nouveaux périmètres sont de nouveau comptés",
            "Depuis un jour, il y a de nouveau de la place pour d’autres périmètres et enquêtes. Les réponses qui, "
            "entre-temps, n’ont compté que pour les périmètres au-dessus des leurs ne seront pas recomptées.",
        ),
    },
    sources={
        IncidentReason.SILENT: IncidentText(
            "Plus aucune réponse d’une source",
            "Il n’arrive plus de réponses de la source {place}. Leur rythme habituel n’explique pas une absence aussi "
            "longue.",
        ),
        IncidentReason.ANSWERED_AGAIN: IncidentText(
            "Les réponses d’une source arrivent de nouveau", "Les réponses de la source {place} arrivent de nouveau."
        ),
        IncidentReason.RETIRED: IncidentText(
            "La source n’est plus surveillée",
            "Depuis 90 jours, il n’y a pas eu de réponse de la source {place}, qui n’est donc plus surveillée.",
        ),
    },
    fell=IncidentText("Le NPS a chuté", "Le NPS de {place} a chuté."),
    over=IncidentText("L’incident est clos", "L’incident qui concernait {place} est clos."),
    something=IncidentText("Un incident vous est signalé", "Un incident vous est signalé, qui concerne {place}."),
    also=" et {segments}",
    moved=french("{place} : {after} % des réponses, contre {before} % auparavant."),
    within="Dont évolution des périmètres au-dessous",
    mix="Dont répartition des réponses entre eux",
    hidden=french(
        "Le NPS de {place} n’a guère changé, mais seulement parce que davantage de réponses viennent de périmètres où "
        "il est plus élevé."
    ),
    explains_one=french(
        "Ce périmètre explique aussi la baisse de {ancestors} ; aucun autre message n’est envoyé à ce sujet."
    ),
    explains_several=french(
        "Ce périmètre explique aussi les baisses de {ancestors} ; aucun autre message n’est envoyé à leur sujet."
    ),
    comma=", de ",
    and_=" et de ",
    facts="En bref",
    since="Depuis",
    last_answer="Dernière réponse",
    segments="Périmètres et enquêtes comptés",
    most="Au plus (segments.most)",
    example="Non compté, par exemple",
    check_tool=french(
        "L’outil d’enquête a peut-être désactivé son webhook, par exemple après des erreurs : vérifiez-le dans les "
        "réglages de l’outil. Voir docs/sources.md."
    ),
    source="Source",
    advice=french(
        "La cause habituelle est un identifiant d’enquête ou un nom de périmètre différent pour chaque réponse ou "
        "chaque client : l’outil d’enquête doit envoyer le même identifiant pour toutes les réponses à une enquête. "
        "S’il y a vraiment autant de périmètres et d’enquêtes, augmentez segments.most dans les réglages du worker et "
        "redémarrez-le. Un périmètre ou une enquête sans réponse pendant 365 jours est oublié, ce qui libère aussi de "
        "la place. Chaque partition a sa part de segments.most : l’une peut être pleine avant les autres."
    ),
    expected="Réponses attendues depuis",
    change="Évolution",
    points="{points} points",
    interval=french("{value} (intervalle à 95 % : de {low} à {high})"),
    before="Avant (90 jours au plus)",
    after="Depuis lors",
    nps="NPS",
    indicative="{nps}, indicatif",
    hint=french(
        "« Indicatif » signifie moins de 30 réponses. Un tel NPS n’est qu’un indice : regardez son intervalle."
    ),
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
        IncidentReason.NPS_FELL: IncidentText(
            "NPS fell from {before} to {after}", "The NPS of {place} fell from {before} to {after}."
        ),
        IncidentReason.MIX_CHANGED: IncidentText(
            "NPS fell from {before} to {after}: answers come from elsewhere",
            "The NPS of {place} fell from {before} to {after}, but no segment below it fell: the shares of the answers "
            "that they get have changed.",
        ),
        IncidentReason.WIDER: IncidentText(
            "The drop is wider", "The drop that was reported to you is wider: it is about {place}{also}."
        ),
        IncidentReason.DEEPER: IncidentText(
            "The cause of the drop is known better", "The drop that was reported to you comes from {place}{also}."
        ),
        IncidentReason.WORSE: IncidentText(
            "NPS fell further", "The drop of {place}{also} is more severe than in the first message."
        ),
        IncidentReason.PARTLY_RECOVERED: IncidentText(
            "NPS has recovered in part",
            "The NPS has recovered in one of this incident's segments, but not in {place}{also}.",
        ),
        IncidentReason.MERGED: IncidentText(
            "This incident is part of another one",
            "The drop of {place} has the same cause as another incident, of which you get messages of its own.",
        ),
        IncidentReason.SILENT: IncidentText(
            "No responses any more",
            "No responses come from {place} any more. Their usual rhythm does not explain such a long gap.",
        ),
        IncidentReason.RECOVERED: IncidentText("NPS has recovered", "The NPS of {place} has recovered."),
        IncidentReason.NEW_LEVEL: IncidentText(
            "NPS stays at its new level",
            "The NPS of {place} has not recovered, but stays at its new level, which counts as its usual one from now "
            "on.",
        ),
        IncidentReason.ANSWERED_AGAIN: IncidentText(
            "Responses are coming again", "Responses from {place} are coming again."
        ),
        IncidentReason.RETIRED: IncidentText(
            "Segment is no longer watched",
            "For 90 days there was no response from {place}, so the worker no longer watches it.",
        ),
        IncidentReason.LEFT_OUT: IncidentText(
            "Too many segments and surveys",
            "There are more segments and surveys than the setting segments.most allows to be counted. Answers to "
            "further ones count for the segments above them only. They do not count for their own segment or survey, "
            "and will not do so later. Alerts about single answers are not affected.",
        ),
        IncidentReason.ROOM_AGAIN: IncidentText(
            "New segments are counted again",
            "For one day there has been room for further segments and surveys. Answers that meanwhile counted only for "
            "the segments above theirs will not be counted again.",
        ),
    },
    sources={
        IncidentReason.SILENT: IncidentText(
            "No answers from a source any more",
            "No answers come from the source {place} any more. Their usual rhythm does not explain such a long gap.",
        ),
        IncidentReason.ANSWERED_AGAIN: IncidentText(
            "Answers from a source are coming again", "Answers from the source {place} are coming again."
        ),
        IncidentReason.RETIRED: IncidentText(
            "Source is no longer watched",
            "For 90 days there was no answer from the source {place}, so the worker no longer watches it.",
        ),
    },
    fell=IncidentText("NPS fell", "The NPS of {place} fell."),
    over=IncidentText("Incident is over", "The incident that concerned {place} is over."),
    something=IncidentText("There is an incident", "There is an incident that concerns {place}."),
    also=" and {segments}",
    moved="{place} gets {after} % of the answers ({before} % before).",
    within="Of which segments below",
    mix="Of which shares of their answers",
    hidden="The NPS of {place} has hardly changed, but only because more answers come from segments where it is "
    "higher.",
    explains_one="This segment also explains the drop of {ancestors}; no other message is sent about it.",
    explains_several="This segment also explains the drops of {ancestors}; no other message is sent about them.",
    comma=", ",
    and_=" and ",
    facts="In short",
    since="Since",
    last_answer="Last answer",
    segments="Segments and surveys counted",
    most="At most (segments.most)",
    example="Not counted, for example",
    check_tool="Perhaps the survey tool has disabled its webhook, for instance after errors: look at it in the tool's "
    "settings. See docs/sources.md.",
    source="Source",
    advice="The usual cause is a survey id or a segment name that is different for each answer or each customer. The "
    "survey tool must send the same id for all answers to a survey. If you really have this many segments and surveys, "
    "raise segments.most in the worker's settings and restart the worker. A segment or survey without an answer for "
    "365 days is forgotten, which makes room as well. Each partition has its share of segments.most, so one may be "
    "full before the others.",
    expected="Answers expected since",
    change="Change",
    points="{points} points",
    interval="{value} (95% interval: {low} to {high})",
    before="Before (at most 90 days)",
    after="Since then",
    nps="NPS",
    indicative="{nps}, indicative",
    hint="“Indicative” means fewer than 30 answers. Such an NPS is no more than a hint: look at its interval.",
    answers="Answers",
    promoters="Promoters",
    passives="Passives",
    detractors="Detractors",
)

INCIDENT_WORDS: Mapping[Language, IncidentWords] = {"fr": _FRENCH, "en": _ENGLISH}
