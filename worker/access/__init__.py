"""Who may look at the page and act on it: people, sessions, passwords, forms, and limits of attempts. Pure."""
