"""Pages without what stands around the others: the login, and pages that only say something."""

from jinja2 import Environment

from worker.routing.receiver import Language
from worker.web.login import LOGIN, START, Refused
from worker.web.rendering import Rendering
from worker.web.words.layout import LAYOUT_WORDS
from worker.web.words.login import LOGIN_WORDS
from worker.web.words.messages import MESSAGES, Message

_MINUTE = 60_000


class Plain:
    """Makes these pages."""

    def __init__(self, rendering: Rendering) -> None:
        self._templates: Environment = rendering.templates

    def message(self, language: Language, message: Message) -> str:
        """Return a page that only says something."""
        return self._html("message.html.j2", language, said=MESSAGES[language][message])

    def login(
        self,
        language: Language,
        to: str,
        token: str,
        *,
        refused: Refused | None,
        name: str,
        has_passwords: bool,
        has_provider: bool,
    ) -> str:
        """Return the login's page. `to`: where it leads; `refused`: what became of the attempt before."""
        words = LOGIN_WORDS[language]
        problem = "" if refused is None else words.refused[refused.reason]
        wait = "" if refused is None or not refused.wait else words.minutes.format(n=-(-refused.wait // _MINUTE))
        return self._html(
            "login.html.j2",
            language,
            words=words,
            to=to,
            token=token,
            name=name,
            problem=f"{problem} {wait}".strip(),
            has_passwords=has_passwords,
            has_provider=has_provider,
            action=LOGIN,
            start=START,
        )

    def _html(self, template: str, language: Language, **values: object) -> str:
        brand = LAYOUT_WORDS[language].brand
        return self._templates.get_template(template).render(**values, language=language, brand=brand)
