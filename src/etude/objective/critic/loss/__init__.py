"""What a critic's head gives for a token, and what its error costs."""
