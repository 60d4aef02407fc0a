"""Cases as a person works on them in the terminal: the list, one case in full, and commands with their answers."""
