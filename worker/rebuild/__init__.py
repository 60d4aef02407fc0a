"""`python -m worker rebuild` rebuilds lost tables from the topics that they came from. Begin with command.py."""
