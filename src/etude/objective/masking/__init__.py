"""Rows and tokens taken out of the loss."""
