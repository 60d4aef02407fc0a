"""What a survey tool delivers by HTTP: the settings of each source, and whether a delivery is authentic. Pure."""
