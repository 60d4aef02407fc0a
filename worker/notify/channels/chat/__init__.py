"""The chat: its settings, its short messages, the markup of each kind of chat, and the rooms that get messages."""

#: The channel's name in the delivery log, on which the ids of its deliveries depend.
NAME = "chat"
