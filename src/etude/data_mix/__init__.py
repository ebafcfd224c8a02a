"""Which rows of which sources a stage sees, in which order."""
