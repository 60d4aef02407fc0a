"""The settings of the role web: of the links in notices, and of the page."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from worker.access.client import Network
from worker.access.settings import AuthSettings
from worker.address import is_loopback, split_url
from worker.links.signing import Links
from worker.secret_files import SecretSection, secret_file

#: The longest address, in characters.
_LONGEST_URL = 500
#: The shortest key, in characters. 32 random characters cannot be guessed.
_SHORTEST_KEY = 32
_NO_KEYS = "needs keys, which sign the links: set NPS_WEB__KEYS or NPS_WEB__KEYS_FILE, as docs/links.md says"
_AUTH_NEEDS = (
    "web.auth needs keys, which sign the sessions, and base_url, the address at which people reach the page, without "
    "a path: docs/page.md says how to set them"
)


def _network(text: str) -> str:
    ip_network(text)  # raises ValueError
    return text


class WebSettings(SecretSection):
    """The role web: the page with scores and cases, and the links by which people acknowledge and resolve alerts."""

    base_url: str | None = Field(
        default=None,
        description="The address at which people reach the role web, such as 'https://nps.example.com'. Links in mails "
        "and other channels begin with it. It must begin with https, unless it is an address of this machine. Without "
        "it, there are no links to acknowledge and resolve alerts, and no login.",
    )
    keys: list[SecretStr] = Field(
        default=[],
        max_length=8,
        description="The secret keys of the links and of sessions, at least 32 characters each. The first one signs, "
        "and all of them are accepted. The roles notify and web need the same keys. Set them in the environment, or "
        "name their file in keys_file.",
    )
    keys_file: Path | None = secret_file("the keys, one a line")
    link_days: int = Field(
        default=30,
        ge=1,
        le=365,
        description="Days after the alert's step for which a link in a mail can be used.",
    )
    latest_records: int = Field(
        default=20_000,
        ge=1_000,
        le=1_000_000,
        description="Number of the newest records that the page keeps in memory of each of these: decisions, steps of "
        "alerts and cases, steps of incidents, recoveries, deliveries. Of dead letters it reads a tenth.",
    )
    latest_megabytes: int = Field(
        default=32,
        ge=1,
        le=10_000,
        description="Largest size in megabytes of the records that it keeps of each of these.",
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="The address of this machine on which the role web listens. By default, only programs on this "
        "machine reach it, such as a reverse proxy with TLS. Without web.auth, the page is served on no other address.",
    )
    port: int = Field(
        default=8080,
        ge=0,
        lt=2**16,
        description="The port on which the role web listens. 0 is any free port; the log says which.",
    )
    trusted_proxies: list[Annotated[str, AfterValidator(_network)]] = Field(
        default=[],
        description="Addresses or networks of reverse proxies, such as ['127.0.0.1'], whose header X-Forwarded-For is "
        "believed, by which attempts to log in are counted, and whose header web.auth.header.user is.",
    )
    auth: AuthSettings = AuthSettings()

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

    @model_validator(mode="after")
    def _can_log_in(self) -> "WebSettings":
        if self.auth.is_set and not (self.keys and self.base_url is not None and not urlsplit(self.base_url).path):
            raise ValueError(_AUTH_NEEDS)
        if self.auth.header.user is not None and not self.trusted_proxies:
            raise ValueError("auth.header.user needs trusted_proxies: from others, the header does not count")
        return self

    @property
    def links(self) -> Links | None:
        """What makes and reads links; None if there are no keys."""
        if not self.keys:
            return None
        return Links(tuple(self.keys), self.link_days, self.base_url or "")

    @property
    def serves_page(self) -> bool:
        """Whether the role web serves the page.

        Without a login it does so only for people on this machine. Links for people elsewhere mean that a reverse proxy
        forwards to the role, and through it everybody could see the page.
        """
        is_for_others = bool(self.keys) and not (self.base_url is not None and self._is_local_url)
        return self.auth.is_set or (is_loopback(self.host) and not is_for_others)

    @property
    def page_url(self) -> str | None:
        """Where the page begins, without a slash at its end: empty on the same server; None if it is not served."""
        return (self.base_url or "") if self.serves_page else None

    @property
    def origin(self) -> str | None:
        """The origin of the page as browsers write it; None without base_url."""
        if self.base_url is None:
            return None
        parts = urlsplit(self.base_url)
        is_usual = parts.port in {None, 443 if parts.scheme == "https" else 80}
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{host}{'' if is_usual else f':{parts.port}'}"

    @property
    def is_https(self) -> bool:
        """Whether people reach the page by https."""
        return self.base_url is not None and self.base_url.startswith("https:")

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of trusted_proxies."""
        return tuple(map(ip_network, self.trusted_proxies))

    @property
    def problem(self) -> str | None:
        """Why the role web cannot run with these settings; None if it can."""
        if self.serves_page or self.keys:
            return None
        return (
            f"web.host: {self.host} is not an address of this machine alone, so the page needs a login: set web.auth, "
            "as docs/page.md says, or set web.host to 127.0.0.1"
        )

    @property
    def _is_local_url(self) -> bool:
        return is_loopback(urlsplit(self.base_url or "").hostname or "")

    @property
    def links_in_notices(self) -> Links | None:
        """What makes the links in mails, messages and events; None if they have none."""
        return self.links if self.base_url is not None else None
