"""What is decided about records, without Faust, clock or I/O: one folder for each road, from topic to table."""
