"""What distribution a token is drawn from."""
