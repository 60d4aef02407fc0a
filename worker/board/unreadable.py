"""Records that this version cannot read, since another program or a later version has written them."""

import binascii

import msgspec
from pydantic import ValidationError

from worker.errors import Rejected

#: What the stores raise about such a record. Whoever reads the records says where it lies, and goes on.
UNREADABLE = (ValidationError, msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, Rejected)
