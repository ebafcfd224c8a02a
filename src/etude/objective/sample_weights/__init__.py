"""How much each demonstration of a step counts."""
