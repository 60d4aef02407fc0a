"""The routes of e-mail, whose receivers are mail addresses."""

from pydantic import field_validator

from worker.address import check_address, without_repeats
from worker.routing.flat import FlatRoute


class EmailRoute(FlatRoute):
    """A route whose receivers are plain mail addresses."""

    @field_validator("to")
    @classmethod
    def _addresses(cls, to: list[str]) -> list[str]:
        return without_repeats(check_address(address) for address in to)
