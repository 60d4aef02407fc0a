"""Deliveries of survey tools by HTTP: whether a delivery is authentic. Pure."""
