"""The static files of the page. Their addresses have the hash of their content, so browsers keep them for ever."""

import hashlib
import mimetypes
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).parent / "static"
#: Where the files are served.
PATH = "/static"
#: The number of hexadecimal digits of the hash in an address.
_DIGITS = 16


class Asset(NamedTuple):
    """A static file."""

    content: bytes
    type: str


class Assets:
    """The static files, read once."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._named: dict[str, str] = {}
        self._served: dict[str, Asset] = {}
        for file in sorted(folder.iterdir()):
            content, kind = file.read_bytes(), mimetypes.guess_type(file.name)[0]
            if kind is None:  # a licence, or a checksum
                continue
            hashed = hashlib.sha256(content).hexdigest()[:_DIGITS]
            served = f"{file.stem}.{hashed}{file.suffix}"
            self._named[file.name] = f"{PATH}/{served}"
            self._served[served] = Asset(content, kind)

    def address(self, name: str) -> str:
        """Return the address of a file. Raise KeyError if there is no such file."""
        return self._named[name]

    def find(self, served: str) -> Asset | None:
        """Return the file that is served under a name with a hash; None if there is none."""
        return self._served.get(served)
