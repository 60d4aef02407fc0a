"""E-mail: its settings, what a mail looks like, and how it is sent. Nothing outside knows that mails are mails."""
