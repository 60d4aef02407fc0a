"""The settings of an HTTP endpoint: its address, and how the worker makes sure that it talks to the right server."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from worker.address import is_loopback, split_url
from worker.secret_files import SecretSection, secret_file

#: The longest address, in characters.
_LONGEST = 2_000

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def _endpoint_name(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(
            "must have a name of at most 63 small letters (a to z), digits and underscores, the first of them a letter"
        )
    return name


#: The name of an endpoint. It is a part of variables' names, so it has no characters that they cannot have.
EndpointName = Annotated[str, AfterValidator(_endpoint_name)]


class Endpoint(SecretSection):
    """An HTTP endpoint. Its address may hold a secret, so no log line and no error shows it."""

    url: SecretStr = Field(
        description="The https address to which the worker posts. It may hold a secret, so set it in the environment, "
        "or name its file in url_file. Redirects are not followed."
    )
    url_file: Path | None = secret_file("the address")
    allow_http: bool = Field(
        default=False,
        description="Whether the address may begin with http, although customers' data then crosses the network in "
        "plain text. An address of this machine may begin with http in any case.",
    )
    cafile: Path | None = Field(
        default=None,
        description="PEM file of the certificate authorities that the worker trusts. Without it, the worker trusts "
        "those of the operating system.",
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        parts = split_url(text, _LONGEST)
        if parts is None or not (parts.scheme in {"https", "http"} and parts.hostname) or parts.fragment:
            raise ValueError("must be an https address, such as https://crm.example.com/hooks/nps")
        if "@" in parts.netloc:
            raise ValueError("must have no user name and no password before the host")
        return url

    @model_validator(mode="after")
    def _consistent(self) -> "Endpoint":
        if not self.is_encrypted and not self.allow_http and not is_loopback(self.host):
            raise ValueError("url must begin with https, unless allow_http is true or it is an address of this machine")
        if self.cafile is not None and not self.cafile.is_file():
            raise ValueError("cafile is not a file")
        return self

    @property
    def is_encrypted(self) -> bool:
        """Whether the worker uses TLS."""
        return self._parts.scheme == "https"

    @property
    def host(self) -> str:
        """The name or the address of the server."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """The port of the server."""
        return self._parts.port or (443 if self.is_encrypted else 80)

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url.get_secret_value())
