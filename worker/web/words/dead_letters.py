"""The words of the pages of dead letters, in French and English: what was refused and why, and sending it corrected.

Each reason of a dead letter (schemas/dead_letter.py) has a sentence here, which a test checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.dead_letter import Reason
from worker.expectations import TIME
from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class DeadLetterWords:
    """The words of one language."""

    title: str
    hint: str
    reasons: Mapping[str, str]  # why a record was refused, by the stable word
    when: str
    reason: str
    every_reason: str
    detail: str
    #: What a field must be, by what a dead letter says of it. What is missing here is shown as the dead letter has it.
    expectations: Mapping[str, str]
    more: str  # {n}: the number of problems that are not shown
    of_answer: str  # {number} {all} {problem}: of which answer of a delivery it is
    place: str
    partition: str
    offset: str
    delivery: str  # {source}: it came by HTTP
    key: str
    no_key: str
    payload: str
    no_payload: str
    truncated: str  # {shown} {bytes}
    hidden: str
    open: str
    back: str
    none: str
    none_found: str
    correct: str
    correct_hint: str
    example: str  # what opens an example of an answer
    not_sent: str  # the title after an answer that would be refused again
    corrected: str
    send: str
    cannot: Mapping[str, str]  # why it cannot be sent corrected
    wrong: str  # {reason} {detail}
    sent: str
    became: str  # a link to the decision about what was sent


_ENGLISH = DeadLetterWords(
    title="Refused records",
    hint="What could not be accepted, and why. An answer can be sent again once it is corrected.",
    reasons={
        Reason.TOO_LARGE: "It is too large.",
        Reason.NO_KEY: "It does not say which customer it is about.",
        Reason.INVALID_UTF8: "It has bytes that are no text (UTF-8).",
        Reason.NOT_JSON: "It is no JSON: a comma, a quotation mark or a bracket may be missing.",
        Reason.TOO_DEEP: "It has too many brackets inside each other.",
        Reason.NOT_AN_OBJECT: "It is JSON, but not one object with names and values.",
        Reason.MISSING_FIELD: "Something is missing that is needed.",
        Reason.WRONG_TYPE: "A value is of the wrong kind, such as a text in place of a number.",
        Reason.OUT_OF_RANGE: "A number or a time lies outside what is allowed.",
        Reason.SCORE_NOT_INTEGER: "The score is no whole number.",
        Reason.SCORE_OUT_OF_RANGE: "The score does not lie between 0 and 10.",
        Reason.ID_EMPTY: "A number of a customer, a survey or an answer is empty.",
        Reason.ID_TOO_LONG: "A number of a customer, a survey or an answer is too long.",
        Reason.ID_CONTROL_CHARACTER: "A number of a customer, a survey or an answer has invisible characters.",
        Reason.SEGMENT_INVALID: "The segment is not a list of names.",
        Reason.TIME_INVALID: "A time is none, or is not written as it must be.",
        Reason.TIME_NAIVE: "A time does not say in which time zone it is.",
        Reason.TIME_FUTURE: "The answer is said to have been given in the future.",
        Reason.ENVELOPE_INVALID: "The envelope of the event (CloudEvents) is wrong.",
        Reason.ALERT_UNKNOWN: "A command was about an alert that is not known, or not any more.",
        Reason.CASE_OPEN: "A case was to be reopened that is open.",
        Reason.CASE_RESOLVED: "A command was about a case that is resolved.",
        Reason.CASE_WITHDRAWN: "A command was about a case whose alert was withdrawn.",
        Reason.CASE_REOPENED: "A command was about a case that was reopened in the meantime.",
        Reason.ACKNOWLEDGED_BY_ANOTHER: "Somebody else had already taken care of the case.",
        Reason.CAUSE_MISSING: "A case was to be resolved without a cause, and a cause is required.",
        Reason.CAUSE_UNKNOWN: "A case was to be resolved with a cause that is not in the settings.",
        Reason.SILENCE_UNKNOWN: "A command was about a silence that is not known.",
        Reason.SILENCE_OVER: "A command was about a silence that is over.",
        Reason.TIME_PAST: "A silence was to end at a time that is past.",
        Reason.TOO_MANY_SILENCES: "There were too many silences already.",
        Reason.SERVICE_LEVEL_UNKNOWN: "A command named a service level that is not in the settings.",
        Reason.NOT_NPS_SCALE: "The survey tool delivered a number that is not known to be on a scale from 0 to 10.",
        Reason.NO_PSEUDONYM_KEY: "Only the customer’s e-mail address is known, and no key turns it into a number.",
        Reason.MAPPING_FAILED: "The settings say where the values are, and this delivery does not have them there.",
        Reason.NOT_OF_THIS_TOOL: "It does not look like what this survey tool sends.",
        Reason.ANSWER_GONE: "The survey tool does not have the answer any more.",
        Reason.NOT_FETCHED: "The survey tool has not given the answer, although it was asked for days.",
        Reason.SOURCE_UNKNOWN: "It came from a source that is not in the settings any more.",
    },
    when="When",
    reason="Why",
    every_reason="every reason",
    detail="In detail",
    expectations={
        "is missing": "is missing",
        "is missing, and anonymous is not true": "is missing, and anonymous is not true",
    },
    more="and {n} more",
    of_answer="answer {number} of {all}: {problem}",
    place="Where it was",
    partition="Partition",
    offset="Offset",
    delivery="delivered by the survey tool {source}",
    key="Customer (key)",
    no_key="none",
    payload="What it said",
    no_payload="nothing: the record had no value",
    truncated="Only the first {shown} of {bytes} bytes were kept.",
    hidden="You may not see what customers have said.",
    open="Look at it",
    back="All refused records",
    none="Nothing was refused, as far back as this page knows.",
    none_found="Nothing was refused for this reason.",
    correct="Send it again, corrected",
    correct_hint=(
        "Correct the text, and send it. It is treated like an answer that has just come, and whoever should be told is "
        "told. Your name is written down."
    ),
    example="What an answer needs at least, as an example",
    not_sent="Not sent",
    corrected="The corrected answer",
    send="Send it again",
    cannot={
        "delivered": (
            "It cannot be sent again here, because a survey tool has delivered it. Correct it in the tool, and let the "
            "tool deliver it again."
        ),
        "not_response": "Only refused answers can be sent again here, and this is something else.",
        "truncated": "It cannot be sent again here, because only its beginning was kept.",
        "no_payload": "It cannot be sent again here, because it had no value.",
        "not_permitted": "Only administrators can send it again, corrected.",
    },
    wrong="It was not sent, because it would be refused again. {reason} {detail}",
    sent="It was sent again. In a moment, you can see what was decided about it.",
    became="See what became of it",
)

_FRENCH = DeadLetterWords(
    title="Réponses refusées",
    hint=french("Ce qui n’a pas pu être accepté, et pourquoi. Une réponse peut être renvoyée une fois corrigée."),
    reasons={
        Reason.TOO_LARGE: "L’envoi est trop grand.",
        Reason.NO_KEY: "L’envoi ne dit pas de quel client il s’agit.",
        Reason.INVALID_UTF8: "L’envoi contient des octets qui ne sont pas du texte (UTF-8).",
        Reason.NOT_JSON: french(
            "L’envoi n’est pas du JSON : il manque peut-être une virgule, un guillemet ou un crochet."
        ),
        Reason.TOO_DEEP: "L’envoi a trop de crochets imbriqués.",
        Reason.NOT_AN_OBJECT: "L’envoi est du JSON, mais pas un objet avec des noms et des valeurs.",
        Reason.MISSING_FIELD: "Il manque quelque chose d’indispensable.",
        Reason.WRONG_TYPE: "Une valeur n’est pas du bon type, par exemple un texte à la place d’un nombre.",
        Reason.OUT_OF_RANGE: "Un nombre ou une date est hors de ce qui est permis.",
        Reason.SCORE_NOT_INTEGER: "La note n’est pas un nombre entier.",
        Reason.SCORE_OUT_OF_RANGE: "La note n’est pas entre 0 et 10.",
        Reason.ID_EMPTY: "Un numéro de client, d’enquête ou de réponse est vide.",
        Reason.ID_TOO_LONG: "Un numéro de client, d’enquête ou de réponse est trop long.",
        Reason.ID_CONTROL_CHARACTER: "Un numéro de client, d’enquête ou de réponse a des caractères invisibles.",
        Reason.SEGMENT_INVALID: "Le périmètre n’est pas une liste de noms.",
        Reason.TIME_INVALID: "Une date n’en est pas une, ou n’est pas écrite comme il faut.",
        Reason.TIME_NAIVE: "Une date ne dit pas dans quel fuseau horaire elle est.",
        Reason.TIME_FUTURE: "La réponse aurait été donnée dans l’avenir.",
        Reason.ENVELOPE_INVALID: "L’enveloppe de l’événement (CloudEvents) est fausse.",
        Reason.ALERT_UNKNOWN: "Une commande concernait une alerte qui n’est pas connue, ou ne l’est plus.",
        Reason.CASE_OPEN: "Un dossier devait être rouvert alors qu’il est ouvert.",
        Reason.CASE_RESOLVED: "Une commande concernait un dossier clos.",
        Reason.CASE_WITHDRAWN: "Une commande concernait un dossier dont l’alerte a été levée.",
        Reason.CASE_REOPENED: "Une commande concernait un dossier rouvert entre-temps.",
        Reason.ACKNOWLEDGED_BY_ANOTHER: "Quelqu’un d’autre s’occupait déjà du dossier.",
        Reason.CAUSE_MISSING: "Un dossier devait être clos sans cause, alors qu’une cause est exigée.",
        Reason.CAUSE_UNKNOWN: "Un dossier devait être clos avec une cause qui n’est pas dans la configuration.",
        Reason.SILENCE_UNKNOWN: "Une commande concernait un silence inconnu.",
        Reason.SILENCE_OVER: "Une commande concernait un silence terminé.",
        Reason.TIME_PAST: "Un silence devait finir à une date passée.",
        Reason.TOO_MANY_SILENCES: "Il y avait déjà trop de silences.",
        Reason.SERVICE_LEVEL_UNKNOWN: (
            "Une commande nommait un niveau de service qui n’est pas dans la configuration."
        ),
        Reason.NOT_NPS_SCALE: (
            "L’outil d’enquête a livré un nombre dont on ne sait pas s’il est sur une échelle de 0 à 10."
        ),
        Reason.NO_PSEUDONYM_KEY: (
            "Seule l’adresse e-mail du client est connue, et aucune clé n’en fait un numéro de client."
        ),
        Reason.MAPPING_FAILED: french(
            "La configuration dit où sont les valeurs, et cette livraison ne les a pas à cet endroit."
        ),
        Reason.NOT_OF_THIS_TOOL: "Cela ne ressemble pas à ce qu’envoie cet outil d’enquête.",
        Reason.ANSWER_GONE: "L’outil d’enquête n’a plus la réponse.",
        Reason.NOT_FETCHED: "L’outil d’enquête n’a pas donné la réponse, demandée pendant des jours.",
        Reason.SOURCE_UNKNOWN: "L’envoi vient d’une source qui n’est plus dans la configuration.",
    },
    when="Quand",
    reason="Pourquoi",
    every_reason="toutes les raisons",
    detail="En détail",
    expectations={
        "is missing": "manque",
        "is missing, and anonymous is not true": "manque, et anonymous n’a pas la valeur true",
        "must not be empty": "ne doit pas être vide",
        "must not be empty, unless anonymous is true": "ne doit pas être vide, sauf si anonymous a la valeur true",
        "must have no control characters": "ne doit pas avoir de caractères de contrôle",
        "expected a whole number from 0 to 10": "doit être un nombre entier de 0 à 10",
        "expected a text": "doit être un texte",
        "expected a text or a whole number": "doit être un texte ou un nombre entier",
        "expected true or false": "doit être true ou false",
        "expected an object": "doit être un objet",
        "must be a whole number": "doit être un nombre entier",
        "must be a number": "doit être un nombre",
        'expected a list of names, such as ["fr", "lyon"]': ('doit être une liste de noms, par exemple ["fr", "lyon"]'),
        f"must be {TIME}": (
            "doit être une date avec son décalage, par exemple 2026-03-02T09:14:05+01:00 ou 2026-03-02T08:14:05Z"
        ),
        "has no time zone; expected one as in 2026-03-02T09:14:05+01:00 or 2026-03-02T08:14:05Z": (
            "n’a pas de fuseau horaire, comme dans 2026-03-02T09:14:05+01:00 ou 2026-03-02T08:14:05Z"
        ),
        "is before 1970": "est avant 1970",
    },
    more="et {n} de plus",
    of_answer=french("réponse {number} sur {all} : {problem}"),
    place="Où c’était",
    partition="Partition",
    offset="Offset",
    delivery="livré par l’outil d’enquête {source}",
    key="Client (clé)",
    no_key="aucun",
    payload="Ce qui était dit",
    no_payload=french("rien : l’enregistrement n’avait pas de valeur"),
    truncated="Seuls les {shown} premiers octets sur {bytes} ont été gardés.",
    hidden="Vous n’avez pas le droit de voir ce que les clients ont dit.",
    open="Voir",
    back="Toutes les réponses refusées",
    none="Rien n’a été refusé, aussi loin que cette page remonte.",
    none_found="Rien n’a été refusé pour cette raison.",
    correct="Renvoyer après correction",
    correct_hint=french(
        "Corrigez le texte et renvoyez-le. Il est traité comme une réponse qui vient d’arriver : les personnes à "
        "prévenir le sont. Votre nom est noté."
    ),
    example="Un exemple du minimum dont une réponse a besoin",
    not_sent="Rien n’a été envoyé",
    corrected="La réponse corrigée",
    send="Renvoyer",
    cannot={
        "delivered": (
            "Renvoyer n’est pas possible ici, car cet envoi vient d’un outil d’enquête. Corrigez la réponse dans "
            "l’outil, et faites-la livrer à nouveau."
        ),
        "not_response": "Seules les réponses refusées peuvent être renvoyées ici, et ceci est autre chose.",
        "truncated": "Renvoyer n’est pas possible ici, car seul le début a été gardé.",
        "no_payload": "Renvoyer n’est pas possible ici, car il n’y avait pas de valeur.",
        "not_permitted": "Seuls les administrateurs peuvent corriger et renvoyer.",
    },
    wrong="Rien n’a été envoyé, car ce serait à nouveau refusé. {reason} {detail}",
    sent="C’est renvoyé. Dans un instant, vous pourrez voir ce qui a été décidé.",
    became="Voir ce qu’il en est advenu",
)

DEAD_LETTER_WORDS: Mapping[Language, DeadLetterWords] = {"fr": _FRENCH, "en": _ENGLISH}
