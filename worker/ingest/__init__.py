"""What the role receive does: it takes deliveries of survey tools by HTTP, and fetches answers. It knows no Faust."""
