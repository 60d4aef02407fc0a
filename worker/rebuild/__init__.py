"""`python -m worker rebuild` makes lost tables again from the topics that they came from. Begin with command.py."""
