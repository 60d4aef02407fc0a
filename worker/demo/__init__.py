"""The worker shown on one machine: a real Kafka, an inbox, sample responses, and a live view of what happens."""
