"""Records that this version cannot read, since another program or a later version has written them."""

import msgspec

from worker.errors import Rejected

#: What the stores raise about such a record, whatever its bytes are. Whoever reads the records says where it lies, and
#: goes on. ValueError stands for pydantic's ValidationError, and for text that is no UTF-8 or no base64. JSON that is
#: nested too deeply raises RecursionError; a number or a time that is too large raises OverflowError.
UNREADABLE = (ValueError, OverflowError, RecursionError, msgspec.MsgspecError, Rejected)
