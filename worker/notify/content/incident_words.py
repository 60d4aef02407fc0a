"""The words of an incident's mail, in French and English. language.py has those that it shares with an alert's mail."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.incident import IncidentReason
from worker.notify.content.typography import NUMERALS_EN, NUMERALS_FR, Numerals, french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class IncidentText:
    """What happened, as a headline and as a sentence.

    Placeholders: {before} {after}; in the sentence also {place}, which names all segments that the incident is about,
    {first}, the one that the figures are of, {fallen}, the segments below it that fell as well, and {other}, what the
    other incident is about.
    """

    headline: str
    sentence: str


@dataclass(frozen=True)
class IncidentWords:
    """The words of one language. incident_page.py fills in the placeholders, which are in braces."""

    numerals: Numerals
    everything: str  # the name of the root segment if its NPS fell
    everywhere: str  # its name in other incidents
    survey: str  # {name}: a survey that an incident is about
    of_source: str  # {name}: a source, among segments
    resolved: str
    ends: Mapping[str, str]  # what is said in place of "resolved", by reason
    updated: str  # {severity}
    news: Mapping[str, IncidentText]  # by reason
    surveys: Mapping[str, IncidentText]  # by reason, for an incident about a survey
    sources: Mapping[str, IncidentText]  # by reason, for an incident about a source
    root: Mapping[str, IncidentText]  # by reason, for responses that come from nowhere any more
    mixed: IncidentText  # for a changed mix of answers, if segments below the segment fell as well
    surer: IncidentText  # for a drop that is worse since its size is better known
    merged: IncidentText  # for an incident that is part of another one which is known
    fell: IncidentText  # for a drop whose numbers are not known
    over: IncidentText  # for the end of an incident with a reason that this version does not know
    something: IncidentText  # for another step with a reason that this version does not know
    also: str
    parts: str  # the segments of incidents that have become part of this one
    also_fell: str  # {also}: further segments that an incident is about
    one_more: str  # one segment that is not named
    more: str  # {count}: how many segments are not named
    difference: str  # {points}: between the NPS before and after
    within: str
    mix: str
    share: str  # {place}
    moved: str  # {after} {before}: shares of the answers, in per cent
    goes_on: str
    incident: str  # {place} {alert_id}
    hidden: str  # {place}: the segment above, whose NPS did not fall, since its mix became better
    explains_one: str  # {ancestors}
    explains_several: str  # {ancestors}
    of_comma: str  # between ancestors
    of_and: str  # before the last of them
    and_: str  # before the last of other segments
    facts: str
    since: str
    began: str
    last_answer: str
    segments: str
    most: str
    example: str
    advice: str  # if there are too many segments
    check_tool: str  # if no answers come by a source any more, or none at all
    source: str
    expected: str
    change: str
    compared: str  # the change, if the drop is over
    points: str  # {points}
    interval: str  # {value} {low} {high}
    before: str
    after: str
    recovered: str  # in place of `after`, if the drop is over
    further: str  # the answers since a further fall
    further_began: str
    nps: str
    indicative: str  # {nps}
    hint: str
    answers: str
    promoters: str
    passives: str
    detractors: str


_FRENCH = IncidentWords(
    numerals=NUMERALS_FR,
    everything="l’ensemble des réponses",
    everywhere="tous les périmètres",
    survey="l’enquête {name}",
    of_source="la source {name}",
    resolved="Résolu",
    ends={
        IncidentReason.NEW_LEVEL: "Clos",
        IncidentReason.RETIRED: "Clos",
        IncidentReason.MERGED: "Regroupé",
    },
    updated="{severity}, mise à jour",
    news={
        IncidentReason.NPS_FELL: IncidentText(
            "Le NPS est passé de {before} à {after}", "Le NPS de {first} est passé de {before} à {after}."
        ),
        IncidentReason.MIX_CHANGED: IncidentText(
            "Le NPS est passé de {before} à {after}, car les réponses viennent d’ailleurs",
            french(
                "Le NPS de {first} est passé de {before} à {after}, mais aucun périmètre au-dessous n’a nettement "
                "chuté de trois points ou plus : c’est la répartition des réponses entre eux qui a changé."
            ),
        ),
        IncidentReason.WIDER: IncidentText(
            "La chute du NPS est plus large",
            french("La chute du NPS qui vous a été signalée est plus large : elle concerne {place}."),
        ),
        IncidentReason.DEEPER: IncidentText(
            "La cause de la chute est mieux connue",
            "La chute du NPS qui vous a été signalée vient de {place}.",
        ),
        IncidentReason.WORSE: IncidentText(
            "Le NPS a encore chuté",
            "Depuis que la chute vous a été signalée, le NPS de {first} a encore chuté.",
        ),
        IncidentReason.PARTLY_RECOVERED: IncidentText(
            "Le NPS s’est redressé en partie",
            french("Le NPS s’est redressé dans l’un des périmètres de cet incident. Il reste bas ici : {place}."),
        ),
        IncidentReason.MERGED: IncidentText(
            "Cet incident fait partie d’un autre",
            "La chute du NPS de {place} a la même cause qu’un autre incident, qui continue.",
        ),
        IncidentReason.SILENT: IncidentText(
            "Plus aucune réponse",
            "Il n’arrive plus de réponses de {place}. Leur rythme habituel n’explique pas une absence aussi longue.",
        ),
        IncidentReason.RECOVERED: IncidentText("Le NPS s’est rétabli", "Le NPS de {place} s’est rétabli."),
        IncidentReason.NEW_LEVEL: IncidentText(
            "Le NPS plus bas compte désormais comme habituel",
            french(
                "Rien ne montre avec certitude que le NPS de {place} s’est rétabli. Le niveau des dernières réponses "
                "compte désormais comme son niveau habituel."
            ),
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
    surveys={
        IncidentReason.RETIRED: IncidentText(
            "L’enquête n’est plus surveillée",
            "Depuis 90 jours, il n’y a pas eu de réponse de {place}, qui n’est donc plus surveillée.",
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
    root={
        IncidentReason.SILENT: IncidentText(
            "Plus aucune réponse",
            "Il n’arrive plus aucune réponse, d’aucun périmètre. Leur rythme habituel n’explique pas une absence aussi "
            "longue.",
        ),
        IncidentReason.ANSWERED_AGAIN: IncidentText(
            "Les réponses arrivent de nouveau",
            "Des réponses arrivent de nouveau, après une absence dans tous les périmètres.",
        ),
        IncidentReason.RETIRED: IncidentText(
            "Les réponses ne sont plus surveillées",
            "Depuis 90 jours, il n’y a eu aucune réponse. Leur absence n’est donc plus surveillée.",
        ),
    },
    mixed=IncidentText(
        "Le NPS est passé de {before} à {after}, car les réponses viennent d’ailleurs",
        french(
            "Le NPS de {first} est passé de {before} à {after}. La cause principale est que la répartition des "
            "réponses entre les périmètres au-dessous a changé. Le NPS a aussi chuté ici : {fallen}."
        ),
    ),
    surer=IncidentText(
        "L’ampleur de la chute est mieux connue",
        french(
            "Aucune nouvelle chute du NPS de {first} n’a été constatée. Mais de nouvelles réponses précisent l’ampleur "
            "de la chute : elle est plus grande qu’il n’était établi jusqu’ici."
        ),
    ),
    merged=IncidentText(
        "Cet incident fait partie d’un autre",
        "La chute du NPS de {place} a la même cause que l’incident qui concerne {other}. Celui-ci continue.",
    ),
    fell=IncidentText("Le NPS a chuté", "Le NPS de {place} a chuté."),
    over=IncidentText("L’incident est clos", "L’incident qui concernait {place} est clos."),
    something=IncidentText("Un incident vous est signalé", "Un incident vous est signalé, qui concerne {place}."),
    also="Avec",
    parts="Incidents regroupés ici",
    also_fell=french("Au même moment environ, il y a aussi eu une chute ici : {also}."),
    one_more="un autre",
    more="{count} autres",
    difference=french("D’où vient l’écart de {points} points entre les deux NPS ?"),
    within="Évolution des périmètres au-dessous",
    mix="Répartition des réponses entre eux",
    share="Part de {place}",
    moved=french("{after} % des réponses, contre {before} % avant"),
    goes_on="Continue comme",
    incident="{place} ({alert_id})",
    hidden=french(
        "Le NPS de {place} n’a guère changé, mais seulement parce que davantage de réponses viennent de périmètres où "
        "il est plus élevé."
    ),
    explains_one=french("Cette chute explique aussi celle de {ancestors}, qui n’a donc pas d’incident à part."),
    explains_several=french("Cette chute explique aussi celles de {ancestors}, qui n’ont donc pas d’incidents à part."),
    of_comma=", de ",
    of_and=" et de ",
    and_=" et ",
    facts="En bref",
    since="Depuis",
    began="Début de la chute",
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
    change="Évolution (estimation)",
    compared="Écart avec avant la chute",
    points="{points} points",
    interval=french("{value} (intervalle à 95 % : de {low} à {high})"),
    before="Avant (90 jours au plus)",
    after="Depuis lors",
    recovered="Réponses qui montrent le rétablissement",
    further="Depuis la nouvelle chute",
    further_began="Début de la nouvelle chute",
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
    everything="all answers",
    everywhere="all segments",
    survey="the survey {name}",
    of_source="the source {name}",
    resolved="Resolved",
    ends={
        IncidentReason.NEW_LEVEL: "Closed",
        IncidentReason.RETIRED: "Closed",
        IncidentReason.MERGED: "Merged",
    },
    updated="{severity}, updated",
    news={
        IncidentReason.NPS_FELL: IncidentText(
            "NPS fell from {before} to {after}", "The NPS of {first} fell from {before} to {after}."
        ),
        IncidentReason.MIX_CHANGED: IncidentText(
            "NPS fell from {before} to {after}, as answers come from elsewhere",
            "The NPS of {first} fell from {before} to {after}, but no segment below it clearly fell by three points or "
            "more: the shares of the answers that they get have changed.",
        ),
        IncidentReason.WIDER: IncidentText(
            "The drop is wider", "The drop that was reported to you is wider: it is about {place}."
        ),
        IncidentReason.DEEPER: IncidentText(
            "The cause of the drop is known better", "The drop that was reported to you comes from {place}."
        ),
        IncidentReason.WORSE: IncidentText(
            "NPS fell further",
            "Since the drop was reported to you, the NPS of {first} has fallen further.",
        ),
        IncidentReason.PARTLY_RECOVERED: IncidentText(
            "NPS has recovered in part",
            "The NPS has recovered in one of this incident's segments. It is still low here: {place}.",
        ),
        IncidentReason.MERGED: IncidentText(
            "This incident is part of another one",
            "The drop of {place} has the same cause as another incident, which goes on.",
        ),
        IncidentReason.SILENT: IncidentText(
            "No responses any more",
            "No responses come from {place} any more. Their usual rhythm does not explain such a long gap.",
        ),
        IncidentReason.RECOVERED: IncidentText("NPS has recovered", "The NPS of {place} has recovered."),
        IncidentReason.NEW_LEVEL: IncidentText(
            "The lower NPS counts as usual from now on",
            "Nothing shows for certain that the NPS of {place} has recovered. From now on, the level of its latest "
            "answers counts as its usual one.",
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
    surveys={
        IncidentReason.RETIRED: IncidentText(
            "Survey is no longer watched",
            "For 90 days there was no response from {place}, so the worker no longer watches it.",
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
    root={
        IncidentReason.SILENT: IncidentText(
            "No responses any more",
            "No responses come any more, from any segment. Their usual rhythm does not explain such a long gap.",
        ),
        IncidentReason.ANSWERED_AGAIN: IncidentText(
            "Responses are coming again", "Responses are coming again, after a gap in all segments."
        ),
        IncidentReason.RETIRED: IncidentText(
            "Responses are no longer watched",
            "For 90 days there was no response at all, so the worker no longer watches for a gap.",
        ),
    },
    mixed=IncidentText(
        "NPS fell from {before} to {after}, as answers come from elsewhere",
        "The NPS of {first} fell from {before} to {after}. The main cause is that the segments below it now have other "
        "shares of the answers. The NPS also fell here: {fallen}.",
    ),
    surer=IncidentText(
        "The size of the drop is known better",
        "No new fall of the NPS of {first} was found. But new answers show better how large the drop is: it is larger "
        "than was certain until now.",
    ),
    merged=IncidentText(
        "This incident is part of another one",
        "The drop of {place} has the same cause as the incident about {other}, which goes on.",
    ),
    fell=IncidentText("NPS fell", "The NPS of {place} fell."),
    over=IncidentText("Incident is over", "The incident that concerned {place} is over."),
    something=IncidentText("There is an incident", "There is an incident that concerns {place}."),
    also="Together with",
    parts="Merged incidents about",
    also_fell="At about the same time, the NPS also fell here: {also}.",
    one_more="1 more",
    more="{count} more",
    difference="What makes the difference of {points} points between the two NPS?",
    within="Changes of the segments below",
    mix="Their shares of the answers",
    share="Share of {place}",
    moved="{after}% of the answers, {before}% before",
    goes_on="Goes on as",
    incident="{place} ({alert_id})",
    hidden="The NPS of {place} has hardly changed, but only because more answers come from segments where it is "
    "higher.",
    explains_one="This drop also explains that of {ancestors}, which therefore has no incident of its own.",
    explains_several="This drop also explains those of {ancestors}, which therefore have no incidents of their own.",
    of_comma=", of ",
    of_and=" and of ",
    and_=" and ",
    facts="In short",
    since="Since",
    began="Drop began",
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
    change="Change (estimate)",
    compared="Compared with before the drop",
    points="{points} points",
    interval="{value} (95% interval: {low} to {high})",
    before="Before (at most 90 days)",
    after="Since then",
    recovered="Answers that show the recovery",
    further="Since the further fall",
    further_began="Further fall began",
    nps="NPS",
    indicative="{nps}, indicative",
    hint="“Indicative” means fewer than 30 answers. Such an NPS is no more than a hint: look at its interval.",
    answers="Answers",
    promoters="Promoters",
    passives="Passives",
    detractors="Detractors",
)

INCIDENT_WORDS: Mapping[Language, IncidentWords] = {"fr": _FRENCH, "en": _ENGLISH}
