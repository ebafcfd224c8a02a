"""How the groups of a step come about."""
