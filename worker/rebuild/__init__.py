"""`python -m worker rebuild` makes lost state again from the topics that it came from. Begin with command.py."""
