"""The words of the pages of deliveries and digests, in French and English: what became of a message, and why.

Each reason in the delivery log, or the class that it belongs to (worker/metrics/words.py), has words here, which a test
checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.alert import AlertAction
from schemas.case import CaseAction
from schemas.delivery import DeliveryStatus
from worker.notify import deliveries, planning
from worker.notify.content.typography import french
from worker.notify.receiver_plan import Why
from worker.routing.receiver import Language
from worker.routing.routing import Nobody


@dataclass(frozen=True)
class DeliveryWords:
    """The words of one language."""

    title: str
    hint: str
    statuses: Mapping[str, str]
    reasons: Mapping[str, str]  # by the class of the reason
    gave_up: str  # {reason}
    other: str  # {reason}
    channels: Mapping[str, str]
    when: str
    status: str
    every_status: str
    channel: str
    every_channel: str
    receiver: str
    every_receiver: str
    no_receiver: str
    about: str
    alert: str
    incident: str
    digest: str
    route: str
    attempt: str  # {n}
    next_attempt: str  # {when}
    open: str
    back: str
    one: str
    steps: str
    none: str
    none_found: str
    kept: str
    digests: str
    digests_hint: str
    members: str
    member_count: tuple[str, str]
    no_digests: str
    waiting: str
    back_to_digests: str
    no_members: str


_ENGLISH = DeliveryWords(
    title="Messages",
    hint="What became of each message about an alert or an incident, attempt by attempt.",
    statuses={
        DeliveryStatus.PENDING: "planned",
        DeliveryStatus.SENT: "sent",
        DeliveryStatus.DEFERRED: "waiting",
        DeliveryStatus.FAILED: "failed",
        DeliveryStatus.CANCELLED: "not needed",
        DeliveryStatus.NOBODY: "to nobody",
    },
    reasons={
        "planned": "It was planned.",
        deliveries.RELEASED: "It goes out alone, and not in a digest.",
        "accepted": "The receiver’s server has accepted it.",
        deliveries.IN_DIGEST: "It was in a digest.",
        deliveries.COUNTED_IN_DIGEST: "A digest has counted it, but was too long to list it.",
        Why.CAPPED: "The receiver has got enough messages for now, so it comes in a digest.",
        Why.INHIBITED: "An incident about the segment is open, so it comes in a digest.",
        Why.GROUPED: "It comes in a digest with others.",
        Why.QUIET_HOURS: "The receiver does not work at this time.",
        deliveries.SILENCED: "A silence holds it back.",
        deliveries.HANDED_OVER: "It waits until it is decided whether it comes in a digest.",
        "smtp_4xx": "The mail server has refused it for the moment.",
        "smtp_5xx": "The mail server has refused it.",
        "http_3xx": "The receiver’s server has sent it elsewhere.",
        "http_4xx": "The receiver’s server has refused it.",
        "http_5xx": "The receiver’s server is in trouble.",
        "timeout": "The server has not answered in time.",
        "disconnected": "The connection to the server broke.",
        "refused": "The server has refused the connection.",
        "name_not_found": "The name of the server is not known.",
        "protocol_error": "The server has answered in a way that cannot be understood.",
        "tls_failed": "The connection to the server could not be encrypted.",
        "starttls_missing": "The mail server does not offer encryption.",
        "auth_refused": "The server has refused the login.",
        "recipients_refused_partly": "The mail server has refused some of the addresses.",
        planning.TOO_MANY_WAITING: "Too many messages about this customer or segment were waiting.",
        "letter_lost": "Its content is lost.",
        AlertAction.WITHDRAWN: "The alert was withdrawn before.",
        CaseAction.ACKNOWLEDGED: "Somebody took care of the case before.",
        CaseAction.ASSIGNED: "The case was assigned before.",
        CaseAction.NOTED: "A note was added to the case before.",
        CaseAction.RESOLVED: "It was over before.",
        CaseAction.REOPENED: "The case was reopened before.",
        CaseAction.REAPPLIED: "The time limits of the case were computed again before.",
        CaseAction.REMINDED: "A reminder came before.",
        CaseAction.ESCALATED: "The case was escalated before.",
        deliveries.MERGED: "Another message that was waiting says it.",
        deliveries.NO_LONGER_NEWS: "It was no news any more.",
        planning.OWN_STEP: "The only person who would get it is the one who acted.",
        "nothing_left": "Nothing was left of what it would have listed.",
        Nobody.NO_ROUTE: "No route has a receiver for it.",
        Nobody.NO_RECEIVERS: "The route has no receivers, as the settings want it.",
        Nobody.OWNER_UNKNOWN: "It was for the account owner, who is not in the settings.",
        planning.RECEIVERS_REMOVED: "Its receivers are not in the settings any more.",
        "route_removed": "Its receiver is in no route any more.",
        planning.NOBODY_INFORMED: "Nobody had got the alert that it reminds of.",
    },
    gave_up="Given up after the last attempt. {reason}",
    other="The reason is {reason}.",
    channels={"email": "E-mail", "webhook": "Webhook", "chat": "Chat"},
    when="When",
    status="What became of it",
    every_status="anything",
    channel="By",
    every_channel="every way",
    receiver="Receiver",
    every_receiver="everybody",
    no_receiver="nobody",
    about="About",
    alert="an alert",
    incident="an incident",
    digest="a digest",
    route="Route",
    attempt="attempt {n}",
    next_attempt="next attempt: {when}",
    open="Look at it",
    back="All messages",
    one="A message",
    steps="What happened to it",
    none="No messages yet, as far back as this page knows.",
    none_found="No message fits.",
    kept="This page keeps the latest messages only.",
    digests="Digests",
    digests_hint="Messages that list several alerts and incidents, and what is in them.",
    members="What is in it",
    member_count=("1 message", "{n} messages"),
    no_digests="No digests yet, as far back as this page knows.",
    waiting="not sent yet",
    back_to_digests="All digests",
    no_members="What was in it is not known any more.",
)

_FRENCH = DeliveryWords(
    title="Messages",
    hint="Ce qu’est devenu chaque message sur une alerte ou un incident, tentative par tentative.",
    statuses={
        DeliveryStatus.PENDING: "prévu",
        DeliveryStatus.SENT: "envoyé",
        DeliveryStatus.DEFERRED: "en attente",
        DeliveryStatus.FAILED: "échoué",
        DeliveryStatus.CANCELLED: "sans objet",
        DeliveryStatus.NOBODY: "à personne",
    },
    reasons={
        "planned": "L’envoi est prévu.",
        deliveries.RELEASED: "Il part seul, et non dans un récapitulatif.",
        "accepted": "Le serveur du destinataire l’a accepté.",
        deliveries.IN_DIGEST: "Il était dans un récapitulatif.",
        deliveries.COUNTED_IN_DIGEST: "Un récapitulatif trop long l’a compté sans le citer.",
        Why.CAPPED: french("Le destinataire a reçu assez de messages pour l’instant : il vient dans un récapitulatif."),
        Why.INHIBITED: french("Un incident est ouvert sur le périmètre : il vient dans un récapitulatif."),
        Why.GROUPED: "Il vient dans un récapitulatif avec d’autres.",
        Why.QUIET_HOURS: "Le destinataire ne travaille pas à cette heure.",
        deliveries.SILENCED: "Un silence le retient.",
        deliveries.HANDED_OVER: "Il attend qu’on sache s’il vient dans un récapitulatif.",
        "smtp_4xx": "Le serveur de messagerie l’a refusé pour l’instant.",
        "smtp_5xx": "Le serveur de messagerie l’a refusé.",
        "http_3xx": "Le serveur du destinataire l’a renvoyé ailleurs.",
        "http_4xx": "Le serveur du destinataire l’a refusé.",
        "http_5xx": "Le serveur du destinataire a un problème.",
        "timeout": "Le serveur n’a pas répondu à temps.",
        "disconnected": "La connexion au serveur s’est interrompue.",
        "refused": "Le serveur a refusé la connexion.",
        "name_not_found": "Le nom du serveur n’est pas connu.",
        "protocol_error": "La réponse du serveur est incompréhensible.",
        "tls_failed": "La connexion au serveur n’a pas pu être chiffrée.",
        "starttls_missing": "Le serveur de messagerie ne propose pas de chiffrement.",
        "auth_refused": "Le serveur a refusé l’identification.",
        "recipients_refused_partly": "Le serveur de messagerie a refusé une partie des adresses.",
        planning.TOO_MANY_WAITING: "Trop de messages attendaient sur ce client ou ce périmètre.",
        "letter_lost": "Son contenu est perdu.",
        AlertAction.WITHDRAWN: "L’alerte a été levée avant.",
        CaseAction.ACKNOWLEDGED: "Le dossier a été pris en charge avant.",
        CaseAction.ASSIGNED: "Le dossier a été confié à quelqu’un avant.",
        CaseAction.NOTED: "Une note a été ajoutée au dossier avant.",
        CaseAction.RESOLVED: "C’était terminé avant.",
        CaseAction.REOPENED: "Le dossier a été rouvert avant.",
        CaseAction.REAPPLIED: "Les délais du dossier ont été recalculés avant.",
        CaseAction.REMINDED: "Un rappel est venu avant.",
        CaseAction.ESCALATED: "Le dossier a été escaladé avant.",
        deliveries.MERGED: "Un autre message en attente le dit.",
        deliveries.NO_LONGER_NEWS: "Ce n’était plus une nouvelle.",
        planning.OWN_STEP: "La seule personne qui l’aurait reçu est celle qui a agi.",
        "nothing_left": "Il ne restait rien de ce qu’il aurait cité.",
        Nobody.NO_ROUTE: "Aucune route n’a de destinataire pour lui.",
        Nobody.NO_RECEIVERS: "La route n’a pas de destinataire, comme le veut la configuration.",
        Nobody.OWNER_UNKNOWN: "Il était pour le responsable du compte, qui n’est pas dans la configuration.",
        planning.RECEIVERS_REMOVED: "Ses destinataires ne sont plus dans la configuration.",
        "route_removed": "Son destinataire n’est plus dans aucune route.",
        planning.NOBODY_INFORMED: "Personne n’avait reçu l’alerte qu’il rappelle.",
    },
    gave_up="Abandonné après la dernière tentative. {reason}",
    other="La raison est {reason}.",
    channels={"email": "E-mail", "webhook": "Webhook", "chat": "Messagerie d’équipe"},
    when="Quand",
    status="Ce qu’il est devenu",
    every_status="peu importe",
    channel="Par",
    every_channel="toutes les voies",
    receiver="Destinataire",
    every_receiver="tous",
    no_receiver="personne",
    about="Sujet",
    alert="une alerte",
    incident="un incident",
    digest="un récapitulatif",
    route="Route",
    attempt="tentative {n}",
    next_attempt=french("prochaine tentative : {when}"),
    open="Voir",
    back="Tous les messages",
    one="Un message",
    steps="Ce qui lui est arrivé",
    none="Pas encore de message, aussi loin que cette page remonte.",
    none_found="Aucun message ne correspond.",
    kept="Cette page ne garde que les derniers messages.",
    digests="Récapitulatifs",
    digests_hint="Les messages qui citent plusieurs alertes et incidents, et ce qu’ils contiennent.",
    members="Ce qu’il contient",
    member_count=("1 message", "{n} messages"),
    no_digests="Pas encore de récapitulatif, aussi loin que cette page remonte.",
    waiting="pas encore envoyé",
    back_to_digests="Tous les récapitulatifs",
    no_members="Ce qu’il contenait n’est plus connu.",
)

DELIVERY_WORDS: Mapping[Language, DeliveryWords] = {"fr": _FRENCH, "en": _ENGLISH}
