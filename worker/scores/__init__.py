"""The scores as a person reads them: the latest scores of each segment, as a tree in the terminal."""
