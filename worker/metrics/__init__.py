"""What the worker tells Prometheus and probes: the catalogue of metrics, how they are counted, and their server."""
