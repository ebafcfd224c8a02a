"""Terms added to the loss."""
