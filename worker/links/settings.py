"""The settings of the links in notices, and of the pages to which they lead."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.address import is_loopback, split_url
from worker.links.signing import Links
from worker.secret_files import SecretSection, secret_file

#: The longest address, in characters.
_LONGEST_URL = 500
#: The shortest key, in characters. 32 random characters cannot be guessed.
_SHORTEST_KEY = 32
_NO_KEYS = "needs keys, which sign the links: set NPS_WEB__KEYS or NPS_WEB__KEYS_FILE, as docs/links.md says"


class WebSettings(SecretSection):
    """Links in notices by which people acknowledge and resolve alerts, and the role web, which serves their pages."""

    base_url: str | None = Field(
        default=None,
        description="The address at which people reach the role web, such as 'https://nps.example.com'. Links in mails "
        "and other channels begin with it. It must begin with https, unless it is an address of this machine. Without "
        "it, there are no links to acknowledge and resolve alerts.",
    )
    keys: list[SecretStr] = Field(
        default=[],
        max_length=8,
        description="The secret keys of the links, at least 32 characters each. The first one signs new links, and all "
        "of them are accepted. The roles notify and web need the same keys. Set them in the environment, or name "
        "their file in keys_file.",
    )
    keys_file: Path | None = secret_file("the keys, one a line")
    link_days: int = Field(
        default=30,
        ge=1,
        le=365,
        description="Days after the alert's step for which a link in a mail can be used.",
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="The address of this machine on which the role web listens. By default, only programs on this "
        "machine reach it, such as a reverse proxy with TLS.",
    )
    port: int = Field(
        default=8080,
        ge=0,
        lt=2**16,
        description="The port on which the role web listens. 0 is any free port; the log says which.",
    )

    @field_validator("base_url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = split_url(url, _LONGEST_URL)
        if parts is None or parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("must be an https address, such as https://nps.example.com")
        if "@" in parts.netloc or parts.query or parts.fragment or url.endswith(("?", "#")):
            raise ValueError("must have no user name, no question mark and no '#'")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("must begin with https, unless it is an address of this machine")
        return url.rstrip("/")

    @field_validator("keys")
    @classmethod
    def _long_enough(cls, keys: list[SecretStr]) -> list[SecretStr]:
        if any(len(key.get_secret_value().strip()) < _SHORTEST_KEY for key in keys):
            raise ValueError(f"must have at least {_SHORTEST_KEY} characters each, as docs/links.md makes them")
        return keys

    @model_validator(mode="after")
    def _signed(self) -> "WebSettings":
        if self.base_url is not None and not self.keys:
            raise ValueError(f"base_url {_NO_KEYS}")
        return self

    @property
    def links(self) -> Links | None:
        """What makes and reads links; None if there are no keys."""
        if not self.keys:
            return None
        return Links(tuple(self.keys), self.link_days, self.base_url or "")

    @property
    def problem(self) -> str | None:
        """Why the role web cannot run with these settings; None if it can."""
        return None if self.keys else f"web.keys: the role web {_NO_KEYS}"

    @property
    def links_in_notices(self) -> Links | None:
        """What makes the links in mails, messages and events; None if they have none."""
        return self.links if self.base_url is not None else None
