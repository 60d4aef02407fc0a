"""What is decided about records, without Faust, clock or I/O: a folder each road, from its topic to its table."""
