"""How the answers of a step come about."""
