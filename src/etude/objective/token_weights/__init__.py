"""How much each token of a demonstration counts."""
