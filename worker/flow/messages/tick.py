"""A tick: time passes, also where nothing arrives. It is a record like others, so a replay meets it at the same place.

Its time is the broker's, as the record's timestamp has it: a worker's clock that goes wrong moves no window.
"""

#: The key of a tick among the tallies, which have none.
KEY = b"tick"
