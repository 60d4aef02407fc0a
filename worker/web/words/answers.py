"""The words of the page of answers, in French and English: why somebody was told about an answer, or why nobody was.

Each word that the worker gives as a reason (worker/metrics/words.py) has a sentence here, which a test checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.alert import AlertReason
from schemas.decision import Category, Outcome
from worker.flow.responses.facts import NONE
from worker.notify.content.typography import french
from worker.routing.receiver import Language

#: A rule, its verdict, and its reason.
Ruled = tuple[str, str, str]

_ALERT, _INVITATION, _GAMING, _BURST = "detractor_alert", "review_invitation", "suspect_gaming", "burst"
_OPENED, _UPDATED, _WITHDRAWN = "alert_opened", "alert_updated", "alert_withdrawn"


@dataclass(frozen=True)
class AnswerWords:
    """The words of one language."""

    title: str
    hint: str
    rules: Mapping[str, str]  # what each rule is about
    #: What a rule has decided and why, as a sentence.
    sentences: Mapping[Ruled, str]
    other: str  # for a reason that this version does not know; {rule} {verdict} {reason}
    outcomes: Mapping[str, str]  # what became of the record, in a word or two
    outcome_sentences: Mapping[str, str]  # why it changed nothing, or what it changed
    figures: Mapping[str, str]  # {n}, by the name of a figure
    categories: Mapping[str, str]
    when: str
    segment: str
    score: str
    score_of: str  # {score}
    customer: str
    response: str
    decided: str
    all_rules: str
    category: str
    every_category: str
    outcome: str
    every_outcome: str
    told: str
    everything: str
    untold: str
    case: str
    search: str
    search_hint: str
    searched: str  # the title of what was found
    of_decision: str  # the title of what was decided about one record
    no_decision: str
    all_answers: str
    nothing: str
    nothing_found: str
    search_over: str  # in place of what a search has found, if the browser does not know any more what it was
    no_search: str
    kept: str  # {n} {since}


_ENGLISH = AnswerWords(
    title="Latest answers",
    hint="What was decided about each answer, and why: who was told, or why nobody was.",
    rules={
        _ALERT: "Alert",
        _INVITATION: "Invitation to a review",
        _GAMING: "Who asked for the answer",
        _BURST: "Answers in quick succession",
    },
    sentences={
        (_ALERT, _OPENED, AlertReason.DETRACTOR): "An alert was opened, because the customer is unhappy (0 to 6).",
        (_ALERT, _UPDATED, AlertReason.COMMENT_ADDED): "The alert was updated, because the customer added a comment.",
        (_ALERT, _UPDATED, AlertReason.COMMENT_CHANGED): "The alert was updated, because the comment has changed.",
        (_ALERT, _UPDATED, AlertReason.CONSENT_CHANGED): (
            "The alert was updated, because the customer has changed whether they may be called or written to."
        ),
        (_ALERT, _UPDATED, AlertReason.CORRECTED): "The alert was updated, because the answer was corrected.",
        (_ALERT, _WITHDRAWN, AlertReason.NO_LONGER_DETRACTOR): (
            "The alert was withdrawn, because the corrected answer is not that of an unhappy customer."
        ),
        (_ALERT, _WITHDRAWN, AlertReason.SUSPECT_SCANNER): (
            "The alert was withdrawn, because a program that checks mails gave the answer, and not the customer."
        ),
        (_ALERT, _WITHDRAWN, AlertReason.MOVED): (
            "The alert was withdrawn, because the answer turned out to be another customer’s."
        ),
        (_ALERT, NONE, "not_detractor"): "Nobody was told, because the customer is not unhappy (7 or more).",
        (_ALERT, NONE, "test"): "Nobody was told, because this is a trial answer.",
        (_ALERT, NONE, "history"): "Nobody was told, because this is an answer of the past that was imported.",
        (_ALERT, NONE, "too_old"): (
            "Nobody was told, because the answer was already too old to call the customer when it arrived."
        ),
        (_ALERT, NONE, "alert_open"): (
            "Nobody was told again, because an alert is open about another answer that the customer gave just before."
        ),
        (_ALERT, NONE, Outcome.DOUBLE_CLICK): (
            "Nobody was told, because the customer clicked twice, and the other answer counts."
        ),
        (_ALERT, NONE, Outcome.SUSPECT_SCANNER): (
            "Nobody was told, because a program that checks mails seems to have given the answer, and not the customer."
        ),
        (_INVITATION, "invited", Category.PROMOTER): "The customer may be invited, and is happy (9 or 10).",
        (_INVITATION, "invited", Category.PASSIVE): "The customer may be invited: on this platform, everybody is.",
        (_INVITATION, "invited", Category.DETRACTOR): "The customer may be invited: on this platform, everybody is.",
        (_INVITATION, NONE, "test"): "No invitation, because this is a trial answer.",
        (_INVITATION, NONE, "history"): "No invitation, because this is an answer of the past that was imported.",
        (_INVITATION, NONE, "not_promoter"): "No invitation, because only happy customers (9 or 10) are invited.",
        (_INVITATION, NONE, "no_consent"): "No invitation, because the customer has not agreed to one.",
        (_INVITATION, NONE, "no_address"): "No invitation, because the customer’s e-mail address is not known.",
        (_INVITATION, NONE, "no_url"): "No invitation, because it is not set up where customers are invited to.",
        (_INVITATION, NONE, "too_old"): "No invitation, because the answer was too old when it arrived.",
        (_INVITATION, NONE, "quarantine"): "No invitation, because the customer was invited not long ago.",
        (_INVITATION, NONE, Outcome.DOUBLE_CLICK): "No invitation, because the customer clicked twice.",
        (_INVITATION, NONE, Outcome.SUSPECT_SCANNER): (
            "No invitation, because a program that checks mails seems to have given the answer."
        ),
        (_GAMING, "marked", "asked_by_whom_it_judges"): (
            "A question to ask: the person or team that the answer is about has asked for it, right after a contact."
        ),
        (_GAMING, NONE, "nobody_asked"): "Nothing says that a person asked for the answer.",
        (_GAMING, NONE, "another_asked"): "Somebody asked for the answer who is not judged by it.",
        (_GAMING, NONE, "no_contact"): "It is not known when the customer last had contact with whoever asked.",
        (_GAMING, NONE, "not_right_after"): "The answer was not given right after a contact.",
        (_BURST, "counted", "shared_id"): (
            "Counted, because so many answers in so short a time come from many people with the same customer number."
        ),
        (_BURST, "counted", "suspect_scanner"): (
            "Counted, although others just before it do not count any more: a program that checks mails seems to have "
            "given those."
        ),
        (_BURST, "not_counted", Outcome.DOUBLE_CLICK): "Not counted, because the customer clicked twice.",
        (_BURST, "not_counted", Outcome.SUSPECT_SCANNER): (
            "Not counted, because a program that checks mails seems to have opened every link of the survey."
        ),
    },
    other="{rule}: {verdict}, because of {reason}.",
    outcomes={
        Outcome.ACCEPTED: "counted",
        Outcome.REVISED: "corrected",
        Outcome.DUPLICATE: "repeat",
        Outcome.DIFFERS: "contradiction",
        Outcome.SUPERSEDED: "outdated",
        Outcome.TEST: "trial",
        Outcome.DOUBLE_CLICK: "clicked twice",
        Outcome.SUSPECT_SCANNER: "mail program",
        Outcome.FORGOTTEN: "too late to correct",
        Outcome.MOVED: "moved",
        Outcome.ERASED: "erased",
    },
    outcome_sentences={
        Outcome.ACCEPTED: "The answer counts.",
        Outcome.REVISED: "The answer replaces what the customer had said before.",
        Outcome.DUPLICATE: "Nothing has changed, because the same answer had already come.",
        Outcome.DIFFERS: (
            "Nothing has changed, because the same answer had already come with another content and no higher revision."
        ),
        Outcome.SUPERSEDED: "Nothing has changed, because a newer version of the answer had already come.",
        Outcome.TEST: "A trial answer, which does not count.",
        Outcome.DOUBLE_CLICK: "The answer does not count, because the customer clicked twice.",
        Outcome.SUSPECT_SCANNER: (
            "The answer does not count, because a program that checks mails seems to have given it."
        ),
        Outcome.FORGOTTEN: "Nothing has changed, because the answer that this one corrects is not known any more.",
        Outcome.MOVED: "The answer was moved, because it turned out to be another customer’s.",
        Outcome.ERASED: "The customer asked to be forgotten: what was kept about them is erased.",
    },
    figures={
        "minutes_after_contact": "minutes after the contact: {n}",
        "answers": "answers: {n}",
        "different_scores": "different scores: {n}",
        "seconds": "seconds between the first and the last: {n}",
    },
    categories={Category.PROMOTER: "happy", Category.PASSIVE: "in between", Category.DETRACTOR: "unhappy"},
    when="When",
    segment="Segment",
    score="Score",
    score_of="{score} out of 10",
    customer="Customer",
    response="Answer",
    decided="What was decided, and why",
    all_rules="Everything that was decided",
    category="Customers",
    every_category="all",
    outcome="What became of it",
    every_outcome="anything",
    told="Alerts",
    everything="with or without an alert",
    untold="unhappy, and nobody was told",
    case="Go to the case",
    search="Search for a customer or an answer",
    search_hint="The customer number or the number of the answer, as the survey tool has it",
    searched="What was found",
    of_decision="What was decided about this answer",
    no_decision=(
        "It is not decided yet, or this page does not know the decision. This page shows it as soon as it is known. If "
        "the answer was refused again, it is one of the “Refused records”."
    ),
    all_answers="All latest answers",
    nothing="No answers yet.",
    search_over="This address does not say what was searched for. Search for it again.",
    nothing_found=(
        "Nothing was found. The number must be complete. Perhaps the answer is older than what this page keeps, or it "
        "was refused: look among the refused records."
    ),
    no_search="You may not search for customers.",
    kept="This page keeps the latest answers only: {n}, since {since}.",
)

_FRENCH = AnswerWords(
    title="Dernières réponses",
    hint=french("Ce qui a été décidé pour chaque réponse, et pourquoi : qui a été prévenu, ou pourquoi personne."),
    rules={
        _ALERT: "Alerte",
        _INVITATION: "Invitation à donner un avis",
        _GAMING: "Qui a demandé la réponse",
        _BURST: "Réponses coup sur coup",
    },
    sentences={
        (_ALERT, _OPENED, AlertReason.DETRACTOR): "Une alerte a été ouverte, car le client est mécontent (0 à 6).",
        (_ALERT, _UPDATED, AlertReason.COMMENT_ADDED): (
            "L’alerte a été mise à jour, car le client a ajouté un commentaire."
        ),
        (_ALERT, _UPDATED, AlertReason.COMMENT_CHANGED): "L’alerte a été mise à jour, car le commentaire a changé.",
        (_ALERT, _UPDATED, AlertReason.CONSENT_CHANGED): (
            "L’alerte a été mise à jour, car le client accepte ou n’accepte plus d’être contacté."
        ),
        (_ALERT, _UPDATED, AlertReason.CORRECTED): "L’alerte a été mise à jour, car la réponse a été corrigée.",
        (_ALERT, _WITHDRAWN, AlertReason.NO_LONGER_DETRACTOR): (
            "L’alerte a été levée, car la réponse corrigée n’est pas celle d’un client mécontent."
        ),
        (_ALERT, _WITHDRAWN, AlertReason.SUSPECT_SCANNER): (
            "L’alerte a été levée, car la réponse vient d’un logiciel qui analyse les e-mails, et non du client."
        ),
        (_ALERT, _WITHDRAWN, AlertReason.MOVED): (
            "L’alerte a été levée, car la réponse s’est révélée être celle d’un autre client."
        ),
        (_ALERT, NONE, "not_detractor"): "Personne n’a été prévenu, car le client n’est pas mécontent (7 ou plus).",
        (_ALERT, NONE, "test"): "Personne n’a été prévenu, car c’est une réponse d’essai.",
        (_ALERT, NONE, "history"): "Personne n’a été prévenu, car c’est une ancienne réponse qui a été importée.",
        (_ALERT, NONE, "too_old"): (
            "Personne n’a été prévenu, car la réponse était déjà trop ancienne à son arrivée pour rappeler le client."
        ),
        (_ALERT, NONE, "alert_open"): (
            "Personne n’a été prévenu une seconde fois, car une alerte est ouverte sur une autre réponse que le client "
            "venait de donner."
        ),
        (_ALERT, NONE, Outcome.DOUBLE_CLICK): (
            "Personne n’a été prévenu, car le client a cliqué deux fois, et c’est l’autre réponse qui compte."
        ),
        (_ALERT, NONE, Outcome.SUSPECT_SCANNER): (
            "Personne n’a été prévenu, car la réponse semble venir d’un logiciel qui analyse les e-mails, et non du "
            "client."
        ),
        (_INVITATION, "invited", Category.PROMOTER): "Le client peut être invité, et il est satisfait (9 ou 10).",
        (_INVITATION, "invited", Category.PASSIVE): french(
            "Le client peut être invité : sur cette plateforme, tous le sont."
        ),
        (_INVITATION, "invited", Category.DETRACTOR): french(
            "Le client peut être invité : sur cette plateforme, tous le sont."
        ),
        (_INVITATION, NONE, "test"): "Pas d’invitation, car c’est une réponse d’essai.",
        (_INVITATION, NONE, "history"): "Pas d’invitation, car c’est une ancienne réponse qui a été importée.",
        (_INVITATION, NONE, "not_promoter"): (
            "Pas d’invitation, car seuls les clients satisfaits (9 ou 10) sont invités."
        ),
        (_INVITATION, NONE, "no_consent"): "Pas d’invitation, car le client n’a pas donné son accord.",
        (_INVITATION, NONE, "no_address"): "Pas d’invitation, car l’adresse e-mail du client n’est pas connue.",
        (_INVITATION, NONE, "no_url"): "Pas d’invitation, car l’adresse où inviter les clients n’est pas configurée.",
        (_INVITATION, NONE, "too_old"): "Pas d’invitation, car la réponse était trop ancienne à son arrivée.",
        (_INVITATION, NONE, "quarantine"): "Pas d’invitation, car le client a été invité il y a peu.",
        (_INVITATION, NONE, Outcome.DOUBLE_CLICK): "Pas d’invitation, car le client a cliqué deux fois.",
        (_INVITATION, NONE, Outcome.SUSPECT_SCANNER): (
            "Pas d’invitation, car la réponse semble venir d’un logiciel qui analyse les e-mails."
        ),
        (_GAMING, "marked", "asked_by_whom_it_judges"): french(
            "Une question à poser : la personne ou l’équipe que la réponse évalue l’a demandée, juste après un contact."
        ),
        (_GAMING, NONE, "nobody_asked"): "Rien n’indique que quelqu’un a demandé la réponse.",
        (_GAMING, NONE, "another_asked"): "La réponse a été demandée par quelqu’un qu’elle n’évalue pas.",
        (_GAMING, NONE, "no_contact"): (
            "On ne sait pas quand le client a eu son dernier contact avec la personne qui a demandé."
        ),
        (_GAMING, NONE, "not_right_after"): "La réponse n’a pas été donnée juste après un contact.",
        (_BURST, "counted", "shared_id"): (
            "Comptée, car tant de réponses en si peu de temps viennent de plusieurs personnes sous le même numéro de "
            "client."
        ),
        (_BURST, "counted", "suspect_scanner"): french(
            "Comptée, alors que d’autres juste avant ne comptent plus : elles semblent venir d’un logiciel qui analyse "
            "les e-mails."
        ),
        (_BURST, "not_counted", Outcome.DOUBLE_CLICK): "Non comptée, car le client a cliqué deux fois.",
        (_BURST, "not_counted", Outcome.SUSPECT_SCANNER): (
            "Non comptée, car un logiciel qui analyse les e-mails semble avoir ouvert tous les liens de l’enquête."
        ),
    },
    other=french("{rule} : {verdict}, en raison de {reason}."),
    outcomes={
        Outcome.ACCEPTED: "comptée",
        Outcome.REVISED: "corrigée",
        Outcome.DUPLICATE: "répétée",
        Outcome.DIFFERS: "contradictoire",
        Outcome.SUPERSEDED: "dépassée",
        Outcome.TEST: "essai",
        Outcome.DOUBLE_CLICK: "double clic",
        Outcome.SUSPECT_SCANNER: "logiciel d’e-mails",
        Outcome.FORGOTTEN: "correction trop tardive",
        Outcome.MOVED: "déplacée",
        Outcome.ERASED: "effacée",
    },
    outcome_sentences={
        Outcome.ACCEPTED: "La réponse compte.",
        Outcome.REVISED: "La réponse remplace ce que le client avait dit auparavant.",
        Outcome.DUPLICATE: "Rien n’a changé, car la même réponse était déjà arrivée.",
        Outcome.DIFFERS: (
            "Rien n’a changé, car la même réponse était déjà arrivée avec un autre contenu, sans révision plus élevée."
        ),
        Outcome.SUPERSEDED: "Rien n’a changé, car une version plus récente de la réponse était déjà arrivée.",
        Outcome.TEST: "Une réponse d’essai, qui ne compte pas.",
        Outcome.DOUBLE_CLICK: "La réponse ne compte pas, car le client a cliqué deux fois.",
        Outcome.SUSPECT_SCANNER: (
            "La réponse ne compte pas, car elle semble venir d’un logiciel qui analyse les e-mails, et non du client."
        ),
        Outcome.FORGOTTEN: "Rien n’a changé, car la réponse que celle-ci corrige n’est plus connue.",
        Outcome.MOVED: "La réponse a été déplacée, car elle s’est révélée être celle d’un autre client.",
        Outcome.ERASED: french("Le client a demandé à être oublié : ce qui était gardé à son sujet est effacé."),
    },
    figures={
        "minutes_after_contact": french("minutes après le contact : {n}"),
        "answers": french("réponses : {n}"),
        "different_scores": french("notes différentes : {n}"),
        "seconds": french("secondes entre la première et la dernière : {n}"),
    },
    categories={Category.PROMOTER: "satisfait", Category.PASSIVE: "neutre", Category.DETRACTOR: "mécontent"},
    when="Quand",
    segment="Périmètre",
    score="Note",
    score_of="{score} sur 10",
    customer="Client",
    response="Réponse",
    decided="Ce qui a été décidé, et pourquoi",
    all_rules="Tout ce qui a été décidé",
    category="Clients",
    every_category="tous",
    outcome="Ce qu’elle est devenue",
    every_outcome="peu importe",
    told="Alertes",
    everything="avec ou sans alerte",
    untold="mécontent, et personne n’a été prévenu",
    case="Voir le dossier",
    search="Chercher un client ou une réponse",
    search_hint="Le numéro du client ou celui de la réponse, tel que l’outil d’enquête le connaît",
    searched="Ce qui a été trouvé",
    of_decision="Ce qui a été décidé pour cette réponse",
    no_decision=french(
        "Rien n’est encore décidé, ou cette page ne connaît pas la décision. Elle l’affiche dès qu’elle est connue. Si "
        "la réponse a été refusée à nouveau, elle est parmi les « Réponses refusées »."
    ),
    all_answers="Toutes les dernières réponses",
    nothing="Pas encore de réponse.",
    search_over="Cette adresse ne dit pas ce qui était recherché. Cherchez à nouveau.",
    nothing_found=french(
        "Rien n’a été trouvé. Le numéro doit être complet. La réponse est peut-être plus ancienne que ce que cette "
        "page garde, ou elle a été refusée : regardez parmi les réponses refusées."
    ),
    no_search="Vous n’avez pas le droit de chercher des clients.",
    kept=french("Cette page ne garde que les dernières réponses : {n}, depuis le {since}."),
)

ANSWER_WORDS: Mapping[Language, AnswerWords] = {"fr": _FRENCH, "en": _ENGLISH}
