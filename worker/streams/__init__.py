"""The Faust shell: ordered batches, durable tables, and the one principle: outputs, then state, then offset.

What a record causes is decided in `worker.flow`; this room makes it durable. `lane.py` is the file to read first.
`ordered.py` says how records come in without holes, `table.py` how state becomes durable, and `checkpoint.py` when. The
files of `worker/roles/` declare the agents. Faust joins the group, assigns the partitions and declares the changelogs.
"""
