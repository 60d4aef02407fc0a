"""`python -m worker rebuild`, which makes lost state again from the topics that it came from. Begin with command.py."""
