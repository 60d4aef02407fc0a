"""The role web: the pages on which people acknowledge and resolve alerts without a login. It knows no Faust."""
