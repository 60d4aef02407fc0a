"""A tick: the message that time has passed, even if nothing arrives. A replay reads it at the same place of the log.

The time is the record's timestamp, which the broker sets. So a worker whose clock is wrong moves no window.
"""

#: The key of a tick. Tallies, which are on the same topic, have no key.
KEY = b"tick"
