"""Which prompt groups are trained on."""
