"""E-mail: its settings, what a mail looks like, and how it is sent. Nothing outside knows that mails are mails."""

#: The channel's name in the delivery log, on which the ids of its deliveries depend.
NAME = "email"
