"""The programs that are measured, each a process of its own: `python -m bench.contenders.<name>`."""
