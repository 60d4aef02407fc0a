"""The HTTP server of the role receive: it takes the deliveries of survey tools. It knows no Faust."""
