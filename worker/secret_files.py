"""Secrets in files, as Docker, Kubernetes and systemd hand them to a process.

A setting X of a `SecretSection` that holds secrets has a companion X_file, which names a file. The file has one secret,
or one secret a line if X is a list. No error has anything of the content of a file.
"""

from pathlib import Path
from typing import Any, get_origin

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from worker.section import Section

_SUFFIX = "_file"
#: The largest file that is read, in bytes. The file of a secret is far smaller, and /dev/zero has no end.
_LARGEST = 65_536


class UnreadableSecret(ValueError):
    """The file of a secret cannot be used. The text says why."""


def secret_file(secret: str, more: str = "") -> Any:
    """Return the field of the setting that names the file of a secret. `secret`: what the file holds, in words."""
    meaning = f"File that holds {secret}, for secrets that Docker, Kubernetes or systemd mount."
    return Field(default=None, description=f"{meaning} {more}".strip())


class SecretSection(Section):
    """A section of the settings with secrets, each of which a file may hold."""

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        read, problems = {}, []
        for companion in (name for name in cls.model_fields if name.endswith(_SUFFIX) and given.get(name) is not None):
            secret = companion.removesuffix(_SUFFIX)
            try:
                read[secret] = _of_file(given, secret, companion, cls.model_fields[secret].annotation)
            except UnreadableSecret as error:
                reason = PydanticCustomError("secret_file", "{reason}", {"reason": str(error)})
                problems.append(InitErrorDetails(type=reason, loc=(companion,), input=None))
        if problems:
            raise ValidationError.from_exception_data(cls.__name__, problems, hide_input=True)
        return {**given, **read}


def _of_file(given: dict[str, Any], secret: str, companion: str, kind: Any) -> str | list[str]:
    if given.get(secret) is not None:
        raise UnreadableSecret(f"{secret} is set as well: set only one of the two")
    path = given[companion]
    if not isinstance(path, str | Path):
        raise UnreadableSecret("must be the path of a file")
    return read_lines(Path(path)) if get_origin(kind) is list else read_secret(Path(path))


def read_secret(path: Path) -> str:
    """Return the secret that a file holds, without the line break at its end. Raise UnreadableSecret."""
    secret = _text(path).rstrip("\r\n")
    if not secret:
        raise UnreadableSecret("the file is empty")
    if not {"\r", "\n"}.isdisjoint(secret):
        raise UnreadableSecret("the file must hold one line")
    return secret


def read_lines(path: Path) -> list[str]:
    """Return the secrets that a file holds, one a line. Empty lines are left out. Raise UnreadableSecret."""
    secrets = [line.rstrip("\r") for line in _text(path).split("\n") if line.strip()]
    if not secrets:
        raise UnreadableSecret("the file is empty")
    return secrets


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise UnreadableSecret("there is no such file" if not path.exists() else "it is not an ordinary file")
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise UnreadableSecret(f"the file cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise UnreadableSecret(f"the file is larger than {_LARGEST} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableSecret("the file is not UTF-8") from None
