"""What survey tools deliver by HTTP or on a topic: the settings of each source, and what is authentic. Pure."""
