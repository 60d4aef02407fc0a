"""Subjects, folded as `email.header.Header` does it.

`EmailMessage` has a younger way, which in CPython 3.11 and later still puts an encoded word into the middle of another
at some folds: a reader then sees `=?utf-8?q?=C2=A1?=` in a customer's name.
"""

from email.header import Header
from email.headerregistry import HeaderRegistry, UniqueUnstructuredHeader
from email.policy import default
from typing import Any, cast


class _Subject(UniqueUnstructuredHeader):
    def fold(self: Any, *, policy: Any) -> str:
        text = str(self)
        folded = Header(text, "us-ascii" if text.isascii() else "utf-8", header_name=self.name)
        return f"{self.name}: {folded.encode(linesep=policy.linesep)}{policy.linesep}"


_headers = HeaderRegistry()
_headers.map_to_type("subject", cast(Any, _Subject))
#: For the messages that are composed here.
POLICY = default.clone(header_factory=_headers)
