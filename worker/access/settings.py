"""The settings of the login of the page: who may look at it and act on it."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, field_validator, model_validator

from schemas.base import LONGEST_ID, NO_CONTROLS
from worker.access.passwords import is_hash
from worker.access.person import Permission, Person
from worker.address import is_loopback, split_url
from worker.lineage import canonical_path, is_segment
from worker.secret_files import SecretSection, secret_file
from worker.section import Section

PermissionName = Literal["view", "act", "admin"]
#: What a person or a group is called, which is written down with each step that the person takes.
Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID, pattern=NO_CONTROLS)]
_LONGEST_URL = 500
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")


def _segment(path: str) -> str:
    if not is_segment(path):
        raise ValueError("must be the path of a segment, such as 'fr/lyon'; '' is every segment")
    return canonical_path(path)


class Rights(Section):
    """What somebody may see and do."""

    permission: PermissionName = Field(
        default="view",
        description="What these people may do: 'view' is to look; 'act' is also to act on cases; 'admin' is also to "
        "change silences, to send dead letters again, and to end sessions.",
    )
    segments: list[Annotated[str, AfterValidator(_segment)]] = Field(
        default=[""],
        min_length=1,
        description="The segments that these people may see, with all segments below them. '' is every segment.",
    )


class User(Rights, SecretSection):
    """A person who logs in with a password."""

    password_hash: SecretStr | None = Field(
        default=None,
        description="The hash of the password, as `python -m worker hash-password` makes it. Set it in the "
        "environment, or name its file in password_hash_file.",
    )
    password_hash_file: Path | None = secret_file("the hash of the password")

    @field_validator("password_hash")
    @classmethod
    def _argon2(cls, hashed: SecretStr | None) -> SecretStr | None:
        if hashed is not None and not is_hash(hashed.get_secret_value()):
            raise ValueError("must be a hash of argon2id, as `python -m worker hash-password` makes it")
        return hashed

    @model_validator(mode="after")
    def _has_password(self) -> "User":
        if self.password_hash is None:
            raise ValueError("needs password_hash or password_hash_file: `python -m worker hash-password` makes a hash")
        return self


class Group(Rights):
    """A group of people, as the provider of the login or the proxy names it."""


class OidcSettings(SecretSection):
    """Login by OpenID Connect, with a provider such as Keycloak, Entra ID, Okta or Google."""

    issuer: str | None = Field(
        default=None,
        description="The address of the provider, without /.well-known/openid-configuration. Without it, there is no "
        "login by OpenID Connect.",
    )
    client_id: str = Field(default="", description="The id of the page at the provider.")
    client_secret: SecretStr | None = Field(
        default=None,
        description="The secret of the page at the provider. Set it in the environment, or name its file in "
        "client_secret_file.",
    )
    client_secret_file: Path | None = secret_file("the secret of the page at the provider")
    scopes: list[str] = Field(
        default=["openid", "profile", "email"], description="What the provider is asked for; it needs 'openid'."
    )
    name_claim: str = Field(
        default="preferred_username",
        min_length=1,
        description="The claim of the ID token by which a person is called. If it is missing, it is 'sub'.",
    )
    groups_claim: str = Field(
        default="groups", min_length=1, description="The claim of the ID token that lists the person's groups."
    )

    @field_validator("issuer")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = split_url(url, _LONGEST_URL)
        if parts is None or parts.scheme not in {"https", "http"} or not parts.hostname or "@" in parts.netloc:
            raise ValueError("must be an https address, such as https://login.example.com/realms/company")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("must begin with https, unless it is an address of this machine")
        return url

    @model_validator(mode="after")
    def _complete(self) -> "OidcSettings":
        if self.issuer is not None and not (self.client_id and self.client_secret):
            raise ValueError("issuer needs client_id, and client_secret or client_secret_file")
        if "openid" not in self.scopes:
            raise ValueError("scopes must have 'openid'")
        return self


class HeaderSettings(Section):
    """Login by a reverse proxy, which says in a header who has logged in there."""

    user: str | None = Field(
        default=None,
        description="The header in which a proxy of web.trusted_proxies says who has logged in, such as "
        "'X-Forwarded-User'. The proxy must remove it from requests of clients. Without it, no header counts.",
    )
    groups: str = Field(
        default="X-Forwarded-Groups",
        description="The header in which the proxy lists the person's groups, separated by commas.",
    )

    @field_validator("user", "groups")
    @classmethod
    def _name(cls, name: str | None) -> str | None:
        if name is not None and _HEADER.fullmatch(name) is None:
            raise ValueError("must be the name of a header: letters, digits and hyphens")
        return name


class AuthSettings(Section):
    """The login of the page. Without it, the page can only be opened on the machine itself."""

    users: dict[Name, User] = Field(default={}, description="The people who log in with a password, by their names.")
    groups: dict[Name, Group] = Field(
        default={},
        description="What the groups of people may see and do who log in by OpenID Connect or by a proxy. If somebody "
        "is in several groups, the first one of this list counts. Somebody who is in none of them gets in only by "
        "everybody.",
    )
    everybody: PermissionName | None = Field(
        default=None,
        description="What people may do who log in by OpenID Connect or by a proxy and are in no group of groups; they "
        "see all segments. Without it, they do not get in.",
    )
    view_hides_customers: bool = Field(
        default=False,
        description="Whether the page hides the ids, names, addresses and comments of customers from people whose "
        "permission is 'view'.",
    )
    session_hours: int = Field(
        default=12, ge=1, le=24 * 30, description="Hours after a login until the person has to log in again."
    )
    oidc: OidcSettings = OidcSettings()
    header: HeaderSettings = HeaderSettings()

    @model_validator(mode="after")
    def _usable(self) -> "AuthSettings":
        if self.header.user is not None and (self.users or self.oidc.issuer is not None):
            raise ValueError("header.user cannot be combined with users or oidc.issuer")
        by_group = self.header.user is not None or self.oidc.issuer is not None
        if by_group and not self.groups and self.everybody is None:
            raise ValueError("oidc.issuer and header.user need groups or everybody, or else nobody gets in")
        return self

    @property
    def is_set(self) -> bool:
        """Whether there is a login."""
        return bool(self.users) or self.oidc.issuer is not None or self.header.user is not None

    def user(self, name: str) -> Person | None:
        """Return the person of a user with a password; None if there is no such user."""
        found = self.users.get(name)
        return None if found is None else self._person(name, found)

    def group_of(self, groups: frozenset[str]) -> str | None:
        """Return the group that decides about somebody who is in these groups.

        It is empty for somebody who is in none of the settings' groups and gets in by `everybody`, and None for
        somebody who does not get in.
        """
        found = next((name for name in self.groups if name in groups), None)
        return "" if found is None and self.everybody is not None else found

    def member(self, name: str, group: str) -> Person | None:
        """Return the person of somebody who has logged in elsewhere. `group`: as `group_of` returns it.

        Return None if the settings do not know the group any more.
        """
        if group:
            found = self.groups.get(group)
            return None if found is None else self._person(name, found)
        return None if self.everybody is None else self._person(name, Rights(permission=self.everybody))

    def _person(self, name: str, rights: Rights) -> Person:
        permission = Permission[rights.permission.upper()]
        hides = permission is Permission.VIEW and self.view_hides_customers
        return Person(name, permission, tuple(rights.segments), sees_customers=not hides)
