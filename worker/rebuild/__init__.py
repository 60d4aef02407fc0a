"""`python -m worker rebuild`: state that was lost is made again from the topics that it came from. Read command.py."""
