"""Which rows and tokens are trained on once advantages are known."""
