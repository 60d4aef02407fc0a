"""The role web: the page with scores and cases, and the links by which people act without a login. No Faust."""
