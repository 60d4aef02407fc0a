"""The Faust shell: ordered batches, durable tables, and the one principle: outputs, then state, then offset.

What an event causes is decided in `worker.flow`. This room carries it: `lane.py` is the page to read first,
`ordered.py` says how records come in without holes, `table.py` how state becomes durable. The files of
`worker/roles/` name the agents. Group membership, assignment, changelogs and recovery are Faust's.
"""
