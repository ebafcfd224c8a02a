"""Which rows of a mix are trained on."""
