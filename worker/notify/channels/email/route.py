"""The routes of e-mail, whose receivers are mail addresses."""

from pydantic import field_validator

from worker.address import check_address, without_repeats
from worker.notify.routing import Route


class EmailRoute(Route):
    """A route whose receivers are plain mail addresses."""

    @field_validator("to")
    @classmethod
    def _addresses(cls, to: list[str]) -> list[str]:
        return without_repeats(check_address(address) for address in to)

    def identity(self, receiver: str) -> str:
        """Return the address in lower case: in practice no mail server distinguishes upper and lower case."""
        return receiver.casefold()
