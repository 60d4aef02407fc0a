"""The scores as a person reads them: the latest of each segment, as a tree in the terminal."""
