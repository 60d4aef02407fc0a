"""The webhook: its settings, the event that it posts, the signature, and the endpoints that it posts to."""

#: The channel's name in the delivery log, on which the ids of its deliveries depend.
NAME = "webhook"
