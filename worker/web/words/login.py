"""The words of the login and of the list of sessions, in French and English."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.notify.content.typography import french
from worker.routing.receiver import Language


@dataclass(frozen=True)
class LoginWords:
    """The words of one language."""

    title: str
    name: str
    password: str
    submit: str
    provider: str  # the link to the provider of the login
    #: Why a login was refused, by its word of `nps.audit`.
    refused: Mapping[str, str]
    minutes: str  # {n}
    sessions: str
    about_sessions: str
    person: str
    permission: str
    permissions: Mapping[str, str]
    since: str
    end: str
    this_one: str
    none: str
    ended: str
    not_ended: str


LOGIN_WORDS: Mapping[Language, LoginWords] = {
    "en": LoginWords(
        title="Log in",
        name="Name",
        password="Password",  # noqa: S106 - a label
        submit="Log in",
        provider="Log in with your company’s account",
        refused={
            "wrong_password": "The name or the password is wrong.",
            "too_many_attempts": "There were too many attempts. Wait a few minutes, and try again.",
            "not_permitted": "You are known, but this page is not open to you. Ask the people who run it.",
            "provider_failed": "Your company’s login has not confirmed who you are. Try again.",
            "not_recorded": "Nobody can log in at the moment, since it cannot be written down. Try again in a minute.",
        },
        minutes="You can try again in {n} min.",
        sessions="Sessions",
        about_sessions="Who is logged in. A session that you end is over at once, on every page that the person has "
        "open.",
        person="Person",
        permission="Permission",
        permissions={"view": "look", "act": "act on cases", "admin": "do everything"},
        since="Logged in since",
        end="End",
        this_one="This is you.",
        none="Nobody else is logged in.",
        ended="The session was ended.",
        not_ended="The session is ended here. It could not be written down yet, so other servers may still accept it.",
    ),
    "fr": LoginWords(
        title="Connexion",
        name="Nom",
        password="Mot de passe",  # noqa: S106 - a label
        submit="Se connecter",
        provider="Se connecter avec le compte de l’entreprise",
        refused={
            "wrong_password": "Le nom ou le mot de passe est faux.",
            "too_many_attempts": "Il y a eu trop de tentatives. Attendez quelques minutes avant de réessayer.",
            "not_permitted": french(
                "Vous êtes connu, mais cette page ne vous est pas ouverte ; adressez-vous à ses responsables."
            ),
            "provider_failed": "Le compte de l’entreprise n’a pas confirmé qui vous êtes. Réessayez.",
            "not_recorded": "Personne ne peut se connecter pour l’instant, faute de pouvoir le noter. Réessayez dans "
            "une minute.",
        },
        minutes="Vous pourrez réessayer dans {n} min.",
        sessions="Sessions",
        about_sessions="Qui est connecté. Une session que vous fermez l’est aussitôt, sur toutes les pages ouvertes "
        "par cette personne.",
        person="Personne",
        permission="Droit",
        permissions={"view": "consulter", "act": "traiter les dossiers", "admin": "tout faire"},
        since="Connecté depuis",
        end="Fermer",
        this_one="C’est vous.",
        none="Personne d’autre n’est connecté.",
        ended="La session est fermée.",
        not_ended=french(
            "La session est fermée ici. Cela n’a pas encore pu être noté : d’autres serveurs peuvent encore l’accepter."
        ),
    ),
}
