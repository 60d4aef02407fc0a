"""What is decided about records, without Faust, clock or I/O: one folder for each road, from a topic to a table."""
