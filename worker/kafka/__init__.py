"""Kafka without Faust: connections, topics, reading and publishing, and the format of the changelogs."""
