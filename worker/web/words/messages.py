"""The words of pages that only say something, in French and English: what went wrong, and what to do next."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from worker.notify.content.typography import french
from worker.routing.receiver import Language


class Message(StrEnum):
    """What a page says."""

    NOT_FOUND = "not_found"
    NOT_PERMITTED = "not_permitted"
    NOT_ACCEPTED = "not_accepted"
    TOO_MUCH = "too_much"
    TOO_MANY = "too_many"
    STARTING = "starting"
    NOT_RECORDED = "not_recorded"
    LOGGED_OUT_HERE = "logged_out_here"
    BROKEN = "broken"


class Said(NamedTuple):
    """A title, and a paragraph below it."""

    title: str
    text: str


MESSAGES: Mapping[Language, Mapping[Message, Said]] = {
    "en": {
        Message.NOT_FOUND: Said(
            "There is no such page", "Perhaps what it was about is long over, or it is not yours to see."
        ),
        Message.NOT_PERMITTED: Said(
            "You may not do this", "Ask the people who run this page if you need to. Nothing was changed."
        ),
        Message.NOT_ACCEPTED: Said(
            "This form was not accepted",
            "Nothing was changed. Go back, reload the page, and send its form again. The page may have been open for "
            "too long, or another site has tried to send the form.",
        ),
        Message.TOO_MUCH: Said("This form was too large", "Nothing was changed. Go back, and write less."),
        Message.TOO_MANY: Said("Too many attempts", "Nothing was changed. Wait a few minutes, and try again."),
        Message.STARTING: Said(
            "This page is starting", "Reload it in a moment. It is still reading what has happened so far."
        ),
        Message.NOT_RECORDED: Said(
            "This is not possible at the moment",
            "It has to be written down who does this, and that does not work now. Nothing was done. Try again in a "
            "few minutes.",
        ),
        Message.LOGGED_OUT_HERE: Said(
            "You are logged out in this browser",
            "It could not be written down yet, so other servers may still accept the session until that works again. "
            "If somebody else may have a copy of it, ask an administrator to end it.",
        ),
        Message.BROKEN: Said(
            "Something went wrong", "That is not your fault. If it happens again, tell the people who run this page."
        ),
    },
    "fr": {
        Message.NOT_FOUND: Said(
            "Cette page n’existe pas", "Le sujet est peut-être clos depuis longtemps, ou il ne vous est pas ouvert."
        ),
        Message.NOT_PERMITTED: Said(
            "Vous n’avez pas ce droit",
            "Adressez-vous aux responsables de cette page s’il vous le faut. Rien n’a été modifié.",
        ),
        Message.NOT_ACCEPTED: Said(
            "Cet envoi n’a pas été accepté",
            "Rien n’a été modifié. Revenez en arrière, rechargez la page et renvoyez son formulaire. La page est "
            "peut-être restée ouverte trop longtemps, ou un autre site a tenté d’envoyer le formulaire.",
        ),
        Message.TOO_MUCH: Said(
            "Ce formulaire est trop long", "Rien n’a été modifié. Revenez en arrière et raccourcissez votre texte."
        ),
        Message.TOO_MANY: Said(
            "Trop de tentatives", "Rien n’a été modifié. Attendez quelques minutes avant de réessayer."
        ),
        Message.STARTING: Said(
            "Cette page démarre", "Rechargez-la dans un instant. Elle lit encore ce qui s’est passé jusqu’ici."
        ),
        Message.NOT_RECORDED: Said(
            "Ce n’est pas possible pour l’instant",
            french(
                "Il faut noter qui fait cela, et ce n’est pas possible en ce moment. Rien n’a été fait ; réessayez "
                "dans quelques minutes."
            ),
        ),
        Message.LOGGED_OUT_HERE: Said(
            "Vous êtes déconnecté de ce navigateur",
            "Cela n’a pas encore pu être noté. Tant que ce n’est pas fait, d’autres serveurs peuvent encore accepter "
            "la session. Si quelqu’un d’autre a pu la copier, demandez à un administrateur de la fermer.",
        ),
        Message.BROKEN: Said(
            "Une erreur s’est produite",
            "Ce n’est pas de votre faute. Si cela se reproduit, prévenez les responsables de cette page.",
        ),
    },
}
