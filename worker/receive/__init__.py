"""What survey tools deliver by HTTP or on a topic: is it authentic, and what does it become? Pure."""
